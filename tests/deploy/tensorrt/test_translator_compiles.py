"""A translator's artifacts compile, too; its generator is another network than the segmenters."""

import onnx
from parts import needed

from deploy.__main__ import main
from deploy.tensorrt.judge import judge

needed("tensorrt-rtx", "tensorrt_rtx_bindings")


def test_a_translator_compiles(translation_run, tmp_path):
    words = ["export", str(translation_run), "--target", "onnx", "--out", str(tmp_path)]
    assert main([*words, "--scheme", "fp32"]) == 0
    found = judge(onnx.load(tmp_path / "fp32.onnx"), ("8.6", "12.0"))
    assert [f.rule for f in found] == ["C4", "C4"]
