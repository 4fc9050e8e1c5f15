"""From a run folder to an artifact with its manifest: freeze, write, quantise, save."""

import dataclasses
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from cen_keras.errors import InputError

from ..calibration import Calibration, Choice
from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..runtime.manifest import Manifest
from ..runtime.tensors import TensorSpec
from ..schemes import scheme
from ..targets import Target, resolve

_AS_TRAINED = "as trained, the exchange written as where; for comparison only"
_LIBRARIES = {
    "": ("cen-keras", "tensorflow", "keras", "numpy"),
    "tflite": ("ai-edge-litert", "litert-quantizer"),
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
}


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
    calibration: Choice | None = None,
    float_layers: Sequence[str] = (),
) -> Path:
    """Writes one artifact of a trained run.

    Args:
        run: the trained run.
        target_name: a key of `TARGETS`.
        scheme_name: a key of `SCHEMES`.
        outputs: "all", or the name or comma-separated names of the outputs to keep.
        image_shape: height and width; None = as trained.
        head: what an output is: see `deploy.graph.heads`.
        folder: where the artifact goes; None = a folder of the target's name in the run folder.
        as_trained: leave the exchange in the graph as it was trained instead of freezing it.
        integer_io: int8 inputs and outputs where the scheme has them.
        calibration: where a scheme that needs samples takes them; None = the usual views.
        float_layers: layers of the frozen graph that a quantised artifact keeps in float32.

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
        samples = (calibration or Choice()).samples(run, manifest.inputs)
    content, manifest = apply_scheme(
        content, manifest, target, scheme_name, samples, integer_io, float_layers
    )
    if target.checker and not as_trained and not chosen.warning:
        target.load(target.checker)(content)
    folder = Path(folder) if folder else run.path / target.name
    path = folder / (
        _stem(scheme_name, outputs, shape, run, as_trained, integer_io, float_layers, head)
        + target.suffix
    )
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
        from ..freeze import freeze_with_report

        graph, statistics = freeze_with_report(model, wanted, image_shape, head=head)
    content = target.load(target.writer)(graph, image_shape)
    if not as_trained:
        content = target.tune(content)
    tensors = target.load(target.reader)(content)
    manifest = Manifest(
        task=run.data["task"],
        target=target.name,
        scheme="fp32",
        inputs={
            name: run.input_spec(name, tensors.inputs[name].shape, tensors.inputs[name].layout)
            for name in run.modalities
            if name in tensors.inputs
        },
        outputs=_outputs(tensors, (*run.modalities, "ensemble"), run.task),
        classes=tuple(run.data["classes"]),
        palette=tuple(tuple(colour) for colour in run.data["palette"]),
        dataset=run.data["dataset"],
        freeze=statistics,
        versions=_versions(target.name),
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

    Returns:
        The new file's bytes and manifest.
    """
    entry = target.quantizers[scheme_name]
    if float_layers and (entry is None or target.name != "tflite"):
        raise InputError(
            f"--float-layers is for the quantised schemes of tflite, not {target.name} {scheme_name}"
        )
    if entry is None:
        return content, dataclasses.replace(manifest, scheme=scheme_name)
    samples = None
    if scheme(scheme_name).calibrated:
        if calibration is None:
            raise InputError(f"scheme {scheme_name!r} needs calibration samples")
        samples = calibration.arrays
        # The export as trained, with no freezing to tell of, is what the tools make of it.
        if target.preparer is not None and manifest.freeze:
            content = target.load(target.preparer)(content)
    options = {"float_layers": tuple(float_layers)} if float_layers else {}
    content = target.load(entry)(content, samples, integer_io, **options)
    freeze = manifest.freeze
    if freeze:
        content = target.tune(content)
    if target.merger is not None:
        # After quantising, the modalities' shared filters are the same codes; it costs no latency.
        content, merged = target.load(target.merger)(content)
        freeze = {**freeze, "merged": merged.to_json()}
    tensors = target.load(target.reader)(content)
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
        freeze=freeze,
        note="; ".join(filter(None, (manifest.note, _in_float(float_layers)))),
    )


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


def _stem(scheme_name, outputs, shape, run, as_trained, integer_io, float_layers, head) -> str:
    """`static_w8a8`, and behind it whatever is not as usual: `-ensemble`, `-480x640`."""
    parts = [scheme_name]
    if as_trained:
        parts.append("as_trained")
    if outputs != "all":
        parts.append(outputs.replace(",", "+").replace(" ", ""))
    if tuple(shape) != run.image_shape:
        parts.append(f"{shape[0]}x{shape[1]}")
    if not integer_io:
        parts.append("float_io")
    if float_layers:
        parts.append("float_layers")
    if head != "logits":
        parts.append(head)
    return "-".join(parts)


def _in_float(layers: Sequence[str]) -> str:
    return f"in float32: {', '.join(layers)}" if layers else ""


def _versions(target: str) -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in (*_LIBRARIES[""], *_LIBRARIES.get(target, ())):
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
