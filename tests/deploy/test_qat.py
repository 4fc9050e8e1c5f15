"""The rebuild computes what the frozen graph does; trained with rounding it becomes whole int8.

In processes of their own: tensorflow-model-optimization switches TensorFlow to the older Keras.
"""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from deploy.__main__ import main
from deploy.qat.keras_rounding import FACTORS, squared_error
from deploy.runtime import manifest as manifests

SETUP = """
    import json, keras, numpy as np
    from cen_keras.layers import BilinearResize

    keras.utils.set_random_seed(0)
    SIZE = (16, 16)
    a = keras.Input((*SIZE, 3), name="rgb")
    b = keras.Input((*SIZE, 1), name="depth")
    p = keras.layers.ZeroPadding2D(1, name="pad")(a)
    x = keras.layers.ReLU(name="xr")(keras.layers.Conv2D(8, 3, 2, name="x")(p))
    y = keras.layers.ReLU(name="yr")(keras.layers.Conv2D(8, 3, 2, padding="same", name="y")(b))
    # The modalities' own norms folded into one shared kernel.
    x2, y2 = (keras.layers.Conv2D(8, 3, padding="same", name=n) for n in ("x2", "y2"))
    x, y = (keras.layers.ReLU(name=layer.name + "r")(layer(z)) for layer, z in ((x2, x), (y2, y)))
    factors = np.linspace(0.3, 2, 8).astype("f")
    y2.set_weights([x2.get_weights()[0] * factors, y2.get_weights()[1]])
    # One map, read by two concatenations in another order: the exchange of a frozen graph.
    j = keras.layers.Conv2D(8, 1, name="j")(keras.layers.Concatenate(name="cj")([x, y]))
    k = keras.layers.DepthwiseConv2D(3, padding="same", name="k")(
        keras.layers.Concatenate(name="ck")([y, x]))
    s = keras.layers.Add(name="s")([j, x])
    s = keras.layers.Add(name="around")([s, keras.layers.ReLU(name="sr")(s)])
    t = keras.layers.MaxPooling2D(5, 1, "same", name="t")(s)
    u = keras.layers.Resizing(16, 16, interpolation="bilinear", name="u")(t)
    u = keras.layers.Add(name="w")(
        [u, keras.layers.Conv2DTranspose(8, 4, 2, "same", name="up")(t)])
    v = BilinearResize((16, 16), "align_corners", name="v")(k)
    o, q = keras.layers.Conv2D(4, 1, name="o")(u), keras.layers.Conv2D(4, 1, name="q")(v)
    e = keras.layers.Add(name="e")([keras.layers.Rescaling(0.3, name="f")(o),
                                    keras.layers.Rescaling(0.7, name="g")(q)])
    ends = {n: keras.layers.Identity(name="out_" + n)(z)
            for n, z in (("rgb", o), ("depth", q), ("ensemble", e))}
    plain = keras.Model({"rgb": a, "depth": b}, ends)
    rng = np.random.default_rng(0)
    images = {"rgb": rng.normal(size=(16, *SIZE, 3)).astype("f"),
              "depth": rng.normal(size=(16, *SIZE, 1)).astype("f")}
    wanted = plain.predict(images, verbose=0)
    names, streams = [t.name for t in plain.inputs], sorted(plain.output)
    batch = [images[n] for n in names]
"""

REBUILT = """
    from deploy.qat.tf_keras_rebuild import rebuild
    twin = rebuild(plain)
    found = twin(batch, training=False)
    print(json.dumps({
        "error": {n: float(np.abs(np.asarray(f) - wanted[n]).max() / np.abs(wanted[n]).max())
                  for n, f in zip(streams, found)},
        "layers": [type(l).__name__ for l in twin.layers],
        "parameters": [plain.count_params(), twin.count_params()],
    }))
"""

