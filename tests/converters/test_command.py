"""`python -m cen_keras.converters`: a file in, a file out, exit codes and one-line errors."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from seeded import images
from tiny_resnets import narrow_resnets, random_state, refinenet

from cen_keras.converters import __main__ as command
from cen_keras.converters import torch_cen


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A checkpoint of a small model; --model resnet50 builds the same small model."""
    pytest.importorskip("torch")
    narrow_resnets(monkeypatch)
    tiny = {"filters": 4, "deep_filters": 8}
    monkeypatch.setitem(command.MODELS["refinenet50"], "decoder_options", tiny)
    model = refinenet()
    torch_cen.load(random_state(torch_cen.state_dict(model)), model)
    torch_cen.save(model, tmp_path / "model.pth.tar")
    return tmp_path / "model.pth.tar", model


def run(*arguments):
    return command.main([str(a) for a in arguments])


def test_the_file_computes_what_the_checkpoint_says(checkpoint, tmp_path, capsys):
    path, model = checkpoint
    out = tmp_path / "new" / "model.keras"
    assert run(path, "--model", "refinenet50", "--out", out, "--num-classes", 5) == 0
    assert "5 classes" in capsys.readouterr().out
    again = keras.models.load_model(out)
    assert again.fusion.scope == "all" and again.fusion.threshold == 2e-2
    x = images(model, (32, 48))
    for name, logits in again(x).items():
        np.testing.assert_array_equal(logits, model(x)[name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num-classes", 7], "(5,) instead of (7,)"),
        (["--num-classes", 0], "at least 1"),
        (["--num-classes", 5, "--modalities", "rgb"], "unexpected"),
    ],
)
def test_a_checkpoint_that_does_not_fit(checkpoint, tmp_path, capsys, arguments, message):
    out = tmp_path / "model.keras"
    assert run(checkpoint[0], "--model", "refinenet50", "--out", out, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "content", "out", "message"),
    [
        ("no.pth", None, "m.keras", "no.pth"),
        ("text.pth", b"text", "m.keras", "text.pth cannot be read"),
        ("text.pth", b"text", "m.h5", "must end in .keras"),
    ],
)
def test_bad_files_are_one_line(tmp_path, capsys, name, content, out, message):
    if "cannot be read" in message:
        pytest.importorskip("torch")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run(tmp_path / name, "--model", "refinenet101", "--out", tmp_path / out) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "found"), [([1, 2], "list"), (None, "NoneType"), ("tensor", "Tensor")]
)
@pytest.mark.parametrize("part", ["checkpoint", "discriminator"])
def test_a_file_that_holds_no_names_is_one_line(tmp_path, capsys, part, content, found):
    torch = pytest.importorskip("torch")
    good = {"conv1.conv.module.bias": torch.zeros(4)}
    for name in ("checkpoint", "discriminator"):
        bad = torch.zeros(2) if content == "tensor" else content
        torch.save(bad if name == part else good, tmp_path / name)
    files = tmp_path / "checkpoint", "--discriminator", tmp_path / "discriminator"
    out = tmp_path / "model.keras"
    assert run(*files, "--model", "translator", "--target", "rgb", "--out", out) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / part}: holds a {found}; wanted a dict" in error and error.count("\n") == 1


def test_an_error_is_the_only_line_of_the_whole_process(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"segmenter": {"alpha": torch.zeros(2)}}, tmp_path / "a.pth")
    arguments = ["a.pth", "--model", "refinenet50", "--out", "b.keras"]
    code = (
        # A real start with its notes of every framework, on a model that is made quickly.
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "from cen_keras.quiet import import_keras; import_keras();"
        "import pytest; from tiny_resnets import narrow_resnets;"
        "narrow_resnets(pytest.MonkeyPatch());"
        "from cen_keras.converters.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parents[1]), *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: a.pth does not fit") and done.stderr.count("\n") == 1


def test_ctrl_c(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "convert", interrupted)
    assert run("a", "--model", "refinenet50", "--out", "b.keras") == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_help_and_bad_arguments_need_no_framework():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['tensorflow', 'keras', 'torch', 'jax']));"
        "from cen_keras.converters.__main__ import main; main(sys.argv[1:])"
    )
    for arguments, returncode in ((["--help"], 0), (["a", "--model", "vgg", "--out", "b"], 2)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True
        )
        assert done.returncode == returncode
        assert "refinenet101" in done.stdout + done.stderr
