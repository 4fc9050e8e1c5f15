"""The manifest: the JSON file beside an artifact that says all a board must know to feed and read
it.

`NAME.tflite` has `NAME.tflite.json`. Tensors are addressed by name, never by position:
engines order inputs as they like (LiteRT by the alphabet), and two inputs of one shape would be
swapped without an error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

from .errors import InputError
from .files import PathLike, beside, sha256, write_together
from .tensors import TensorSpec, field, tensor_from_json

FORMAT = "cen_keras artifact"
FORMAT_VERSION = 1
TASKS = ("segmentation", "translation")


@dataclass(frozen=True)
class Manifest:
    """All that is known of one artifact.

    Attributes:
        task: "segmentation", or "translation", whose outputs are images and which has no classes.
        target, scheme: the engine's file format ("tflite") and how numbers are held ("fp32",
            "static_w8a8", ...).
        inputs, outputs: the tensors by name.
        classes, palette: names and (r, g, b) colours, 0 to 255, in the order of the logits'
            channels.
        file_name, file_bytes, file_sha256: the artifact as it was written.
        dataset: what `verify` opens for held-out views; None when the artifact was exported from a
            bare model.
        run: the run folder, relative to the artifact's folder; None as above.
        calibration: count, seed and checksum of the samples; None for a scheme without calibration.
        freeze: statistics of the freezing step, none for an artifact that was not frozen, and in
            "merged" what one buffer for the modalities' equal 8-bit kernels saved.
        versions: of the libraries that made the artifact, and of the project.
        domain: what the images of a translation show ("normal", "depth"); "" for a segmentation,
            and for a translation that was exported before this was kept.
        note: anything a reader should know, such as "as trained, for comparison only".
    """

    task: str
    target: str
    scheme: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    file_name: str = ""
    file_bytes: int = 0
    file_sha256: str = ""
    dataset: dict[str, Any] | None = None
    run: str | None = None
    calibration: dict[str, Any] | None = None
    freeze: dict[str, Any] = dataclass_field(default_factory=dict)
    versions: dict[str, str] = dataclass_field(default_factory=dict)
    domain: str = ""
    note: str = ""

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the inputs, which all share them."""
        spec = next(iter(self.inputs.values()))
        return spec.hwc[0], spec.hwc[1]

    def to_json(self) -> dict[str, Any]:
        """The manifest as it stands in the file."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "task": self.task,
            **({"domain": self.domain} if self.domain else {}),
            "target": self.target,
            "scheme": self.scheme,
            "note": self.note,
            "file": {"name": self.file_name, "bytes": self.file_bytes, "sha256": self.file_sha256},
            "inputs": {name: spec.to_json() for name, spec in self.inputs.items()},
            "outputs": {name: spec.to_json() for name, spec in self.outputs.items()},
            "classes": list(self.classes),
            "palette": [list(colour) for colour in self.palette],
            "dataset": self.dataset,
            "run": self.run,
            "calibration": self.calibration,
            "freeze": self.freeze,
            "versions": self.versions,
        }


def manifest_path(artifact: PathLike) -> Path:
    """Where the manifest of an artifact lies."""
    return beside(artifact, ".json")


def save(manifest: Manifest, artifact: PathLike, content: bytes) -> Manifest:
    """Writes an artifact and its manifest, both or neither.

    Args:
        manifest: `file_*` are filled in here.
        artifact: path of the artifact.
        content: the artifact's bytes.

    Returns:
        The manifest as written.

    Raises:
        OSError: full disk, no permission; what lay there before is untouched.
    """
    import dataclasses
    import hashlib

    artifact = Path(artifact)
    whole = dataclasses.replace(
        manifest,
        file_name=artifact.name,
        file_bytes=len(content),
        file_sha256=hashlib.sha256(content).hexdigest(),
    )
    text = json.dumps(whole.to_json(), indent=2) + "\n"
    write_together({artifact: content, manifest_path(artifact): text.encode("utf-8")})
    return whole


def load(artifact: PathLike) -> Manifest:
    """Reads the manifest of an artifact and holds the artifact against it.

    Args:
        artifact: path of the `.tflite` or `.onnx` file.

    Raises:
        InputError: either file is missing, the manifest is no manifest, lacks a field, contradicts
            itself, comes from a newer version, or does not describe this artifact (other size or
            SHA-256: truncated, damaged or swapped).
    """
    artifact = Path(artifact)
    if artifact.suffix == ".json":
        raise InputError(f"{artifact}: this is a manifest; name the artifact beside it")
    if not artifact.is_file():
        raise InputError(f"{artifact}: no such artifact; `python -m deploy export RUN` writes one")
    path = manifest_path(artifact)
    if not path.is_file():
        older = artifact.with_suffix(".json")
        way_out = "copy both files together, or export again"
        if older.is_file():
            way_out = f"rename {older.name}, as earlier versions called it, or export again"
        raise InputError(f"{artifact}: the manifest {path.name} is not beside it; {way_out}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); export the artifact again") from error
    manifest = parse(value, str(path))
    _check_artifact(manifest, artifact)
    return manifest


def parse(value: Any, where: str) -> Manifest:
    """Checks a manifest's JSON value; `where` names its file in messages.

    Raises:
        InputError: as for `load`, but for the artifact itself, which is not looked at.
    """
    if field(value, "format", str, where) != FORMAT:
        raise InputError(f"{where}: format is {value['format']!r}, wanted {FORMAT!r}")
    version = field(value, "format_version", int, where)
    if version != FORMAT_VERSION:
        way_out = "update cen_keras" if version > FORMAT_VERSION else "export the artifact again"
        raise InputError(
            f"{where}: format version {version}, this program reads {FORMAT_VERSION}; {way_out}"
        )
    tensors = {}
    for side in ("inputs", "outputs"):
        found = field(value, side, dict, where)
        if not found:
            raise InputError(f"{where}: {side} is empty; export the artifact again")
        tensors[side] = {
            n: tensor_from_json(n, v, where, side == "inputs") for n, v in found.items()
        }
    sizes = {name: spec.hwc[:2] for name, spec in tensors["inputs"].items()}
    if len(set(sizes.values())) != 1:
        raise InputError(f"{where}: the inputs differ in size ({sizes}); export the artifact again")
    file = field(value, "file", dict, where)
    task = field(value, "task", str, where)
    if task not in TASKS:
        raise InputError(f"{where}: task is {task!r}, wanted {' or '.join(TASKS)}")
    classes = tuple(field(value, "classes", list, where))
    palette = tuple(_colour(colour, where) for colour in field(value, "palette", list, where))
    _check_classes(classes, palette, tensors["outputs"], where)
    return Manifest(
        task=task,
        target=field(value, "target", str, where),
        scheme=field(value, "scheme", str, where),
        inputs=tensors["inputs"],
        outputs=tensors["outputs"],
        classes=classes,
        palette=palette,
        file_name=field(file, "name", str, where),
        file_bytes=field(file, "bytes", int, where),
        file_sha256=field(file, "sha256", str, where),
        dataset=field(value, "dataset", (dict, type(None)), where),
        run=field(value, "run", (str, type(None)), where),
        calibration=field(value, "calibration", (dict, type(None)), where),
        freeze=field(value, "freeze", dict, where),
        versions=field(value, "versions", dict, where),
        domain=field(value, "domain", str, where) if "domain" in value else "",
        note=field(value, "note", str, where),
    )


def _colour(value: Any, where: str) -> tuple[int, int, int]:
    if isinstance(value, list) and len(value) == 3:
        if all(type(n) is int and 0 <= n <= 255 for n in value):
            return tuple(value)
    raise InputError(
        f"{where}: a colour of the palette is {value!r:.60}, wanted three whole numbers 0 to 255; "
        "export the artifact again"
    )


def _check_classes(
    classes: tuple, palette: tuple, outputs: dict[str, TensorSpec], where: str
) -> None:
    if not all(isinstance(name, str) for name in classes):
        raise InputError(f"{where}: classes are {list(classes)!r:.60}, wanted names")
    if len(classes) > 255:
        raise InputError(f"{where}: {len(classes)} classes; what runs on a board has at most 255")
    if len(classes) != len(palette):
        raise InputError(f"{where}: {len(classes)} classes but {len(palette)} colours")
    for name, spec in outputs.items():
        if spec.content == "logits" and spec.hwc[2] != len(classes):
            raise InputError(
                f"{where}: the output {name!r} has {spec.hwc[2]} channels, but there are "
                f"{len(classes)} classes"
            )


def _check_artifact(manifest: Manifest, artifact: Path) -> None:
    size = artifact.stat().st_size
    if size != manifest.file_bytes:
        raise InputError(
            f"{artifact}: {size} bytes, but its manifest says {manifest.file_bytes}; the file was "
            "cut short or replaced: copy it again, or export again"
        )
    digest = sha256(artifact)
    if digest != manifest.file_sha256:
        raise InputError(
            f"{artifact}: SHA-256 is {digest[:12]}..., but its manifest says "
            f"{manifest.file_sha256[:12]}...; the file was damaged or replaced: copy it again, or "
            "export again"
        )
