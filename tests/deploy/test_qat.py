"""The rebuild computes what the frozen graph does; trained with rounding it becomes whole int8.

In processes of their own: tensorflow-model-optimization switches TensorFlow to the older Keras.
"""

import json
import subprocess
import sys
import textwrap

import pytest

SETUP = """
    import json, keras, numpy as np
    from deploy.quantize.tf_keras_rebuild import rebuild, resize_class
    from cen_keras.layers import BilinearResize

    keras.utils.set_random_seed(0)
    SIZE = (16, 16)
    a = keras.Input((*SIZE, 3), name="rgb")
    b = keras.Input((*SIZE, 1), name="depth")
    p = keras.layers.ZeroPadding2D(1, name="pad")(a)
    x = keras.layers.ReLU(name="xr")(keras.layers.Conv2D(8, 3, 2, name="x")(p))
    y = keras.layers.ReLU(name="yr")(keras.layers.Conv2D(8, 3, 2, padding="same", name="y")(b))
    # One map, read by two concatenations in another order: the exchange of a frozen graph.
    j = keras.layers.Conv2D(8, 1, name="j")(keras.layers.Concatenate(name="cj")([x, y]))
    k = keras.layers.DepthwiseConv2D(3, padding="same", name="k")(
        keras.layers.Concatenate(name="ck")([y, x]))
    s = keras.layers.ReLU(name="sr")(keras.layers.Add(name="s")([j, x]))
    t = keras.layers.MaxPooling2D(5, 1, "same", name="t")(s)
    u = keras.layers.Resizing(16, 16, interpolation="bilinear", name="u")(t)
    v = BilinearResize((16, 16), "align_corners", name="v")({"x": k})["x"]
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
    resize = resize_class()
    twin = rebuild(plain, resize)
    batch = [images[n] for n in names]
"""

REBUILT = """
    found = twin(batch, training=False)
    print(json.dumps({
        "error": {n: float(np.abs(np.asarray(f) - wanted[n]).max() / np.abs(wanted[n]).max())
                  for n, f in zip(streams, found)},
        "layers": [l.name for l in twin.layers],
        "parameters": [plain.count_params(), twin.count_params()],
    }))
"""

TRAINED = """
    import collections
    from deploy.export.tflite_graph import read_operators, read_tensors
    from deploy.export.xnnpack import left_out
    from deploy.quantize import qat

    student = qat.quantised(twin, resize)
    def noise(found):
        return max(float(((np.asarray(f) - wanted[n]) ** 2).sum() / (wanted[n] ** 2).sum())
                   for n, f in zip(streams, found))
    cold = noise(student(batch, training=False))
    qat.warm_up(student, [batch] * 8)
    warm = noise(student(batch, training=False))
    settings = qat.Settings(epochs=8, batch_size=8, learning_rate=1e-4)
    losses = qat._distil(student, plain, names, images, settings, lambda text: None)
    content = qat.convert(student, names, streams, SIZE)
    from ai_edge_litert.interpreter import Interpreter
    runner_of = Interpreter(model_content=content)
    runner_of.allocate_tensors()
    runner = runner_of.get_signature_runner("serving_default")
    def codes(name, image):
        scale, zero = runner.get_input_details()[name]["quantization"]
        return np.clip(np.round(image / scale + zero), -128, 127).astype("int8")
    answers = [{k: np.array(v) for k, v in
                runner(**{n: codes(n, images[n][i:i + 1]) for n in names}).items()}
               for i in range(16)]
    def real(name):
        scale, zero = runner.get_output_details()[name]["quantization"]
        return (np.concatenate([a[name] for a in answers]).astype("f") - zero) * scale
    tensors = read_tensors(content)
    print(json.dumps({
        "cold": cold, "warm": warm, "losses": losses,
        "file": noise([real(n) for n in streams]),
        "kinds": collections.Counter(o.kind for o in read_operators(content)),
        "slow": len(left_out(content)),
        "types": [t.dtype for t in (*tensors.inputs.values(), *tensors.outputs.values())],
        "names": [sorted(tensors.inputs), sorted(tensors.outputs)],
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
    # float32 sums of at most 72 terms in another order: 72 * 6e-8 at worst, over five layers.
    assert max(found["error"].values()) < 3e-5
    # The ReLUs behind convolutions are part of them, the one behind the sum is not; two factors for
    # four channels each became kernels.
    assert not {"xr", "yr"} & set(found["layers"])
    assert "sr" in found["layers"]
    assert found["parameters"][1] == found["parameters"][0] + 2 * 4


@pytest.mark.slow
def test_training_with_rounding_ends_in_whole_int8():
    found = run(SETUP, TRAINED)
    # tfmot's own ranges of +-6 waste bits or clip; ranges from the data do not.
    assert found["warm"] < found["cold"]
    assert found["losses"][-1] < found["losses"][0]
    # The kernels round otherwise than the simulation, at the same bits: a factor of two in power.
    assert found["file"] < 2 * found["warm"]
    assert found["slow"] == 0
    assert set(found["types"]) == {"int8"}
    assert found["names"] == [["depth", "rgb"], ["depth", "ensemble", "rgb"]]
    # A float island would show as a conversion between the types.
    assert "DEQUANTIZE" not in found["kinds"]
