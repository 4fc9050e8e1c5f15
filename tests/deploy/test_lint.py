"""lint: every rule finds the graph that breaks it and lets pass one that differs in that alone."""

import json

import numpy as np
import pytest
from onnx_graphs import QUANTISED_CONV, QUANTISED_W, QUANTISED_X, graph, pair

from cen_keras.errors import InputError
from deploy.__main__ import main
from deploy.lint import lint, lint_file
from deploy.lint_rules import LINT_RULES, PROFILES

PIECES = f"{QUANTISED_CONV} r = Relu(c)"


def ids(*numbers):
    return np.array(numbers, "int64")


# Rule -> (severity, profile, the graph that breaks it, the graph or profile that does not).
# The first graph must break this rule and no other (notes aside).
CASES = {
    "G1": ("E", "jp5", graph("y = Relu(x)", opset=18), graph("y = Relu(x)")),
    "G2": (
        "E",
        "jp6",
        graph("y = com.example.Odd(x)", domains=', "com.example": 1'),
        graph("y = Relu(x)"),
    ),
    "G3": (
        "E",
        "jp6",
        graph("y = Add(x, n)", n=ids(1)),
        graph("y = Add(x, n)", n=np.float32(1)),
    ),
    "G4": (
        "W",
        "jp6",
        graph("y = Relu(x)", "float[N,16,8,8] x", "float[N,16,8,8] y"),
        graph("y = Relu(x)"),
    ),
    "G5": (
        "W",
        "jp5",
        graph("y = ArgMax<axis = 1>(x)", outputs="int64[1,1,8,8] y"),
        graph("i = ArgMax<axis = 1>(x) y = Cast<to = 6>(i)", outputs="int32[1,1,8,8] y"),
    ),
    "G6": (
        "W",
        "jp5",
        graph("y = Slice(x, o, e, o)", outputs="float[1,15,8,8] y", o=ids(1), e=ids(2**40)),
        graph("y = Slice(x, o, e, o)", outputs="float[1,15,8,8] y", o=ids(1), e=ids(16)),
    ),
    "G7": ("E", "jp5", graph("y = Hardmax<axis = 1>(x)"), "jp6"),
    "G8": (
        "W",
        "jp6",
        graph("n = Shape(x) y = Reshape(x, n)"),
        graph("y = Reshape(x, n)", n=ids(1, 16, 8, 8)),
    ),
    "L1": (
        "W",
        "jp6",
        graph(
            "c = Conv(x, w) t = Transpose<perm = [0,1,3,2]>(c) y = Conv(t, w)",
        ),
        graph("c = Conv(x, w) d = Conv(c, w) y = Transpose<perm = [0,1,3,2]>(d)"),
    ),
    "L2": (
        "W",
        "jp6",
        graph("c = Conv(x, w) y = BatchNormalization(c, ones, b, b, ones)"),
        graph("c = Conv(x, w) r = Relu(c) y = BatchNormalization(r, ones, b, b, ones)"),
    ),
    "L3": (
        "E",
        "jp6",
        graph('y = Resize<mode = "linear", antialias = 1>(x, , , n)', opset=18, n=ids(1, 16, 8, 8)),
        graph('y = Resize<mode = "linear">(x, , , n)', opset=18, n=ids(1, 16, 8, 8)),
    ),
    "L4": (
        "E",
        "jp6",
        graph('y = Resize<mode = "linear">(x, , , n)', "float[1,16,8,8] x, int64[4] n"),
        graph('y = Resize<mode = "linear">(x, , , n)', n=ids(1, 16, 8, 8)),
    ),
    "L5": (
        "E",
        "jp6",
        graph("y = MaxPool<kernel_shape = [3,3], pads = [2,2,2,2], dilations = [2,2]>(x)"),
        graph("y = MaxPool<kernel_shape = [3,3], pads = [1,1,1,1], dilations = [1,1]>(x)"),
    ),
    "L6": (
        "E",
        "jp5",
        graph("a = Identity(b) y = Conv(x, w, a)"),
        graph("y = Conv(x, w, b)"),
    ),
    "L7": (
        "E",
        "jp6",
        graph("y = Slice(x, i, e, o)", "float[1,16,8,8] x, int64[1] i", e=ids(16), o=ids(1)),
        graph("y = Slice(x, i, e, o)", i=ids(0), e=ids(16), o=ids(1)),
    ),
    "L8": (
        "W",
        "jp6",
        graph("y = Mul(x, m)", m=np.arange(16, dtype="float32").reshape(1, 16, 1, 1) % 2),
        graph("y = Mul(x, m)", m=np.arange(16, dtype="float32").reshape(1, 16, 1, 1) / 8),
    ),
    "P3": ("W", "jp6", graph("y = Sum(x, x, x)"), graph("a = Sum(x, x) y = Sum(a, x)")),
    "Q0": (
        "E",
        "jp6",
        graph(
            "y = ConvInteger(x, k)",
            "int8[1,16,8,8] x",
            "int32[1,16,8,8] y",
            k=np.ones((16, 16, 1, 1), "int8"),
        ),
        graph(f"{PIECES} y = Identity(r)"),
    ),
    "Q1": (
        "E",
        "jp5",
        graph("q = QuantizeLinear(x, s) d = DequantizeLinear(q, s) y = Relu(d)"),
        "jp6",
    ),
    "Q2": (
        "E",
        "jp5",
        graph(
            "q = QuantizeLinear(x, s, u) d = DequantizeLinear(q, s, u) y = Relu(d)", u=np.uint8(0)
        ),
        graph("q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Relu(d)"),
    ),
    "Q3": (
        "E",
        "jp6",
        graph(
            "q = QuantizeLinear(x, s, u) d = DequantizeLinear(q, s, u) y = Relu(d)", u=np.int8(3)
        ),
        graph("q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Relu(d)"),
    ),
    "Q4": (
        "E",
        "jp6",
        graph(
            "q = QuantizeLinear(x, n, z) d = DequantizeLinear(q, n, z) y = Relu(d)",
            n=np.float32(np.inf),
        ),
        graph("q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Relu(d)"),
    ),
    "Q5": (
        "E",
        "jp6",
        graph("q = QuantizeLinear(x, ws, wz) d = DequantizeLinear(q, ws, wz) y = Relu(d)"),
        graph("q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Relu(d)"),
    ),
    "Q6": (
        "E",
        "jp6",
        graph(f"{QUANTISED_CONV} y = Relu(c)".replace("axis = 0", "axis = 1")),
        graph(f"{QUANTISED_CONV} y = Relu(c)"),
    ),
    "Q7": (
        "E",
        "jp6",
        graph(
            f"{QUANTISED_X} {QUANTISED_W} bd = DequantizeLinear<axis = 0>(n, ws, i)"
            " y = Conv(xd, wd, bd)",
            n=np.ones(16, "int32"),
            i=np.zeros(16, "int32"),
        ),
        graph(f"{QUANTISED_CONV} y = Relu(c)"),
    ),
    "Q8": (
        "W",
        "jp6",
        graph(
            "q = QuantizeLinear(x, s, z) p = MaxPool<kernel_shape = [1,1]>(q)"
            " d = DequantizeLinear(p, s, z) y = Relu(d)"
        ),
        graph("q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Relu(d)"),
    ),
    "Q9": (
        "W",
        "jp6",
        graph(f"{QUANTISED_X} y = Conv(xd, w)"),
        graph(f"{QUANTISED_CONV} y = Relu(c)"),
    ),
    "Q10": (
        "W",
        "jp6",
        graph(f"{QUANTISED_CONV} {pair('c')} y = Relu(cd)"),
        graph(f"{QUANTISED_CONV} y = Relu(c)"),
    ),
    "Q11": (
        "W",
        "jp6",
        graph(f"{QUANTISED_CONV} {pair('c')} a = Add(cd, xd) y = Relu(a)"),
        graph(f"{QUANTISED_CONV} a = Add(c, xd) y = Relu(a)"),
    ),
    "Q12": (
        "W",
        "jp6",
        graph(f"{PIECES} {pair('r')} y = Add(rd, r)"),
        graph(f"{PIECES} {pair('r')} y = Add(rd, rd)"),
    ),
    "Q13": (
        "W",
        "jp6",
        graph(f"{PIECES} {pair('r')} y = Concat<axis = 1>(rd, r)", outputs="float[1,32,8,8] y"),
        graph(f"{PIECES} {pair('r')} y = Concat<axis = 1>(rd, rd)", outputs="float[1,32,8,8] y"),
    ),
    "Q14": (
        "W",
        "jp6",
        graph(
            f"{PIECES} {pair('r', 's2')} y = Concat<axis = 1>(rd, xd)",
            outputs="float[1,32,8,8] y",
        ),
        graph(f"{PIECES} {pair('r')} y = Concat<axis = 1>(rd, xd)", outputs="float[1,32,8,8] y"),
    ),
    "Q15": (
        "W",
        "jp6",
        graph(
            f"{QUANTISED_X} p = MaxPool<kernel_shape = [1,1]>(xd) {pair('p', 's2')} y = Relu(pd)"
        ),
        graph(f"{QUANTISED_X} p = MaxPool<kernel_shape = [1,1]>(xd) {pair('p')} y = Relu(pd)"),
    ),
    "Q16": (
        "W",
        "jp6",
        graph(f"{QUANTISED_X} y = Softmax<axis = 1>(xd)"),
        graph("y = Softmax<axis = 1>(x)"),
    ),
    "Q17": (
        "W",
        "jp6",
        graph("q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)"),
        graph("q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Relu(d)"),
    ),
    "Q18": (
        "I",
        "jp6",
        # 127 codes of 0.1 reach to 12.7; the samples, to 50.
        graph(f"{QUANTISED_X} y = Relu(xd)"),
        graph(f"{QUANTISED_X} y = Relu(xd)", s=np.float32(50 / 127)),
    ),
    "P1": (
        "I",
        "jp6",
        graph(
            f"r = Relu(x) {pair('r')} {QUANTISED_W} y = Conv(rd, wd)",
            outputs="float[1,18,8,8] y",
            w=np.ones((18, 16, 1, 1), "float32"),
            ws=np.ones(18, "float32"),
            wz=np.zeros(18, "int8"),
        ),
        graph(f"r = Relu(x) {pair('r')} {QUANTISED_W} y = Conv(rd, wd)"),
    ),
    "P4": (
        "W",
        "jp6",
        graph(
            f"r = Relu(x) {pair('r')} {QUANTISED_W} y = Conv<group = 16>(rd, wd)",
            w=np.ones((16, 1, 1, 1), "float32"),
        ),
        graph(f"r = Relu(x) {pair('r')} y = Conv<group = 16>(r, w)", w=np.ones((16, 1, 1, 1), "f")),
    ),
    "P2": ("I", "jp6", graph(f"{QUANTISED_CONV} y = Relu(c)"), graph("y = Conv(x, w)")),
    "D1": (
        "W",
        "dla",
        graph("y = Gather<axis = 1>(x, n)", n=np.arange(16)),
        "jp6",
    ),
    "D2": (
        "W",
        "dla",
        graph(f"{QUANTISED_CONV} r = Relu(c) y = Softmax<axis = 1>(r)"),
        graph(f"{QUANTISED_CONV} r = Relu(c) {pair('r')} y = Softplus(rd)"),
    ),
}


