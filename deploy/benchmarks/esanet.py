"""ESANet-R34-NBt1D beside an edge preset: the network that RGB-D on a Jetson is usually held against.

Seichter et al., Efficient RGB-D Semantic Segmentation for Indoor Scene Analysis, ICRA 2021: two
ResNet-34 encoders of factorised blocks whose maps are added after squeeze and excitation, pyramid
pooling, and a decoder of three modules. Built from the paper and the published settings (decoder of
512, 256 and 128 channels, three blocks each, learnt upsampling), with seeded weights, on which its
time does not depend. Its scores are none of this.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..artifacts import export
from ..onnx.writer import write
from ..preset_run import unpack
from ..run_folder import open_run
from ..runtime.runner import Runner, open_runner
from .endurance import PRESET
from .lint import default_quantised
from .loop import IN_A_ROW

CLASSES = 40  # of NYUv2, as in the published weights
RESNET34 = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Channels and blocks of ResNet-34's stages."""
DECODER = ((512, 3), (256, 3), (128, 3))
"""Channels and blocks of the decoder's modules."""
BINS = (1, 5)
REDUCTION = 16
SAMPLES = 2
"""Of noise, for ranges; they do not change the time."""

layers = keras.layers


def esanet(size: tuple[int, int] = (480, 640), classes: int = CLASSES) -> keras.Model:
    """Builds the network.

    Args:
        size: height and width, multiples of 160.
        classes: channels of the logits.

    Returns:
        A model from `rgb` (1, h, w, 3) and `depth` (1, h, w, 1) to {"ensemble": (1, h, w, classes)},
        float32.
    """
    inputs = {
        name: keras.Input((*size, channels), batch_size=1, name=name)
        for name, channels in (("rgb", 3), ("depth", 1))
    }
    streams = {name: _norm_relu(_conv(x, 64, 7, 2)) for name, x in inputs.items()}
    fused = _fuse(streams)
    rgb, depth = (layers.MaxPooling2D(3, 2)(_pad(x, 1)) for x in (fused, streams["depth"]))
    skips = []
    for stage, (channels, blocks) in enumerate(RESNET34):
        strides = 1 if stage == 0 else 2
        rgb, depth = (_stage(x, channels, blocks, strides) for x in (rgb, depth))
        rgb = _fuse({"rgb": rgb, "depth": depth})
        skips.append(rgb)
    x = _context(skips.pop())
    for (channels, blocks), skip in zip(DECODER, reversed(skips), strict=True):
        x = _norm_relu(_conv(x, channels, 3))
        x = _stage(x, channels, blocks, 1)
        x = layers.Add()([_upsample(x), _norm_relu(_conv(skip, channels, 1))])
    x = layers.Conv2D(classes, 3, padding="same")(x)
    return keras.Model(inputs, {"ensemble": _upsample(_upsample(x))}, name="esanet")


def _pad(x, padding: int | tuple[int, int]):
    return layers.ZeroPadding2D(padding)(x)


