"""Quantisation-aware training of the frozen graph, by tensorflow-model-optimization.

The frozen graph is trained on with its 8-bit rounding simulated, to give the logits that the float
model gives (distillation: no labels are needed, and nothing new is learnt). The result is converted
to full int8 and is to be judged as that file: the simulation rounds not quite as the kernels do.

Only that tool's quantisers and wrappers are used. Its own rearranging of layers (concatenations
among them) is left out, since here one map is read by two concatenations; which layers round their
output is decided below.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.errors import InputError

from ..export.pipeline import _outputs, float_artifact
from ..host import stderr_kept_back
from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..runtime.preprocess import Frame, Preprocessor
from ..targets import TARGETS

SCHEME = "qat_w8a8"
# Layers that hand on codes as they come.
_PASSING = ("MaxPooling2D", "ZeroPadding2D", "AveragePooling2D")
# Batches that set the ranges before training; tfmot's own start, +-6, takes thousands.
WARM_UP = 8


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over `views` training views.
        batch_size: images in a step.
        learning_rate: of Adam at the start; falls to zero as a cosine.
        views: at most so many training views.
        seed: of their order.
    """

    epochs: int = 4
    batch_size: int = 8
    learning_rate: float = 2e-5
    views: int = 1200
    seed: int = 0


def train(
    run: RunFolder,
    folder: Path | None = None,
    settings: Settings | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Path:
    """Trains a run's frozen graph with its rounding and writes the int8 artifact.

    Args:
        run: the trained run.
        folder: where the artifact goes; None = RUN/tflite.
        settings: how to train.
        say: takes a line of progress per epoch.

    Returns:
        Path of `qat_w8a8.tflite`; its manifest lies beside it.

    Raises:
        InputError: tensorflow-model-optimization is not installed, or a layer it cannot take.
    """
    settings = settings or Settings()
    from ..freeze import freeze
    from .tf_keras_rebuild import rebuild, resize_class

    shape = run.image_shape
    trained = run.model()
    _, manifest = float_artifact(run, trained, TARGETS["tflite"], "all", shape)
    teacher = freeze(trained, "all", shape, batch=None)
    resize = resize_class()
    student = quantised(rebuild(teacher, resize), resize)
    names = [tensor.name for tensor in teacher.inputs]
    images = _images(run, manifest, settings)
    # With few views some come again.
    starts = [start % len(images[names[0]]) for start in range(0, 8 * WARM_UP, 8)]
    warm_up(student, [[images[n][start : start + 8] for n in names] for start in starts])
    losses = _distil(student, teacher, names, images, settings, say)
    content = convert(student, names, sorted(teacher.output), shape)
    content, merged = TARGETS["tflite"].load(TARGETS["tflite"].merger)(content)
    TARGETS["tflite"].load(TARGETS["tflite"].checker)(content)
    tensors = TARGETS["tflite"].load(TARGETS["tflite"].reader)(content)
    folder = Path(folder) if folder else run.path / "tflite"
    path = folder / f"{SCHEME}.tflite"
    import os

    described = dataclasses.replace(
        manifest,
        scheme=SCHEME,
        inputs={
            name: dataclasses.replace(
                spec,
                dtype=tensors.inputs[name].dtype,
                quantization=tensors.inputs[name].quantization,
            )
            for name, spec in manifest.inputs.items()
        },
        outputs=_outputs(tensors, tuple(manifest.outputs)),
        freeze={**manifest.freeze, "merged": merged.to_json()},
        calibration={**dataclasses.asdict(settings), "losses": losses},
        run=os.path.relpath(run.path, folder),
    )
    manifests.save(described, path, content)
    return path


def quantised(model, resize):
    """Wraps every layer of a rebuilt model with the rounding of int8.

    Args:
        model: of `rebuild`.
        resize: the class that `rebuild` used.

    Returns:
        A `tf_keras.Model` with the same inputs and outputs and the weights copied.
    """
    try:
        import tensorflow_model_optimization as tfmot
        from tensorflow_model_optimization.python.core.keras import compat
        from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
            default_8bit_quantize_configs as configs,
        )
        from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
            default_8bit_quantize_scheme,
            default_8bit_transforms,
        )
        from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations import (
            model_transformer,
        )
    except ImportError as error:
        raise InputError(
            f"quantisation-aware training needs tensorflow-model-optimization ({error}); "
            "pip install cen-keras[export]"
        ) from error
    del compat
    annotate = tfmot.quantization.keras.quantize_annotate_layer
    rounds, passes = configs.Default8BitOutputQuantizeConfig, configs.NoOpQuantizeConfig

    def wrapped(layer):
        kind = type(layer).__name__
        if kind in _PASSING:
            return annotate(layer, passes())
        if kind == "Add" and _feeds_only_relu(layer):
            return annotate(layer, passes())
        if kind in ("Add", "Concatenate", "ReLU") or isinstance(layer, resize):
            return annotate(layer, rounds())
        return annotate(layer)

    class Plain(default_8bit_quantize_scheme.Default8BitQuantizeScheme):
        """The usual 8 bits, but of all rearrangements only the rounding of the inputs."""

        def get_layout_transformer(self):
            """Rounds the inputs."""

            class Layout:
                """See above."""

                def apply(self, model, layer_quantize_map):
                    """Transforms a model and its map of configs."""
                    return model_transformer.ModelTransformer(
                        model,
                        [default_8bit_transforms.InputLayerQuantize()],
                        set(layer_quantize_map),
                        layer_quantize_map,
                    ).transform()

            return Layout()

    import tf_keras

    known = {
        resize.__name__: resize,
        "Default8BitOutputQuantizeConfig": rounds,
        "NoOpQuantizeConfig": passes,
    }
    with tf_keras.utils.custom_object_scope(known):
        marked = tf_keras.models.clone_model(model, clone_function=wrapped)
        result = tfmot.quantization.keras.quantize_apply(marked, Plain())
    _copy_weights(model, result)
    return result