ROUNDED = """
    import collections
    from deploy.tflite.graph import read_operators, read_tensors
    from deploy.tflite.writer import write
    from deploy.tflite.xnnpack import left_out
    from deploy.qat import train as qat
    from deploy.target import Wanted
    from deploy.tflite.pipeline import finish, make

    def noise(found):
        return float(np.mean([((np.asarray(found[n]) - wanted[n]) ** 2).sum()
                              / (wanted[n] ** 2).sum() for n in streams]))
    def outputs_of_file(content):
        from ai_edge_litert.interpreter import Interpreter
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        runner = interpreter.get_signature_runner("serving_default")
        codes = {}
        for name, details in runner.get_input_details().items():
            scale, zero = details["quantization"]
            codes[name] = np.clip(np.round(images[name] / scale + zero), -128, 127).astype("int8")
        found = [{k: np.array(v) for k, v in runner(**{n: c[i:i + 1] for n, c in codes.items()}).items()}
                 for i in range(len(batch[0]))]
        scales = {k: d["quantization"] for k, d in runner.get_output_details().items()}
        return {k: (np.concatenate([f[k] for f in found]).astype("f") - zero) * scale
                for k, (scale, zero) in scales.items()}
    student = qat.student_of(ROUNDING, plain, batch)
    simulated = dict(zip(streams, student(batch, training=False)))
    untrained = qat.convert(student, names, streams, SIZE)
"""

UNTRAINED = """
    static = make(write(plain, SIZE), Wanted("static_w8a8", images))[0]
    tensors = read_tensors(untrained)
    def scales(content):
        sides = read_tensors(content)
        return [t.quantization.scale for t in (*sides.inputs.values(), *sides.outputs.values())]
    print(json.dumps({
        "simulated": noise(simulated), "file": noise(outputs_of_file(untrained)),
        "static": noise(outputs_of_file(static)),
        "scales": [scales(untrained), scales(static)],
        "kinds": collections.Counter(o.kind for o in read_operators(untrained)),
        "slow": len(left_out(untrained)),
        "types": [t.dtype for t in (*tensors.inputs.values(), *tensors.outputs.values())],
        "names": [sorted(tensors.inputs), sorted(tensors.outputs)],
    }))
"""

TRAINED = """
    from ai_edge_litert import schema_py_generated as schema

    def kernels(content):
        model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
        tensors = [t for t in model.subgraphs[0].tensors if tuple(t.shape) == (8, 3, 3, 8)]
        return [bytes(model.buffers[t.buffer].data) for t in tensors], len({t.buffer for t in tensors})
    def divergence(found):
        def log_softmax(logits):
            shifted = logits - logits.max(-1, keepdims=True)
            return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
        pairs = [(log_softmax(wanted[n].astype("f8")), log_softmax(found[n])) for n in streams]
        return float(sum((np.exp(w) * (w - f)).sum(-1).mean() for w, f in pairs))
    settings = qat.Settings(epochs=12, batch_size=8, learning_rate=3e-4, views=16)
    feed = lambda numbers: {n: images[n][numbers] for n in names}
    losses = qat.distil(student, plain, feed, 16, settings)
    trained, _ = finish(qat.convert(student, names, streams, SIZE), "qat_w8a8", "none")
    codes, buffers = kernels(trained)
    print(json.dumps({
        "losses": losses, "before": divergence(outputs_of_file(untrained)),
        "after": divergence(outputs_of_file(trained)),
        "kernels": len(codes), "buffers": buffers, "moved": codes[0] != kernels(untrained)[0][0],
    }))
"""

KEPT = """
    import json, keras, numpy as np
    import cen_keras
    from deploy.freeze import freeze
    from deploy.qat import train as qat
    from deploy.tflite.graph import read_operators
    from deploy.tflite.pipeline import finish
    from deploy.tflite.samples import outputs_of

    keras.utils.set_random_seed(0)
    layers, SIZE = keras.layers, (16, 16)
    image = keras.Input((*SIZE, 3))
    x = layers.Conv2D(8, 3, padding="same", name="conv")(image)
    quarter = keras.initializers.Constant(0.25)
    x = layers.PReLU(quarter, shared_axes=[1, 2], name="prelu")(x)
    network = keras.Model(image, layers.Conv2D(4, 1, name="head")(x))
    trained = cen_keras.lift(network, ("rgb", "depth"), fusion=None)
    rng = np.random.default_rng(0)
    images = {t.name: rng.normal(size=(8, *SIZE, t.shape[-1])).astype("f") for t in trained.inputs}
    wanted = trained.predict(images, verbose=0)
    plain = freeze(trained, batch=None)
    names = [t.name for t in plain.inputs]
    student = qat.student_of("keras", plain, [images[n] for n in names])
    content = qat.convert(student, names, sorted(plain.output), SIZE)
    content, _ = finish(content, "qat_w8a8", "none")
    found = outputs_of(content, images)
    print(json.dumps({
        "noise": {n: float(((found[n] - w) ** 2).sum() / (w ** 2).sum()) for n, w in wanted.items()},
        "kinds": sorted({o.kind for o in read_operators(content)}),
    }))
"""


