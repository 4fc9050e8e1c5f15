"""ESANet-R34-NBt1D beside edge presets: the network that RGB-D on a Jetson is usually held against.

Seichter et al., Efficient RGB-D Semantic Segmentation for Indoor Scene Analysis, ICRA 2021: two
ResNet-34 encoders of factorised blocks whose maps are added after squeeze and excitation, pyramid
pooling, and a decoder of three modules. Built from the paper and the published settings (decoder of
512, 256 and 128 channels, three blocks each, learnt upsampling), with seeded weights, on which its
time does not depend. Its scores are none of this.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cen_keras.metrics.cost import cost

from ..onnx.writer import write
from ..preset_run import unpack
from ..run_folder import open_run
from ..runtime.litert_runner import SIGNATURE
from ..runtime.runner import Runner, open_runner
from ..target import Wanted
from ..tflite.pipeline import TFLITE
from .forms import export_form
from .lint import default_quantised
from .loop import IN_A_ROW

PRESETS = ("cen_edge_m_rooms", "cen_lite0_nyudv2")
SIZE = (480, 640)
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


def esanet(size: tuple[int, int] = SIZE, classes: int = CLASSES) -> keras.Model:
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
    """Exports the presets in 8 bits at 480x640 and times them; see `beside`.

    Args:
        out: folder for the artifacts.
        say: takes one line of progress.
        rounds: timed inferences of each.
        threads: of all engines.
    """
    artifacts, macs = {}, {}
    for name in PRESETS:
        say(f"exporting {name}")
        run = open_run(unpack(name))
        model = run.model()
        # Calibrated on noise: the preset's own pictures may not be at hand.
        made = export_form(out / "esanet", name, model, run, SIZE, "ensemble", formats=("int8",))
        (artifacts[name],) = made.values()
        macs[name] = cost(model, SIZE)["macs"]
    return beside(artifacts, say, rounds, threads, macs)


def beside(
    artifacts: dict[str, Path],
    say: Callable[[str], None],
    rounds: int,
    threads: int,
    macs: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Times artifacts beside ESANet, in float32 and in 8 bits, each on two engines.

    On LiteRT it goes the artifacts' own way: our writer, quantiser and passes. On ONNX Runtime it is
    quantised by that engine's own tool.

    Args:
        artifacts: by name, of networks of one image size, whose sides are multiples of 160.
        say: takes one line of progress.
        rounds: timed inferences of each.
        threads: of all engines.
        macs: multiply-adds of the artifacts as trained, where they are known.

    Returns:
        `latency_of_esanet`: for each artifact its inference over that of ESANet as "litert_int8",
        "litert_fp32", "ort_int8" and "ort_fp32"; and `details`, with the picoseconds of a multiply-add.
    """
    runners = {name: open_runner(path, threads) for name, path in artifacts.items()}
    size = next(iter(runners.values())).manifest.image_shape
    keras.utils.set_random_seed(0)
    model = esanet(size)
    counted = cost(model, size)
    say(f"exporting ESANet-R34-NBt1D, {counted['parameters'] / 1e6:.1f} M parameters")
    samples = noise(model)
    contenders = {name: of_artifact(runner) for name, runner in runners.items()}
    rivals = {**in_litert(model, size, samples, threads), **_in_ort(model, size, samples, threads)}
    say(f"timing {len(contenders)} artifacts beside it, {rounds} inferences each")
    p50 = medians({**contenders, **rivals}, rounds)
    work = {**(macs or {}), **dict.fromkeys(rivals, counted["macs"])}
    return {
        "latency_of_esanet": {
            name: {rival: p50[name] / p50[rival] for rival in rivals} for name in artifacts
        },
        "details": {
            "esanet": {
                "p50_ms": p50,
                "ps_per_mac": {name: 1e9 * p50[name] / done for name, done in work.items()},
                "macs": work,
                "threads": threads,
                "image_shape": list(size),
                "parameters": counted["parameters"],
                "artifacts": {name: str(path) for name, path in artifacts.items()},
            }
        },
    }


def noise(model: keras.Model) -> dict[str, np.ndarray]:
    """Samples for the ranges of a model's inputs, float32, by name."""
    generator = np.random.default_rng(0)
    return {
        tensor.name: generator.normal(size=(SAMPLES, *tensor.shape[1:])).astype(np.float32)
        for tensor in model.inputs
    }


def of_artifact(runner: Runner) -> Callable[[], object]:
    """An artifact with 8-bit inputs as a call that runs it once, on noise."""
    generator = np.random.default_rng(0)
    feeds = {
        name: generator.integers(-128, 128, spec.shape).astype(spec.dtype)
        for name, spec in runner.inputs.items()
    }
    return lambda: runner.run_raw(feeds)


def in_litert(model: keras.Model, size, samples: dict, threads: int) -> dict[str, Callable]:
    """A model as "litert_fp32" and "litert_int8", calls that run it once, by our writer, quantiser and passes."""
    from ai_edge_litert.interpreter import Interpreter

    content = TFLITE.write(model, size)
    wanted = Wanted("static_w8a8", samples, tune=TFLITE.tunings[0])
    runs = {}
    for name, written in {"fp32": content, "int8": TFLITE.make(content, wanted)[0]}.items():
        interpreter = Interpreter(model_content=written, num_threads=threads)
        interpreter.allocate_tensors()
        signature = interpreter.get_signature_runner(SIGNATURE)
        feeds = {
            key: np.zeros(detail["shape"], detail["dtype"])
            for key, detail in signature.get_input_details().items()
        }
        runs[f"litert_{name}"] = partial(signature, **feeds)
    return runs


def _in_ort(model: keras.Model, size, samples: dict, threads: int) -> dict[str, Callable]:
    import onnxruntime
    from onnxruntime.quantization import QuantType

    onnxruntime.set_default_logger_severity(3)  # tf2onnx's way to say "nearest" is an old one
    content = write(model, size)
    # Unsigned codes of activations take half the time of signed ones on a PC.
    quantised = default_quantised(content, samples, activation_type=QuantType.QUInt8)
    feeds = {name: a[:1].transpose(0, 3, 1, 2).copy() for name, a in samples.items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    runs = {}
    for name, written in {"fp32": content, "int8": quantised.SerializeToString()}.items():
        session = onnxruntime.InferenceSession(written, options, providers=["CPUExecutionProvider"])
        runs[f"ort_{name}"] = partial(session.run, None, feeds)
    return runs


def medians(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
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