def _conv(x, channels: int, kernel: int, strides: int = 1):
    x = _pad(x, kernel // 2) if kernel > 1 else x
    return layers.Conv2D(channels, kernel, strides, use_bias=False)(x)


def _norm_relu(x):
    return layers.ReLU()(layers.BatchNormalization()(x))


def _stage(x, channels: int, blocks: int, strides: int):
    """Residual blocks of 3x1 and 1x3 convolutions (Romera et al., ERFNet)."""
    for block in range(blocks):
        step = strides if block == 0 else 1
        shortcut = x
        if step > 1 or x.shape[-1] != channels:
            shortcut = layers.BatchNormalization()(_conv(x, channels, 1, step))
        for half, along in enumerate((step, 1)):
            x = layers.Conv2D(channels, (3, 1), (along, 1), activation="relu")(_pad(x, (1, 0)))
            x = layers.Conv2D(channels, (1, 3), (1, along))(_pad(x, (0, 1)))
            x = layers.BatchNormalization(epsilon=1e-3)(x)
            x = layers.ReLU()(x) if half == 0 else x
        x = layers.ReLU()(layers.Add()([x, shortcut]))
    return x


def _fuse(streams: dict):
    """The sum of both maps, each weighted by squeeze and excitation of its own."""
    weighted = []
    for x in streams.values():
        weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
        weights = layers.Conv2D(x.shape[-1] // REDUCTION, 1, activation="relu")(weights)
        weights = layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(weights)
        weighted.append(layers.Multiply()([x, weights]))
    return layers.Add()(weighted)


def _context(x):
    """Pyramid pooling."""
    height, width, channels = x.shape[1:]
    maps = [x]
    for bins in BINS:
        window = (height // bins, width // bins)
        pooled = layers.AveragePooling2D(window)(x)
        pooled = _norm_relu(_conv(pooled, channels // len(BINS), 1))
        maps.append(_repeat(pooled, height, width))
    return _norm_relu(_conv(layers.Concatenate()(maps), DECODER[0][0], 1))


def _upsample(x):
    """Each pixel four times, then a depthwise convolution that learns to interpolate."""
    _, height, width, _ = x.shape
    return layers.DepthwiseConv2D(3, padding="same")(_repeat(x, 2 * height, 2 * width))


def _repeat(x, height: int, width: int):
    """Enlarges by whole factors; ONNX has one operator for it, and several for UpSampling2D."""
    return layers.Resizing(height, width, interpolation="nearest")(x)


def measure(
    out: Path, say: Callable[[str], None], rounds: int = 40, threads: int = 2
) -> dict[str, Any]:
    """Exports the preset in 8 bits and times it; see `beside`.

    Args:
        out: folder for the artifact.
        say: takes one line of progress.
        rounds: timed inferences of each.
        threads: of all engines.
    """
    say(f"exporting {PRESET}")
    run = open_run(unpack(PRESET))
    artifact = export(
        run, "tflite", "static_w8a8", outputs="ensemble", folder=out / "esanet" / PRESET
    )
    return beside(artifact, say, rounds, threads)


def beside(artifact: Path, say: Callable[[str], None], rounds: int, threads: int) -> dict[str, Any]:
    """Times an artifact beside ESANet in ONNX Runtime, in float32 and quantised by it.

    Args:
        artifact: of a network that takes images whose sides are multiples of 160.
        say: takes one line of progress.
        rounds: timed inferences of each.
        threads: of all engines.

    Returns:
        `latency_of_esanet`: the artifact's inference over that of ESANet in `fp32` and in `int8`;
        and `details`.
    """
    import onnxruntime
    from onnxruntime.quantization import QuantType

    runner = open_runner(artifact, threads)
    size = runner.manifest.image_shape
    keras.utils.set_random_seed(0)
    model = esanet(size)
    parameters = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    say(f"exporting ESANet-R34-NBt1D, {parameters / 1e6:.1f} M parameters")
    content = write(model, size)
    onnxruntime.set_default_logger_severity(3)  # tf2onnx's way to say "nearest" is an old one
    generator = np.random.default_rng(0)
    samples = {
        tensor.name: generator.normal(size=(SAMPLES, *tensor.shape[1:])).astype(np.float32)
        for tensor in model.inputs
    }
    # Unsigned codes of activations take half the time of signed ones on a PC.
    quantised = default_quantised(content, samples, activation_type=QuantType.QUInt8)
    files = {"fp32": content, "int8": quantised.SerializeToString()}
    feeds = {name: a[:1].transpose(0, 3, 1, 2).copy() for name, a in samples.items()}
    contenders = {"artifact": _of_artifact(runner)}
    for name, written in files.items():
        contenders[name] = _in_onnxruntime(written, feeds, threads)
    say(f"timing {artifact} beside it, {rounds} inferences each")
    p50 = _medians(contenders, rounds)
    return {
        "latency_of_esanet": {name: p50["artifact"] / p50[name] for name in files},
        "details": {
            "esanet": {
                "p50_ms": p50,
                "threads": threads,
                "parameters": parameters,
                "artifact": str(artifact),
            }
        },
    }


def _of_artifact(runner: Runner) -> Callable[[], object]:
    generator = np.random.default_rng(0)
    feeds = {
        name: generator.integers(-128, 128, spec.shape).astype(spec.dtype)
        for name, spec in runner.inputs.items()
    }
    return lambda: runner.run_raw(feeds)


def _in_onnxruntime(content: bytes, feeds: dict, threads: int) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feeds)


def _medians(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Medians in milliseconds; each takes a few in a row, as it would alone, then the next."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(-(-rounds // IN_A_ROW)):
        for name, run in contenders.items():
            run()  # whose threads are awake is nobody else's concern
            for _ in range(IN_A_ROW):
                start = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - start)
    return {name: 1e3 * float(np.median(seconds)) for name, seconds in times.items()}