def run(*parts):
    """What a script prints as its last line of JSON."""
    script = "".join(textwrap.dedent(part) for part in parts)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_the_rebuild_computes_the_same():
    found = run(SETUP, REBUILT)
    # float32 sums of at most 72 terms in another order: 72 * 6e-8 at worst, over six layers.
    assert max(found["error"].values()) < 3e-5
    # One layer for one, but two factors for four channels each became kernels, and the ReLU whose
    # map is read beside it has a product of eight channels to be fused into.
    assert found["layers"].count("ReLU") == 5
    assert found["layers"].count("DepthwiseConv2D") == 4
    assert found["parameters"][1] == found["parameters"][0] + 2 * 4 + 8


def test_a_layer_that_is_kept_brings_its_own_weights():
    found = run(KEPT)
    assert found["kinds"] == ["CONV_2D", "PRELU"]
    # 255 steps over the 8 deviations that some thousand normal values span: (8 / 255)^2 / 12 = 8e-5 of
    # the power for each of six roundings (four maps, two kernels), 5e-4 in all; twice that at most.
    assert sorted(found["noise"]) == ["depth", "rgb"]
    assert max(found["noise"].values()) < 1e-3


@pytest.mark.slow
def test_the_manifest_tells_the_calibration_from_the_training(run_path, tmp_path):
    command = ["qat", str(run_path), "--epochs", "1", "--views", "2", "--batch-size", "2"]
    assert main([*command, "--seed", "3", "--out", str(tmp_path)]) == 0
    told = manifests.load(tmp_path / "qat_w8a8.tflite").calibration
    # Calibration has a seed of its own, that of export.
    assert (told["seed"], told["training"]["seed"]) == (0, 3)
    assert (told["training"]["views"], len(told["training"]["losses"])) == (2, 1)


def test_what_a_narrower_range_costs():
    values = np.random.default_rng(0).normal(size=500).astype(np.float32)
    values[0] = 40.0
    span = float(values.min()), float(values.max())
    costs = [squared_error(values, span, factor) for factor in FACTORS]
    for factor, cost in zip(FACTORS, costs, strict=True):
        low, high = factor * span[0], factor * span[1]
        step = (high - low) / 255
        zero = np.round(-low / step)
        codes = np.clip(np.round(values / step) + zero, 0, 255)
        wanted = np.square((codes - zero) * step - values).sum()
        # A value at the middle of two codes may fall on either, with the same error; float32 sums.
        assert cost == pytest.approx(wanted, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["keras", "tfmot"])
def test_before_training_the_rounding_is_that_of_static_calibration(rounding):
    found = run(SETUP, f"ROUNDING = {rounding!r}", ROUNDED, UNTRAINED)
    ours, static = found["scales"]
    # The same smallest and largest values; a range is widened by up to half a code to hold zero.
    assert ours == pytest.approx(static, rel=1 / 255)
    # So the noise is the same, but where a sum in another order falls on another code: few do. Keras'
    # simulation chooses a part of each range, calibration one for all, so it may be below.
    at_least = 0.9 if rounding == "tfmot" else 0.0
    assert at_least * found["static"] <= found["file"] <= 1.1 * found["static"]
    # The kernels round otherwise than the simulation inside of additions and resizing: once more
    # per operator at worst, with steps no wider.
    assert 0.5 < found["file"] / found["simulated"] < 2
    assert found["slow"] == 0
    assert set(found["types"]) == {"int8"}
    assert found["names"] == [["depth", "rgb"], ["depth", "ensemble", "rgb"]]
    # A float island would show as a conversion between the types, a second range as one of codes.
    assert not {"DEQUANTIZE", "QUANTIZE"} & set(found["kinds"])


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["keras", "tfmot"])
def test_training_comes_nearer_to_the_float_model(rounding):
    found = run(SETUP, f"ROUNDING = {rounding!r}", ROUNDED, TRAINED)
    assert found["losses"][-1] < found["losses"][0]
    # NumPy's divergence of what the files give, not of what the simulation says.
    assert found["after"] < found["before"]
    # What one kernel was for both modalities stays one.
    assert (found["kernels"], found["buffers"], found["moved"]) == (2, 1, True)
