"""Files of PyTorch read without torch: both formats, views, and all that is refused."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from cen_keras.converters.tensor_file import _MAGIC, _PROTOCOL, read_tensors
from cen_keras.errors import InputError


class Global:
    """Pickles as the name of something in a module that is not there."""

    def __init__(self, name):
        self.name = name


class Tensor:
    """Pickles as torch pickles a tensor."""

    def __init__(self, storage, offset, shape, strides):
        self.args = (storage, offset, shape, strides, False, OrderedDict())


class Storage:
    def __init__(self, kind, key, count):
        self.pid = ("storage", Global(f"torch {kind}"), key, "cpu", count)


class Writer(pickle._Pickler):
    """Writes protocol 2, as torch does."""

    def persistent_id(self, value):
        return value.pid if isinstance(value, Storage) else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Global):
            return self.write(b"c" + value.name.replace(" ", "\n").encode() + b"\n")
        if isinstance(value, Tensor):
            return self.save_reduce(Global("torch._utils _rebuild_tensor_v2"), value.args)
        return super().save(value, save_persistent_id)

    def save_reduce(self, func, args, *rest, **named):
        self.save(func)
        self.save(args)
        self.write(pickle.REDUCE)


def pickled(value):
    file = io.BytesIO()
    Writer(file, 2).dump(value)
    return file.getvalue()


NUMBERS = np.arange(12, dtype="<f4")


def tensors(count=12):
    storage = Storage("FloatStorage", "0", count)
    return {"whole": Tensor(storage, 0, (3, 4), (4, 1)), "view": Tensor(storage, 1, (2, 3), (1, 4))}


def stream(path, value, numbers=NUMBERS):
    parts = [pickle.dumps(v, 2) for v in (_MAGIC, _PROTOCOL, {"little_endian": True})]
    parts += [pickled(value), pickle.dumps(["0"], 2)]
    parts += [numbers.size.to_bytes(8, "little"), numbers.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


def zipped(path, value, numbers=NUMBERS):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(value))
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", numbers.tobytes())
    return path


@pytest.mark.parametrize("write", [stream, zipped])
def test_tensors_and_views_of_one_storage(tmp_path, write):
    found = read_tensors(write(tmp_path / "a.pth", {"state": tensors(), "epoch": 3}))
    assert found["epoch"] == 3
    np.testing.assert_array_equal(found["state"]["whole"], NUMBERS.reshape(3, 4))
    # Element (i, j) lies at 1 + i + 4 j.
    np.testing.assert_array_equal(found["state"]["view"], [[1, 5, 9], [2, 6, 10]])


@pytest.mark.parametrize("old", [True, False])
def test_what_torch_writes(tmp_path, old):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    value = {
        "a": torch.arange(6, dtype=torch.int64).reshape(2, 3).T,
        "b": torch.tensor(1.5, dtype=torch.float16),
        "c": torch.nn.Parameter(torch.ones(2)),
        "d": torch.zeros(0, 3),
    }
    torch.save(value, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    found = read_tensors(tmp_path / "a.pth")
    assert list(found) == list(value)
    for name, tensor in value.items():
        np.testing.assert_array_equal(found[name], tensor.detach().numpy())
        assert found[name].dtype == tensor.detach().numpy().dtype


@pytest.mark.parametrize("write", [stream, zipped])
def test_a_call_is_refused_and_not_made(tmp_path, write):
    class Call:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    asked = pickle.dumps(Call(), 2)
    path = write(tmp_path / "a.pth", tensors())
    if write is stream:
        path.write_bytes(path.read_bytes().replace(pickled(tensors()), asked))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", asked)
    with pytest.raises(InputError, match=r"asks to run '(posix|nt)\.mkdir'"):
        read_tensors(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("write", [stream, zipped])
def test_a_view_beyond_its_storage_is_refused(tmp_path, write):
    value = {"a": Tensor(Storage("FloatStorage", "0", 12), 8, (5,), (1,))}
    with pytest.raises(InputError, match="reaches beyond its storage"):
        read_tensors(write(tmp_path / "a.pth", value))
    value = {"a": Tensor(Storage("FloatStorage", "0", 12), 8, (3,), (-1,))}
    with pytest.raises(InputError, match="negative"):
        read_tensors(write(tmp_path / "a.pth", value))


def test_broken_files_are_named(tmp_path):
    path = stream(tmp_path / "a.pth", tensors())
    whole = path.read_bytes()
    for length in (3, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot be read as a PyTorch file"):
            read_tensors(path)
    with pytest.raises(InputError, match="is a folder"):
        read_tensors(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "none.pth")
    with pytest.raises(InputError, match="truncated"):
        read_tensors(zipped(path, tensors(), NUMBERS[:5]))
