"""Quantisation-aware training of the frozen graph.

The frozen graph is trained on with its 8-bit rounding simulated, to give the logits that the float
model gives (distillation: no labels are needed, and nothing new is learnt). The result is converted
to full int8 and is to be judged as that file: the simulation rounds not quite as the kernels do.
"""

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.errors import InputError

from ..artifacts import float_artifact
from ..calibration import CalibrationChoice
from ..host import stderr_kept_back
from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..runtime.preprocess import Frame, Preprocessor
from ..runtime.tensors import TensorSpec
from ..tflite.pipeline import TFLITE, finish

QAT_SCHEME = "qat_w8a8"
_SAY_EVERY = 60.0
"""Seconds."""
# Gives the inputs of the views of these numbers, float32 (n, h, w, c) by name.
Feed = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over `views` training views.
        batch_size: images in a step.
        learning_rate: of Adam at the start; falls to zero as a cosine.
        views: at most so many training views in an epoch.
        seed: of their order.
        rounding: whose simulation: "keras", the frozen graph with Keras' own fake quantisation, or
            "tfmot", tensorflow-model-optimization on the graph rebuilt in the older Keras.
    """

    epochs: int = 4
    batch_size: int = 8
    learning_rate: float = 1e-4
    views: int = 1200
    seed: int = 0
    rounding: str = "keras"


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
        InputError: as for `student_of`, or settings under which nothing can be learnt.
    """
    settings = settings or Settings()
    if not settings.learning_rate > 0:
        raise InputError(f"--rate must be above 0; found {settings.learning_rate:g}")
    from ..freeze import freeze  # Keras comes with its use

    target, shape = TFLITE, run.image_shape
    trained = run.model()
    _, manifest = float_artifact(run, trained, target, "all", shape)
    teacher = freeze(trained, "all", shape, batch=None)
    samples = CalibrationChoice().samples(run, manifest.inputs)
    names = [tensor.name for tensor in teacher.inputs]
    student = student_of(settings.rounding, teacher, [samples.arrays[name] for name in names])
    views = run.views("train")
    prepare = Preprocessor(manifest.inputs, as_float=True)

    def feed(numbers: np.ndarray) -> dict[str, np.ndarray]:
        fed = [prepare(Frame(f"view {i}", views[int(i)])) for i in numbers]
        return {name: np.concatenate([f[name] for f in fed]) for name in names}

    losses = distil(student, teacher, feed, len(views), settings, say)
    content = convert(student, names, sorted(teacher.output), shape)
    content, report = finish(content, QAT_SCHEME)
    target.check(content)
    tensors = target.read_tensors(content)
    folder = Path(folder) if folder else run.path / target.name
    path = folder / f"{QAT_SCHEME}{target.suffix}"
    described = dataclasses.replace(
        manifest,
        scheme=QAT_SCHEME,
        inputs=_as_written(manifest.inputs, tensors.inputs),
        outputs=_as_written(manifest.outputs, tensors.outputs),
        freeze={**manifest.freeze, **report},
        # Apart, since both have a seed.
        calibration={
            **samples.to_json(),
            "training": {**dataclasses.asdict(settings), "losses": losses},
        },
        run=os.path.relpath(run.path, folder),
    )
    manifests.save(described, path, content)
    return path


def student_of(rounding: str, plain, samples: list[np.ndarray]):
    """The frozen model with its rounding simulated.

    Args:
        rounding: as in `Settings`.
        plain: of `freeze`, with any batch size.
        samples: in the order of its inputs, float32 (n, h, w, c).

    Raises:
        InputError: there is no such simulation, its library is not installed, or it cannot take a
            layer.
    """
    if rounding == "keras":
        from .keras_rounding import KerasStudent as Student
    elif rounding == "tfmot":
        try:
            from .tfmot_rounding import TfmotStudent as Student
        except ImportError as error:
            raise InputError(
                f"--rounding tfmot needs tensorflow-model-optimization ({error}); "
                "pip install cen-keras[export]"
            ) from error
    else:
        raise InputError(f"--rounding {rounding!r}: wanted keras or tfmot")
    return Student(plain, samples)


