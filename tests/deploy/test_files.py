"""Files of the board's part are whole or absent."""

import errno
import os
import subprocess

import pytest

from cen_keras.files import atomic_path as hosts_atomic_path
from deploy.runtime import files
from deploy.runtime.files import atomic_path, sha256, write_together


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("atomic", [atomic_path, hosts_atomic_path])
def test_a_folder_in_the_way_is_refused_by_its_name(tmp_path, atomic):
    with pytest.raises(IsADirectoryError) as caught, atomic(tmp_path):
        raise AssertionError("nothing is written")
    assert caught.value.filename == str(tmp_path) and not list(tmp_path.iterdir())


def test_several_files_are_written_together_or_not_at_all(tmp_path, monkeypatch):
    first, second = tmp_path / "a.bin", tmp_path / "a.json"
    first.write_bytes(b"old")
    settle, calls = files._settle, []

    def full_at_the_second(path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        settle(path)

    monkeypatch.setattr(files, "_settle", full_at_the_second)
    with pytest.raises(OSError, match="No space"):
        write_together({first: b"new", second: b"{}"})
    assert first.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_one_picture_of_many_is_not_brought_to_the_disk_at_once(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "fsync", asked.append)
    for durable in (False, True):
        with atomic_path(tmp_path / "a.png", durable) as temporary:
            temporary.write_bytes(b"x")
    assert len(asked) == 1


def test_files_get_the_usual_permissions(tmp_path):
    umask = os.umask(0o022)
    try:
        write_together({tmp_path / "a": b"x"})
    finally:
        os.umask(umask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_checksum_is_that_of_another_program(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(os.urandom(3_000_000))  # more than one block
    done = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    assert sha256(path) == done.stdout.split()[0]


def test_a_really_full_disk(tmp_path):
    """On a file system of 64 kB, where one may be mounted."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("no permission to mount a file system")
    try:
        (tmp_path / "a.tflite").write_bytes(b"old")
        with pytest.raises(OSError) as caught:
            write_together({tmp_path / "a.tflite": bytes(200_000), tmp_path / "a.json": b"{}"})
        assert caught.value.errno == errno.ENOSPC
        assert names(tmp_path) == ["a.tflite"]
        assert (tmp_path / "a.tflite").read_bytes() == b"old"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
