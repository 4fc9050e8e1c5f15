"""NVIDIA's own compiler (TensorRT for RTX, no GPU): what it builds, refuses and says of our rules."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import QUANTISED_CONV, QUANTISED_X, graph, pair, write_artifact
from parts import needed

from deploy.__main__ import main
from deploy.lint import lint
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError
from deploy.tensorrt.ahead import build_ahead, description_path, read_description
from deploy.tensorrt.compiler import compile_onnx
from deploy.tensorrt.judge import judge

needed("tensorrt-rtx", "tensorrt_rtx_bindings")


def _cases():
    path = Path(__file__).parent.parent / "test_lint.py"
    spec = importlib.util.spec_from_file_location("lint_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


CASES = _cases()
REFUSES, FLOAT, BUILDS = "refuses", "computes convolutions in float", "builds"
# Rule -> what the compiler does with the graph that breaks it.
OUTCOMES = {
    **dict.fromkeys(("G2", "G3", "L3", "L4", "L5", "L7", "Q0", "Q3", "Q7"), REFUSES),
    # A batch that is not fixed wants an optimisation profile, which `deploy engine` does not give.
    "G4": REFUSES,
    **dict.fromkeys(("Q6", "Q9"), FLOAT),
    # Errors for boards of TensorRT 8.5 to 10.13, whose parsers are older than this compiler.
    **dict.fromkeys(("G1", "G7", "L6", "Q1", "Q2", "Q5"), BUILDS),
    # Builds, and computes nonsense: an infinite scale.
    "Q4": BUILDS,
    # Slower, less accurate, or a note.
    **dict.fromkeys(
        ("G5", "G6", "G8", "L1", "L2", "L8", "P1", "P2", "P3", "P4", "Q8", "Q10", "Q11", "Q12", "Q13",
         "Q14", "Q15", "Q16", "Q17", "Q18", "D1", "D2"), BUILDS
    ),
}  # fmt: skip


def test_every_rule_has_been_held_against_the_compiler():
    assert set(OUTCOMES) == set(CASES)


@pytest.mark.parametrize("rule", CASES)
def test_the_compiler_and_the_rule_agree(rule):
    severity, _, bad, good = CASES[rule]
    verdict = compile_onnx(bad.SerializeToString())
    if OUTCOMES[rule] == REFUSES:
        assert verdict.engine is None and verdict.errors
        assert severity == "E" or rule == "G4"
    else:
        assert verdict.engine and not verdict.errors
        wanted = {"Float"} if OUTCOMES[rule] == FLOAT else {"Float", "Int8"}
        assert set(verdict.convolutions) <= wanted
    if not isinstance(good, str):
        assert compile_onnx(good.SerializeToString()).engine, "the sound graph builds"


@pytest.mark.parametrize("capability", ["7.5", "8.0", "8.6", "8.9", "12.0", "12.1"])
def test_8_bit_convolutions_from_ampere_on(capability):
    model = graph(f"{QUANTISED_CONV} r = Relu(c) {pair('r')} y = Conv(rd, wd)")
    verdict = compile_onnx(model.SerializeToString(), (capability,))
    assert verdict.convolutions == {"Float" if capability == "7.5" else "Int8": 2}
    assert (verdict.capabilities, verdict.warnings) == ((capability,), ())
    # Each code of the weights, and a bias and a scale for each of the channels.
    assert verdict.weights >= 2 * 16 * 16 or capability == "7.5"
    assert ("Conv_4" in verdict.kernels[1].nodes) or capability == "7.5"


def depthwise(quantised):
    """A depthwise convolution that is large enough for its padding to count."""
    weight = np.ones((16, 1, 3, 3), "float32")
    body = (
        f"{QUANTISED_X} kq = QuantizeLinear<axis = 0>(k, ws, wz)"
        "  kd = DequantizeLinear<axis = 0>(kq, ws, wz)  c = Conv(xd, kd)  r = Relu(c)  "
    )
    if quantised:
        body += (
            f"{pair('r')} vq = QuantizeLinear<axis = 0>(v, ws, wz)"
            "  vd = DequantizeLinear<axis = 0>(vq, ws, wz)"
            " y = Conv<group = 16, pads = [1,1,1,1]>(rd, vd)"
        )
    else:
        body += "y = Conv<group = 16, pads = [1,1,1,1]>(r, v)"
    size = "float[1,16,96,128]"
    kernel = np.ones((16, 16, 1, 1), "float32")
    return graph(body, f"{size} x", f"{size} y", v=weight, k=kernel)


def test_depthwise_convolutions_in_8_bits_are_filled_up_with_zeros():
    found = {f.rule: f for f in judge(depthwise(quantised=True))}
    # Three more channels for each of 16, at every pixel.
    assert f"{3 * 16 * 96 * 128} bytes of zeros" in found["C3"].what
    assert "P4" in {f.rule for f in lint(depthwise(quantised=True), "jp6")}
    assert {f.rule for f in judge(depthwise(quantised=False))} == {"C4"}
    assert "P4" not in {f.rule for f in lint(depthwise(quantised=False), "jp6")}


def test_findings_name_the_node():
    refused = judge(CASES["Q3"][2])
    assert [f.rule for f in refused] == ["C0"] and "QuantizeLinear_0" in refused[0].node
    assert "zero point" in refused[0].what
    unsigned = graph("y = Relu(x)", outputs="float[1,16,8,8] y")
    assert [f.rule for f in judge(unsigned)] == ["C4"]
    wrong_axis = judge(CASES["Q6"][2])
    assert [(f.rule, f.node) for f in wrong_axis if f.rule == "C2"] == [("C2", "Conv_4")]
    twice = judge(graph("y = Conv(x, w)"), ("8.6", "12.0"))
    assert [f.rule for f in twice] == ["C4", "C4"]
    assert "8.6: " in twice[0].what and "12.0: " in twice[1].what


def test_an_engine_is_built_ahead_of_time_with_its_description(tmp_path):
    artifact = write_artifact(tmp_path / "fp32.onnx", "fp32")
    path, built = build_ahead(artifact, ["8.9", "8.6"])
    assert built and path.stat().st_size > 10_000
    assert path.name.startswith("fp32.rtx-sm86-sm89.trt")
    description = read_description(path)
    assert description["artifact_sha256"] == manifests.load(artifact).file_sha256
    assert description["compute_capabilities"] == ["8.9", "8.6"]
    assert description["convolutions"] == {"Float": 2}
    assert build_ahead(artifact, ["8.6", "8.9"]) == (path, False)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="is not beside it"):
        read_description(path)
    assert build_ahead(artifact, ["8.6", "8.9"], force=True) == (path, True)
    assert read_description(path)


def test_refusals_leave_nothing_behind(tmp_path):
    artifact = write_artifact(tmp_path / "fp32.onnx", "fp32")
    before = sorted(tmp_path.iterdir())
    for capability in ("8.7", "9.0", "6.1"):
        with pytest.raises(InputError, match=f"'{capability}' is none that TensorRT for RTX"):
            build_ahead(artifact, [capability])
    bad = CASES["Q3"][2].SerializeToString()
    manifests.save(manifests.load(artifact), artifact, bad)
    with pytest.raises(InputError, match="refuses it .*zero point"):
        build_ahead(artifact, ["8.6"])
    assert sorted(tmp_path.iterdir()) == before


def test_commands(tmp_path, capsys):
    artifact = write_artifact(tmp_path / "fp32.onnx", "fp32")
    words = ["engine", str(artifact), "--target", "tensorrt-rtx"]
    assert main([*words, "--compute-capability", "8.6,8.9", "--json", "-"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["built"] and description_path(Path(result["engine"])).is_file()
    assert "built" in printed.err and "2 in Float" in printed.err
    assert main(words) == 2
    assert "wanted --compute-capability" in capsys.readouterr().err
    assert main([*words, "--compute-capability", "8.6", "--half"]) == 2
    assert main(["lint", str(artifact), "--compile", "--compute-capability", "8.6,12.0"]) == 0
    assert capsys.readouterr().out.count("C4") == 2
    onnx.save(CASES["Q9"][2], tmp_path / "half.onnx")
    assert main(["lint", str(tmp_path / "half.onnx"), "--compile", "--json", "-"]) == 0
    rules = {f["rule"] for f in json.loads(capsys.readouterr().out)["findings"]}
    assert {"Q9", "C4"} <= rules
