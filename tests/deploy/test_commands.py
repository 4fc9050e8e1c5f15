"""Whatever the user can mend ends in one line and exit code 2; the rest keeps its trace."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from deploy.__main__ import main
from deploy.runtime.console import Output, guarded, plain
from deploy.runtime.errors import InputError


def refused(capsys, arguments):
    """Runs a command that must refuse; gives its one line."""
    assert main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in lines if not line.startswith(("INFO:", "W0000", "I0000"))]
    assert len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


def raising(error):
    def command():
        raise error

    return command


def test_exit_codes(capsys):
    from cen_keras.errors import InputError as HostsInputError

    assert guarded(lambda: 1) == 1
    for error in (
        InputError("a: found b"),
        HostsInputError("a: found b"),
        FileNotFoundError(errno.ENOENT, "no", "a"),
        FileNotFoundError("a: is missing"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a"),
        PermissionError(errno.EACCES, "no", "a"),
    ):
        assert guarded(raising(error)) == 2
        error_line = capsys.readouterr().err
        assert error_line.startswith("error: a: ") and error_line.count("\n") == 1
    assert guarded(raising(MemoryError("1 TiB"))) == 2
    assert "not enough memory (1 TiB)" in capsys.readouterr().err
    assert guarded(raising(KeyboardInterrupt())) == 130
    # Defects of this program are not dressed up as the user's.
    for error in (ValueError("x"), KeyError("x"), OSError(errno.EIO, "x")):
        with pytest.raises(type(error)):
            guarded(raising(error))


def test_json_holds_plain_values(tmp_path, capsys):
    value = {"a": np.float32(0.5), "b": [np.nan, float("inf")], "c": np.arange(2), 1: True}
    assert plain(value) == {"a": 0.5, "b": [None, None], "c": [0, 1], "1": True}
    Output(str(tmp_path / "r.json")).result(value)
    assert json.loads((tmp_path / "r.json").read_text())["c"] == [0, 1]
    output = Output("-")
    output.say("for people")
    output.table(["a", "b"], [["x", 1]])
    output.result({"ok": 1})
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"ok": 1}
    assert "for people" in printed.err


def test_bad_artifacts(artifacts, tmp_path, capsys):
    content = artifacts["fp32"].read_bytes()
    path = tmp_path / "a.tflite"
    for command in (
        ["verify"],
        ["bench"],
        ["demo", "--source", "rooms", "--out", tmp_path, "--artifact"],
    ):
        path.unlink(missing_ok=True)
        path.with_suffix(".tflite.json").unlink(missing_ok=True)
        assert "no such artifact" in refused(capsys, [*command, path])
        path.write_bytes(content)
        assert "is not beside it" in refused(capsys, [*command, path])
        manifest = json.loads(artifacts["fp32"].with_suffix(".tflite.json").read_text())
        path.with_suffix(".tflite.json").write_text(json.dumps(dict(manifest, format_version=99)))
        assert "format version 99" in refused(capsys, [*command, path])
        path.with_suffix(".tflite.json").write_text(json.dumps(manifest))
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        path.write_bytes(flipped)
        assert "SHA-256" in refused(capsys, [*command, path])
        path.write_bytes(content[:-7])
        assert "the file was cut short" in refused(capsys, [*command, path])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tflite", "a.tflite.json"]


def test_bad_names_and_folders(tmp_path, capsys):
    assert "target 'abacus' is unknown" in refused(
        capsys, ["export", tmp_path, "--target", "abacus"]
    )
    assert "scheme 'int3' is unknown" in refused(capsys, ["export", tmp_path, "--scheme", "int3"])
    for command in ("export", "verify", "bench", "report"):
        assert "not a run folder" in refused(capsys, [command, tmp_path])


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], *(["export", "x", "--image-shape", s] for s in ("48by64", "99999x99999"))],
)
def test_bad_command_lines(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_bad_frames(artifacts, tmp_path, capsys):
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
    depth = Image.fromarray(np.full((24, 32), 2000, np.uint16))
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    command = [
        "demo",
        "--artifact",
        artifacts["int8"],
        "--source",
        f"frames:{folder}",
        "--out",
        out,
    ]
    rgb.save(folder / "x_rgb.png")
    assert "holds no depth" in refused(capsys, command)
    depth.resize((16, 15)).save(folder / "x_depth.png")
    assert "16x15 pixels, but" in refused(capsys, command)
    Image.new("L", (32, 24), 9).save(folder / "x_depth.png")
    assert "must have 16" in refused(capsys, command)
    depth.save(folder / "x_depth.png")
    assert "try --depth-scale 0.001" in refused(capsys, [*command, "--depth-scale", "1"])
    whole = (folder / "x_rgb.png").read_bytes()
    (folder / "x_rgb.png").write_bytes(whole[: len(whole) // 2])
    assert "is cut off" in refused(capsys, command)
    assert not out.exists() or list(out.iterdir()) == []


def test_a_full_disk_while_the_demo_writes(artifacts, tmp_path, capsys, monkeypatch):
    from deploy.runtime import files

    def full(path, durable):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "_settle", full)
    command = [
        "demo",
        "--artifact",
        artifacts["int8"],
        "--source",
        "rooms",
        "--out",
        tmp_path / "o",
    ]
    assert "the disk is full" in refused(capsys, [*command, "--count", "1"])
    assert list((tmp_path / "o").iterdir()) == []


def test_another_backend_is_refused_before_work_is_done(run_path):
    ran = subprocess.run(
        [sys.executable, "-m", "deploy", "export", str(run_path)],
        capture_output=True,
        text=True,
        env=dict(os.environ, KERAS_BACKEND="jax"),
        timeout=60,
    )
    assert ran.returncode == 2
    assert "KERAS_BACKEND is 'jax'" in ran.stderr and ran.stderr.count("\n") == 1


def test_a_budget_without_the_search_that_spends_it(run_path, capsys):
    command = ["export", run_path, "--scheme", "static_w8a8", "--float-budget", "0.1"]
    assert "--float-layers auto" in refused(capsys, command)