def found(model, profile):
    samples = {"x": np.full((1, 8, 8, 16), 50, "float32")}
    return lint(model, profile, samples if profile != "dla" else None)


def test_every_rule_has_a_case():
    assert set(CASES) == set(LINT_RULES)
    assert all((rule.__doc__ or "").strip() for rule in LINT_RULES.values())


@pytest.mark.parametrize("rule", CASES)
def test_rule_finds_its_graph_and_no_other_rule_does(rule):
    severity, profile, bad, _ = CASES[rule]
    findings = found(bad, profile)
    assert {f.severity for f in findings if f.rule == rule} == {severity}
    assert all(f.what and f.fix for f in findings)
    assert {f.rule for f in findings if f.severity != "I"} <= {rule}


@pytest.mark.parametrize("rule", CASES)
def test_rule_lets_a_sound_graph_pass(rule):
    _, profile, bad, good = CASES[rule]
    model, profile = (bad, good) if isinstance(good, str) else (good, profile)
    assert rule not in {f.rule for f in found(model, profile)}


@pytest.mark.parametrize(
    ("rule", "severity", "profile", "model"),
    [
        ("G1", "E", "jp6", graph("q = QuantizeLinear(w, ws, wz) y = Add(x, x)", opset=12)),
        ("G4", "E", "dla", CASES["G4"][2]),
        ("G4", "W", "jp6", graph("y = Relu(x)", "float[2,16,8,8] x", "float[2,16,8,8] y")),
        ("G6", "W", "jp6", graph("c = Cast<to = 1>(n) y = Add(x, c)", n=np.float64(1))),
        ("L3", "E", "jp6", graph('y = Resize<mode = "linear", coordinate_transformation_mode = '
                                 '"tf_crop_and_resize">(x, n, f)', n=np.ones(8, "float32"),
                                 f=np.ones(4, "float32"))),
        ("L4", "W", "jp6", graph('m = Identity(n) y = Resize<mode = "linear">(x, , , m)', n=ids(1, 16, 8, 8))),
        ("L4", "E", "jp5", graph('m = Identity(n) y = Resize<mode = "linear">(x, , , m)', n=ids(1, 16, 8, 8))),
        ("L7", "W", "jp6", graph("y = Gather<axis = 1>(x, i)", "float[1,16,8,8] x, int64[16] i")),
        ("L7", "W", "jp6", graph("m = Identity(n) y = Pad(x, m)", n=ids(*[0] * 8))),
        ("L7", "E", "jp5", graph("m = Identity(n) y = Pad(x, m)", n=ids(*[0] * 8))),
        ("L5", "W", "jp5", CASES["L5"][2]),
        ("L5", "E", "jp6", graph("y, i = MaxPool<kernel_shape = [1,1]>(x)")),
        ("L6", "W", "jp6", CASES["L6"][2]),
        ("L8", "W", "jp6", graph("y = Where(m, x, x)", m=np.ones((1, 16, 1, 1), bool))),
        ("Q1", "E", "jp6", graph("t = Identity(s) q = QuantizeLinear(x, t, z)"
                                 " d = DequantizeLinear(q, s, z) y = Relu(d)")),
        ("Q2", "W", "jp6", CASES["Q2"][2]),
        ("Q5", "E", "jp6", graph("q = QuantizeLinear<axis = 0>(w, n, i)"
                                 " d = DequantizeLinear<axis = 0>(q, n, i) y = Conv(x, d)",
                                 n=np.ones(4, "float32"), i=np.zeros(4, "int8"))),
        ("Q6", "W", "jp6", graph(f"{QUANTISED_X} q = QuantizeLinear(w, s, z)"
                                 " d = DequantizeLinear(q, s, z) y = Conv(xd, d)")),
        ("Q8", "W", "jp6", graph(f"{QUANTISED_X} {pair('xd', 's2')} y = Relu(xdd)")),
        ("Q11", "W", "jp6", graph(f"{QUANTISED_CONV} y = Add(c, x)")),
        ("Q11", "W", "jp6", graph(f"{QUANTISED_CONV} e = Conv(xd, wd) y = Add(c, e)")),
        ("D1", "W", "dla", graph('y = Resize<mode = "linear", coordinate_transformation_mode = '
                                 '"align_corners">(x, , n)', n=np.ones(4, "float32"))),
    ],
)  # fmt: skip
def test_further_ways_to_break_a_rule(rule, severity, profile, model):
    assert (rule, severity) in {(f.rule, f.severity) for f in found(model, profile)}