def _feeds_only_relu(layer) -> bool:
    readers = [node.outbound_layer for node in layer.outbound_nodes]
    return len(readers) == 1 and type(readers[0]).__name__ == "ReLU"


def _copy_weights(model, result) -> None:
    """Sets the wrapped layers' weights; ranges stay as they are."""
    for layer in result.layers:
        inner = getattr(layer, "layer", None)
        if inner is None or not inner.weights:
            continue
        values = {w.name.split("/")[-1]: w for w in model.get_layer(inner.name).weights}
        for weight in inner.weights:
            weight.assign(values[weight.name.split("/")[-1]])


def warm_up(model, batches: list[list[np.ndarray]], decay: float = 0.5) -> None:
    """Moves every range to where the data is.

    Args:
        model: of `quantised`.
        batches: inputs in the model's order, a few images each.
        decay: of the moving average while this lasts; tfmot's own, 0.999, hardly moves.
    """
    import functools

    from tensorflow_model_optimization.python.core.quantization.keras import quant_ops

    before = quant_ops.MovingAvgQuantize
    try:
        for number, batch in enumerate(batches):
            # The first batch's ranges are taken as they are: half of +-6 is wide for small logits.
            kept = decay if number else 0.0
            quant_ops.MovingAvgQuantize = functools.partial(before, ema_decay=kept)
            model(batch, training=True)
    finally:
        quant_ops.MovingAvgQuantize = before


def _images(run: RunFolder, manifest, settings: Settings) -> dict[str, np.ndarray]:
    """Normalised training views, float32 (n, h, w, c) by input name."""
    views = run.views("train")
    chosen = np.random.default_rng(settings.seed).permutation(len(views))[: settings.views]
    prepare = Preprocessor(manifest.inputs, as_float=True)
    fed = [prepare(Frame(f"view {i}", views[int(i)])) for i in chosen]
    return {name: np.concatenate([f[name] for f in fed]) for name in manifest.inputs}


def _distil(student, teacher, names, images, settings: Settings, say) -> list[float]:
    """Trains towards the teacher's class probabilities; gives the mean loss of each epoch."""
    import tensorflow as tf
    import tf_keras

    generator = np.random.default_rng(settings.seed)
    count = len(images[names[0]])
    size = min(settings.batch_size, count)
    steps = count // size
    rate = tf_keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, max(1, steps * settings.epochs)
    )
    optimizer = tf_keras.optimizers.Adam(rate)
    streams = sorted(teacher.output)

    @tf.function
    def step(batch, wanted):
        with tf.GradientTape() as tape:
            found = student(batch, training=True)
            # Cross-entropy to the teacher's probabilities, less their entropy: zero where equal.
            loss = tf.add_n(
                [
                    tf.reduce_mean(
                        tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(w), f)
                        - tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(w), w)
                    )
                    for f, w in zip(found, wanted, strict=True)
                ]
            )
        gradients = tape.gradient(loss, student.trainable_variables)
        optimizer.apply_gradients(
            (g, v)
            for g, v in zip(gradients, student.trainable_variables, strict=True)
            if g is not None
        )
        return loss

    means = []
    for epoch in range(settings.epochs):
        order = generator.permutation(count)
        losses = []
        for start in range(0, steps * size, size):
            index = order[start : start + size]
            batch = {name: images[name][index] for name in names}
            logits = teacher.predict_on_batch(batch)
            wanted = [tf.constant(logits[name]) for name in streams]
            losses.append(float(step([tf.constant(batch[n]) for n in names], wanted)))
        means.append(float(np.mean(losses)))
        say(f"epoch {epoch + 1} of {settings.epochs}: {means[-1]:.5f} nats from the float model")
        if not np.isfinite(means[-1]):
            raise InputError("quantisation-aware training diverged; choose a lower --rate")
    return means


def convert(model, names: list[str], streams: list[str], shape: tuple[int, int]) -> bytes:
    """Writes a wrapped model as a full int8 .tflite file.

    Args:
        model: of `quantised`, trained.
        names: of its inputs, in order.
        streams: of its outputs, in order.
        shape: height and width of the inputs.

    Returns:
        The file's bytes; inputs and outputs are int8.
    """
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec((1, *shape, tensor.shape[-1]), tf.float32, name)
        for name, tensor in zip(names, model.inputs, strict=True)
    }

    class Served(tf.Module):
        """The model with its variables where TensorFlow's tracking finds them."""

        def __init__(self):
            super().__init__()
            self.model = model

        @tf.function(input_signature=[signature])
        def serve(self, inputs):
            found = model([inputs[name] for name in names], training=False)
            return dict(zip(streams, found, strict=True))

    served = Served()
    traced = served.serve.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], served)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with stderr_kept_back():
        return converter.convert()


def summary(path: Path) -> dict[str, Any]:
    """What the command tells of an artifact of `train`."""
    manifest = manifests.load(path)
    return {"artifact": str(path), "manifest": manifest.to_json()}