def distil(
    student,
    teacher,
    feed: Feed,
    count: int,
    settings: Settings,
    say: Callable[[str], None] = lambda text: None,
) -> list[float]:
    """Trains a student towards the float model's class probabilities.

    Args:
        student: of `student_of`.
        teacher: of `freeze`, with any batch size.
        feed: gives the inputs of views.
        count: how many views there are.
        settings: how to train.
        say: takes a line per epoch, and one a minute on the time that is left.

    Returns:
        The mean loss of each epoch: nats per pixel that the float model's probabilities are away,
        summed over the outputs.

    Raises:
        InputError: the training diverged.
    """
    import tensorflow as tf

    generator = np.random.default_rng(settings.seed)
    used = min(count, settings.views)
    size = min(settings.batch_size, used)
    steps = used // size
    apply = student.optimizer(settings.learning_rate, max(1, steps * settings.epochs))

    @tf.function
    def step(batch, wanted):
        with tf.GradientTape() as tape:
            found = student(batch, training=True)
            loss = tf.add_n([_divergence(w, f) for w, f in zip(wanted, found, strict=True)])
        apply(tape.gradient(loss, student.trained))
        return loss

    means, total = [], steps * settings.epochs
    started = said = time.monotonic()
    for epoch in range(settings.epochs):
        order = generator.permutation(count)
        losses = []
        for start in range(0, steps * size, size):
            batch = feed(order[start : start + size])
            logits = teacher.predict_on_batch(batch)
            inputs = [tf.constant(batch[tensor.name]) for tensor in teacher.inputs]
            losses.append(float(step(inputs, [tf.constant(logits[n]) for n in sorted(logits)])))
            now = time.monotonic()
            if now - said > _SAY_EVERY:
                done, said = epoch * steps + len(losses), now
                left = (now - started) / done * (total - done) / 60
                say(
                    f"step {done} of {total}, {np.mean(losses):.5f} nats; about {left:.0f} minutes left"
                )
        means.append(float(np.mean(losses)))
        say(f"epoch {epoch + 1} of {settings.epochs}: {means[-1]:.5f} nats from the float model")
        if not np.isfinite(means[-1]):
            raise InputError("quantisation-aware training diverged; choose a lower --rate")
    return means


def convert(student, names: list[str], streams: list[str], shape: tuple[int, int]) -> bytes:
    """Writes a student as a full int8 .tflite file.

    Args:
        student: of `student_of`, trained or not.
        names: of its inputs, in order.
        streams: of its outputs, in order.
        shape: height and width of the inputs.

    Returns:
        The file's bytes; inputs and outputs are int8.
    """
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec((1, *shape, tensor.shape[-1]), tf.float32, name)
        for name, tensor in zip(names, student.inputs, strict=True)
    }

    class Served(tf.Module):
        """The student's variables where TensorFlow's tracking finds them.

        Handed the model itself, the converter would save and read back every layer of it with all
        that it can do, which takes minutes.
        """

        def __init__(self, weights):
            super().__init__()
            self.weights = weights

        @tf.function(input_signature=[signature])
        def serve(self, inputs):
            found = student([inputs[name] for name in names], training=False)
            return dict(zip(streams, found, strict=True))

    with student.settled() as weights:
        served = Served(weights)
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


def _divergence(wanted, found):
    """Kullback-Leibler divergence of class probabilities, mean over pixels; zero where equal."""
    import tensorflow as tf

    loss = tf.nn.softmax_cross_entropy_with_logits
    probabilities = tf.nn.softmax(wanted)
    return tf.reduce_mean(loss(probabilities, found) - loss(probabilities, wanted))


def _as_written(specs: dict[str, TensorSpec], tensors) -> dict[str, TensorSpec]:
    """Specs of float tensors with the types and codes that a file has."""
    return {
        name: dataclasses.replace(
            spec, dtype=tensors[name].dtype, quantization=tensors[name].quantization
        )
        for name, spec in specs.items()
    }
