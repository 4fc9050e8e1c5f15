"""From a run folder to an artifact with its manifest: freeze, write, quantise, save."""

import dataclasses
import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from cen_keras.errors import InputError

from .calibration import Calibration, CalibrationChoice, medians
from .run_folder import RunFolder
from .runtime import manifest as manifests
from .runtime.manifest import Manifest
from .runtime.tensors import TensorSpec
from .schemes import scheme
from .target import Target, Tensor, Wanted
from .targets import resolve

_AS_TRAINED = "as trained, the exchange written as where; for comparison only"
_LIBRARIES = ("cen-keras", "tensorflow", "keras", "numpy")


def export(
    run: RunFolder,
    target_name: str,
    scheme_name: str,
    *,
    outputs: str = "all",
    image_shape: tuple[int, int] | None = None,
    head: str = "logits",
    folder: Path | None = None,
    as_trained: bool = False,
    integer_io: bool = True,
    calibration: CalibrationChoice | None = None,
    float_layers: Sequence[str] = (),
    tune: str | None = None,
) -> Path:
    """Writes one artifact of a trained run.

    Args:
        run: the trained run.
        target_name: a key of `TARGETS`.
        scheme_name: a key of `SCHEMES`.
        outputs: "all", or the name or comma-separated names of the outputs to keep.
        image_shape: height and width; None = as trained.
        head: what an output is: see `deploy.freeze.heads`.
        folder: where the artifact goes; None = a folder of the target's name in the run folder.
        as_trained: leave the exchange in the graph as it was trained instead of freezing it.
        integer_io: int8 inputs and outputs where the scheme has them.
        calibration: where a scheme that needs samples takes them; None = the usual views.
        float_layers: layers of the frozen graph that a quantised artifact keeps in float32.
        tune: whose kernels the graph is shaped for, one of the target's `tunings`; None = the first,
            or "none" as trained.

    Returns:
        Path of the artifact; its manifest lies beside it.

    Raises:
        InputError: unknown names, an input that does not fit, an operator the engine lacks.
        OSError: full disk, no permission; nothing is left half-written.
    """
    target, chosen = resolve(target_name, scheme_name)
    if run.task == "translation":
        _check_translation(scheme_name, head, as_trained)
    shape = image_shape or run.image_shape
    model = run.model()
    content, manifest = float_artifact(run, model, target, outputs, shape, as_trained, head)
    samples = None
    if chosen.calibrated:
        samples = (calibration or CalibrationChoice()).samples(run, manifest.inputs)
    usual = _tuning(target, None, as_trained)
    tune = _tuning(target, tune, as_trained)
    content, manifest = apply_scheme(
        content, manifest, target, scheme_name, samples, integer_io, float_layers, tune
    )
    if target.check and tune != "none" and not chosen.warning:
        target.check(content)
    folder = Path(folder) if folder else run.path / target.name
    stem = _stem(
        Wanted(scheme_name, None, integer_io, tuple(float_layers)),
        outputs,
        f"{shape[0]}x{shape[1]}" if list(shape) != run.data["image_shape"] else "",
        head,
        as_trained,
        f"tune_{tune}" if tune != usual else "",
    )
    path = folder / (stem + target.suffix)
    manifest = dataclasses.replace(manifest, run=os.path.relpath(run.path, folder))
    manifests.save(manifest, path, content)
    return path


def float_artifact(
    run: RunFolder,
    model,
    target: Target,
    outputs: str,
    image_shape: tuple[int, int],
    as_trained: bool = False,
    head: str = "logits",
) -> tuple[bytes, Manifest]:
    """Freezes a model and writes it in float32.

    Args:
        run: for the data that the model was trained on.
        model: the trained `keras.Model`.
        target: whose format to write.
        outputs: as for `export`.
        image_shape: height and width.
        as_trained: as for `export`.
        head: as for `export`.

    Returns:
        The file's bytes and its manifest, not yet saved.
    """
    wanted = outputs if outputs == "all" else tuple(name.strip() for name in outputs.split(","))
    if as_trained:
        if wanted != "all" or head != "logits":
            raise InputError(
                "the export as trained has the logits of all outputs; leave --outputs and --head"
            )
        graph, statistics = model, {}
    else:
        # Keras comes with its use: a command looks at the backend first.
        from .freeze import freeze_with_report

        graph, statistics = freeze_with_report(model, wanted, image_shape, head=head)
    content = target.write(graph, image_shape)
    tensors = target.read_tensors(content)
    manifest = Manifest(
        task=run.data["task"],
        target=target.name,
        scheme="fp32",
        inputs={
            name: _input(run, name, tensors.inputs[name])
            for name in run.modalities
            if name in tensors.inputs
        },
        outputs=_outputs(tensors, (*run.modalities, "ensemble"), run.task),
        classes=tuple(run.data["classes"]),
        palette=tuple(tuple(colour) for colour in run.data["palette"]),
        dataset=run.data["dataset"],
        freeze=statistics,
        versions=_versions(target.libraries),
        domain=run.data.get("target", ""),
        note=_AS_TRAINED if as_trained else "",
    )
    return content, manifest


