"""Reading PyTorch files: both formats, NumPy scalars, and refusing what would execute code."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from cen_keras.converters.checkpoint_file import read_checkpoint, write_checkpoint
from cen_keras.errors import InputError


def checkpoint(torch):
    """A checkpoint as the authors' script makes it."""
    state = OrderedDict(a=torch.arange(6.0).reshape(2, 3), n=torch.tensor(3))
    return {"segmenter": state, "epoch_start": 7, "best_val": np.float64(51.125)}


class Evil:
    """Runs a command when a plain unpickler reads it."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize(
    ("new_format", "numpy"), [(True, "numpy 2"), (False, "numpy 2"), (False, "numpy 1")]
)
def test_reads_both_formats_with_a_numpy_scalar(tmp_path, new_format, numpy):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pth.tar"
    torch.save(checkpoint(torch), path, _use_new_zipfile_serialization=new_format)
    if numpy == "numpy 1":
        # It called the module so; a legacy file is a bare pickle, in which a name may be exchanged.
        data = path.read_bytes()
        assert data.count(b"numpy._core.multiarray") == 1
        path.write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    read = read_checkpoint(path)
    assert read["best_val"] == 51.125 and read["epoch_start"] == 7
    np.testing.assert_array_equal(read["segmenter"]["a"], np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_refuses_a_file_that_would_execute_code(tmp_path, how):
    torch = pytest.importorskip("torch")
    trace, path = tmp_path / "executed", tmp_path / "model.pth"
    evil = {"best_val": 3, "x": Evil(f"touch {trace}")}
    if how == "pickle":
        path.write_bytes(pickle.dumps(evil, protocol=2))
    else:
        torch.save(evil, path, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(InputError, match=r"model.pth asks to run 'posix.system'.*refused"):
        read_checkpoint(path)
    assert not trace.exists()
    # The file does what the test says: a reader that trusts it runs the command.
    torch.load(path, weights_only=False) if how != "pickle" else pickle.loads(path.read_bytes())
    assert trace.exists()


def test_refuses_a_numpy_object_scalar(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pth"
    torch.save({"best_val": np.array("text")[()]}, path)
    with pytest.raises(InputError, match="not a number"):
        read_checkpoint(path)


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_truncated_file_is_named(tmp_path, new_format, share):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pth"
    torch.save(
        {"a": torch.zeros(1000), "b": torch.ones(9)},
        path,
        _use_new_zipfile_serialization=new_format,
    )
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match="model.pth cannot be read"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n not a checkpoint", b"hello", b"PK\x03\x04"]
)
def test_other_files_are_named(tmp_path, content):
    pytest.importorskip("torch")
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match="model.pth cannot be read"):
        read_checkpoint(path)


def test_missing_empty_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "no.pth")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(InputError, match="empty.pth is empty"):
        read_checkpoint(tmp_path / "empty.pth")
    with pytest.raises(InputError, match="is a folder"):
        read_checkpoint(tmp_path)


def test_without_torch_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    (tmp_path / "model.pth").write_bytes(b"x")
    with pytest.raises(InputError, match=r"pip install 'cen-keras\[torch\]'"):
        read_checkpoint(tmp_path / "model.pth")


def test_writes_what_every_torch_reads_whole_or_not_at_all(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "new" / "model.pth.tar"
    state = {"b": np.ones((2, 3), "float32"), "a": np.zeros((), "int64")}
    write_checkpoint(path, {"segmenter": state, "epoch_start": 0})
    assert not path.read_bytes().startswith(b"PK")  # not the zip of torch >= 1.6
    read = torch.load(path, weights_only=True)
    assert list(read["segmenter"]) == ["b", "a"] and read["segmenter"]["a"].dtype == torch.int64

    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_checkpoint(path, {"bad": (n for n in range(3))})
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1