def test_a_float_file_and_a_bias_add_are_no_business_of_the_placement_rules():
    model = graph(
        f"{QUANTISED_CONV} a = Add(c, ones4) y = Relu(a)", ones4=np.ones((1, 16, 1, 1), "f")
    )
    assert not [f for f in found(model, "jp6") if f.severity != "I"]
    model = graph(
        "c = Conv(x, w) a = Add(c, x) y = Concat<axis = 1>(a, c)", outputs="float[1,32,8,8] y"
    )
    assert not found(model, "jp5")


@pytest.mark.parametrize("profile", PROFILES)
def test_command_gives_table_json_and_exit_code(profile, tmp_path, capsys):
    import onnx

    onnx.save(graph("y = Relu(x)"), tmp_path / "good.onnx")
    onnx.save(graph("y = Sum(x, x, x)"), tmp_path / "warned.onnx")
    onnx.save(CASES["L7"][2], tmp_path / "bad.onnx")

    def run(name, *more):
        code = main(["lint", str(tmp_path / name), "--profile", profile, *more])
        return code, capsys.readouterr()

    assert run("good.onnx", "--strict")[0] == 0
    assert run("warned.onnx")[0] == 0
    assert run("warned.onnx", "--strict")[0] == 1
    code, printed = run("bad.onnx", "--json", "-")
    result = json.loads(printed.out)
    assert code == 1
    assert result["errors"] == len([f for f in result["findings"] if f["severity"] == "E"]) > 0
    assert "L7" in printed.err and "Slice_0" in printed.err


def test_bad_input_is_reported_in_one_line(tmp_path, capsys):
    whole = graph(f"{QUANTISED_CONV} y = Relu(c)").SerializeToString()
    for name, content in {
        "cut.onnx": whole[: len(whole) // 2],
        "empty.onnx": b"",
        "text.onnx": b"not a model at all, but some words\n" * 4,
    }.items():
        (tmp_path / name).write_bytes(content)
        assert main(["lint", str(tmp_path / name)]) == 2
        assert capsys.readouterr().err.startswith(f"error: {tmp_path / name}")
    assert main(["lint", str(tmp_path / "absent.onnx")]) == 2
    with pytest.raises(InputError, match="jp9"):
        lint_file(tmp_path / "cut.onnx", "jp9")
