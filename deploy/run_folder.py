"""What the packages of deployment read of a training run: the model, and what it was trained on."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.modalities import Modality, modality_of

from .preset_run import PREFIX, SUFFIX, beside_model, load_model, unpack
from .run_data import check_data
from .runtime.files import PathLike
from .runtime.image_kind import kind_of
from .runtime.manifest import Manifest
from .runtime.tensors import Normalization, TensorSpec

_SMALL = [96, 128]


@dataclass(frozen=True)
class RunFolder:
    """A training run on disk.

    Attributes:
        path: the folder; `best.keras` and `data.json` lie in it.
        data: content of `data.json`.
        own: whether the data are those that it was trained on; what other data say is not kept with it.
    """

    path: Path
    data: dict[str, Any]
    own: bool = True

    @property
    def task(self) -> str:
        """What the model does: "segmentation" or "translation"."""
        return self.data["task"]

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the training images.

        Raises:
            InputError: a model file takes images of any size.
        """
        if self.data["image_shape"] is None:
            raise InputError(
                f"{self.path}: the model takes any size; give --image-shape HxW where the command has it, or save the "
                "model with an image_shape"
            )
        height, width = self.data["image_shape"]
        return int(height), int(width)

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the model's order."""
        return tuple(self.data["modalities"])

    @property
    def descriptions(self) -> dict[str, Modality]:
        """What is known of the modalities, by name; those of a run that did not keep it are none."""
        return {
            name: modality_of(config) for name, config in self.data.get("descriptions", {}).items()
        }

    @property
    def ignore(self) -> int:
        """Label of pixels that do not count."""
        return int(self.data.get("ignore", 255))

    @property
    def model_file(self) -> Path:
        """The best checkpoint."""
        return Path(os.path.normpath(self.path / self.data.get("model", "best.keras")))

    def model(self):
        """Loads the best checkpoint as a `keras.Model` for inference."""
        path = self.model_file
        if not path.is_file():
            raise InputError(
                f"{path}: no such file; `python -m recipes.train` has not finished an epoch there"
            )
        return load_model(path)

    def input_spec(self, name: str, shape: tuple[int, ...], layout: str = "NHWC") -> TensorSpec:
        """Says how an input is fed as float32.

        Args:
            name: the modality.
            shape: (1, h, w, c), or (1, c, h, w) for the layout "NCHW".
            layout: "NHWC" or "NCHW".

        Raises:
            InputError: the run has no normalisation for it.
        """
        modality = self.descriptions.get(name)
        if modality is not None:
            normal = Normalization(modality.scale, modality.mean, modality.std)
            metres = modality.unit == "m" and modality.channels == 1
            content = "depth" if metres else "image"
            kind = kind_of(modality)
            return TensorSpec(name, shape, layout, "float32", content, None, normal, kind=kind)
        try:
            value = self.data["normalization"][name]
            normal = Normalization(float(value["scale"]), tuple(value["mean"]), tuple(value["std"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.path / 'data.json'}: no normalisation of {name!r}; train again"
            ) from error
        channels = shape[-1] if layout == "NHWC" else shape[1]
        content = "depth" if channels == 1 else "image"
        return TensorSpec(name, shape, layout, "float32", content, None, normal)

    def on(self, data: str) -> "RunFolder":
        """The run with other data than it was trained on.

        Args:
            data: where the run's data set lies now; of generated data, or of a model file, a folder
                of labelled frames with the run's numbers of classes; or a data spec as JSON.

        Raises:
            InputError: JSON that is no object, or a translation.
        """
        if self.task == "translation":
            raise InputError("--data is for segmentations; a translation has no labels")
        known = self.data["dataset"] or {}
        place = next((key for key in ("root", "mat", "raw") if key in known), None)
        if data.lstrip().startswith("{"):
            try:
                spec = json.loads(data)
            except ValueError as error:
                raise InputError(f"--data {data!r}: is no JSON ({error})") from None
        elif not os.path.exists(data.split("{split}")[0] or "."):
            raise InputError(f"--data {data}: no such folder")
        else:
            spec = {**known, place: data} if place else {"name": "frames", "root": data}
        if spec.get("name") == "frames":
            spec = {"classes": self.data["classes"], "palette": self.data["palette"], **spec}
        # A published set elsewhere is the same one; a folder may be any.
        own = known.get("name") != "frames" and spec == {**known, place: data}
        return RunFolder(self.path, {**self.data, "dataset": spec}, own)

    def views(self, split: str, small: bool = False):
        """Opens the data set of the run; of a translation, its domains as images in -1..1.

        Args:
            split: "train" or "val".
            small: the size of the views does not matter; generated ones come sooner when they are small.

        Raises:
            InputError: of a model file nobody knows the data.
        """
        if self.data["dataset"] is None:
            raise InputError(
                f"{self.path}: no data set is known of this model; integer schemes take samples of "
                "its inputs with --calibration FILE.npz or FOLDER, verify views with --data FOLDER"
            )
        if self.task == "translation":
            from cen_keras.data.image_domains import open_domains

            domains = (*self.modalities, self.data["target"])
            return open_domains(self.data["dataset"], split, domains, self.image_shape)
        from cen_keras.data.datasets import open_dataset

        dataset = self.data["dataset"]
        if small and dataset.get("name") == "rooms":
            dataset = {**dataset, "size": _SMALL, "cache": None}
        modalities = self.descriptions.values() or self.modalities
        return open_dataset(dataset, split, modalities, self.ignore)


def open_run(path: PathLike, tasks: Sequence[str] = ("segmentation",)) -> RunFolder:
    """Opens a run folder.

    Args:
        path: the folder, "preset:NAME" for weights that come with the package, or a `Segmenter`
            saved as a .keras file.
        tasks: what the caller can do something with; export and verify take translations too.

    Raises:
        InputError: the folder or its `data.json` is missing, lacks something, or is of another
            task.
    """
    if str(path).startswith(PREFIX):
        path = unpack(str(path)[len(PREFIX) :])
    path = Path(path)
    if path.suffix == SUFFIX and path.is_file():
        path = beside_model(path)
    file = path / "data.json"
    if not file.is_file():
        raise InputError(
            f"{path}: not a run folder (no data.json in it); name the folder that "
            "`python -m recipes.train` wrote"
        )
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file}: not JSON ({error}); train again") from error
    check_data(file, data)
    if data["task"] not in tasks:
        raise InputError(
            f"{path}: holds a {data['task']}, and this is for {' or '.join(tasks)}; a translation "
            "has `deploy export` and `deploy verify`, its artifacts `deploy bench` and `deploy demo`"
        )
    return RunFolder(path, data)


def run_of(
    artifact: PathLike, manifest: Manifest, tasks: Sequence[str] = ("segmentation",)
) -> RunFolder:
    """Opens the run folder that an artifact's manifest points at; `tasks` as for `open_run`.

    Raises:
        InputError: the manifest names none, the folder is gone, or as for `open_run`.
    """
    if manifest.run is None:
        raise InputError(f"{artifact}: its manifest names no run folder; give it with --run")
    folder = Path(os.path.normpath(Path(artifact).parent / manifest.run))
    if not folder.is_dir():
        raise InputError(
            f"{artifact}: the run folder {folder} is not there any more; give it with --run"
        )
    return open_run(folder, tasks)