def apply_scheme(
    content: bytes,
    manifest: Manifest,
    target: Target,
    scheme_name: str,
    calibration: Calibration | None = None,
    integer_io: bool = True,
    float_layers: Sequence[str] = (),
    tune: str | None = None,
) -> tuple[bytes, Manifest]:
    """Turns a float artifact into one of another scheme.

    Args:
        content: bytes of the float artifact.
        manifest: of the float artifact.
        target: whose format this is.
        scheme_name: a scheme of the target.
        calibration: samples of the inputs, needed where the scheme is calibrated.
        integer_io: as for `export`.
        float_layers: as for `export`.
        tune: as for `export`; None = "none" for an artifact that was not frozen.

    Returns:
        The new file's bytes and manifest.
    """
    if float_layers and scheme_name == "fp32":
        raise InputError("--float-layers is for the quantised schemes of tflite, not fp32")
    samples = None
    if scheme(scheme_name).calibrated:
        if calibration is None:
            raise InputError(f"scheme {scheme_name!r} needs calibration samples")
        samples = calibration.arrays
    tune = _tuning(target, tune, not manifest.freeze)
    wanted = Wanted(scheme_name, samples, integer_io, tuple(float_layers), tune)
    content, report = target.make(content, wanted)
    tensors = target.read_tensors(content)
    inputs = {
        name: dataclasses.replace(
            spec,
            dtype=tensors.inputs[name].dtype,
            quantization=tensors.inputs[name].quantization,
        )
        for name, spec in manifest.inputs.items()
    }
    return content, dataclasses.replace(
        manifest,
        scheme=scheme_name,
        inputs=inputs,
        outputs=_outputs(tensors, tuple(manifest.outputs), manifest.task),
        calibration=calibration.to_json() if samples else None,
        freeze={**manifest.freeze, **report},
        note="; ".join(filter(None, (manifest.note, _in_float(float_layers)))),
    )


def _input(run: RunFolder, name: str, tensor: Tensor) -> TensorSpec:
    """How an input is fed, and how far away things were in training where it is of distances."""
    spec = run.input_spec(name, tensor.shape, tensor.layout)
    if run.task != "segmentation" or spec.kind.limits is None:
        return spec
    kind = dataclasses.replace(spec.kind, medians=medians(run, name))
    return dataclasses.replace(spec, kind=kind)


def _tuning(target: Target, tune: str | None, as_trained: bool) -> str:
    """Checks a tuning, or gives the usual one.

    Raises:
        InputError: the target has none of this name.
    """
    if tune is None:
        return "none" if as_trained else target.tunings[0]
    if tune not in target.tunings:
        raise InputError(f"--tune {tune}: {target.name} has {', '.join(target.tunings)}")
    return tune


def _outputs(tensors, order: tuple[str, ...], task: str) -> dict[str, TensorSpec]:
    """The outputs in the model's order; engines list them by the alphabet or not at all."""
    found = {name: tensors.outputs[name] for name in order if name in tensors.outputs}
    return {
        name: TensorSpec(
            name, t.shape, t.layout, t.dtype, _content(t, task), t.quantization, tensor=t.tensor
        )
        for name, t in found.items()
    }


def _check_translation(scheme_name: str, head: str, as_trained: bool) -> None:
    """Says what there is for a translation."""
    if scheme_name not in ("fp32", "fp16"):
        raise InputError(
            f"a translation is exported as fp32 or fp16, not {scheme_name}: there is no integer "
            "form of its instance norms here"
        )
    if as_trained or head != "logits":
        raise InputError("a translation gives images; leave --head and --as-trained")


def _content(tensor, task: str) -> str:
    if task == "translation":
        return "image"
    return "classes" if tensor.dtype == "int32" else "logits"


def _stem(wanted: Wanted, outputs: str, shape: str, head: str, as_trained: bool, tune: str) -> str:
    """`static_w8a8`, and behind it whatever is not as usual: `-ensemble`, `-480x640`."""
    parts = [wanted.scheme]
    if as_trained:
        parts.append("as_trained")
    if outputs != "all":
        parts.append(outputs.replace(",", "+").replace(" ", ""))
    parts.append(shape)
    if not wanted.integer_io:
        parts.append("float_io")
    if wanted.float_layers:
        names = ",".join(sorted(wanted.float_layers))
        parts.append(f"float_layers_{hashlib.sha256(names.encode()).hexdigest()[:6]}")
    if head != "logits":
        parts.append(head)
    parts.append(tune)
    return "-".join(filter(None, parts))


def _in_float(layers: Sequence[str]) -> str:
    return f"in float32: {', '.join(layers)}" if layers else ""


def _versions(libraries: Sequence[str]) -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in (*_LIBRARIES, *libraries):
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
