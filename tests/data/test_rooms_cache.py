"""The cache of rendered rooms: whole files, resumable, keyed by everything that decides the pictures."""

import dataclasses
import errno

import numpy as np
import pytest

from cen_keras.data.rooms import cache as module
from cen_keras.data.rooms import spec as rooms
from cen_keras.data.rooms.views import RoomSpec, RoomViews, render_view

SPEC = RoomSpec(seed=1, size=(8, 12), sensor=True)


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """Three views to a file."""
    monkeypatch.setattr(module, "SHARD", 3)


def open_views(folder, count=8, spec=SPEC, workers=0):
    return RoomViews(spec, count, cache=folder, workers=workers)


def test_views_come_back_as_they_were_rendered(tmp_path):
    views = open_views(tmp_path)
    for index in (0, 7, 3):
        fresh = render_view(SPEC, index)
        assert list(views[index]) == list(fresh)
        for name in fresh:
            np.testing.assert_array_equal(views[index][name], fresh[name])
            assert views[index][name].dtype == fresh[name].dtype
    files = sorted(path.name for path in views.cache.folder.glob("*.npy"))
    assert files == ["00000.npy", "00001.npy", "00002.npy"]


def count_renderings(monkeypatch, fail_at=None, error=None):
    rendered = []

    def counted(spec, index):
        if index == fail_at:
            raise error
        rendered.append(index)
        return render_view(spec, index)

    monkeypatch.setattr(rooms, "render_view", counted)
    return rendered


def test_an_interrupted_filling_goes_on_where_it_stopped(tmp_path, monkeypatch):
    rendered = count_renderings(monkeypatch, fail_at=4, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        open_views(tmp_path).prepare(progress=False)
    assert rendered == [0, 1, 2, 3]
    rendered = count_renderings(monkeypatch)
    views = open_views(tmp_path)
    views.prepare(progress=False)
    # The first file was whole, the second had not been written.
    assert rendered == [3, 4, 5, 6, 7]
    assert not list(views.cache.folder.glob(".part-*"))
    rendered.clear()
    open_views(tmp_path)[7]
    assert rendered == []


@pytest.mark.parametrize("cut", [lambda content: content[:-10], lambda content: b""])
def test_a_cut_off_file_is_rendered_again(cut, tmp_path, monkeypatch):
    views = open_views(tmp_path)
    views.prepare(progress=False)
    path = views.cache.path(1)
    path.write_bytes(cut(path.read_bytes()))
    rendered = count_renderings(monkeypatch)
    again = open_views(tmp_path)
    assert again[4]["rgb"].shape == (8, 12, 3)
    assert rendered == [3, 4, 5]


def test_more_views_keep_what_is_there(tmp_path, monkeypatch):
    open_views(tmp_path, 4).prepare(progress=False)
    rendered = count_renderings(monkeypatch)
    open_views(tmp_path, 7).prepare(progress=False)
    # The second file held one view of three.
    assert rendered == [3, 4, 5, 6]
    rendered.clear()
    open_views(tmp_path, 2).prepare(progress=False)
    assert rendered == []


def test_whatever_changes_the_pictures_changes_the_key(monkeypatch):
    keys = {module.spec_key(SPEC)}
    changes = [
        {"seed": 2},
        {"split": "val"},
        {"size": (8, 13)},
        {"sensor": False},
        {"views_per_room": 3},
        {"domains": ("rgb",)},
        {"decor": "rich"},
    ]
    assert {name for change in changes for name in change} == {
        field.name for field in dataclasses.fields(RoomSpec)
    }
    for change in changes:
        keys.add(module.spec_key(dataclasses.replace(SPEC, **change)))
    monkeypatch.setattr(rooms, "RENDERER_VERSION", rooms.RENDERER_VERSION + 1)
    keys.add(module.spec_key(SPEC))
    assert len(keys) == len(changes) + 2


def test_a_full_disk_is_reported_as_such(tmp_path, monkeypatch):
    count_renderings(monkeypatch, fail_at=1, error=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError) as caught:
        open_views(tmp_path).prepare(progress=False)
    assert caught.value.errno == errno.ENOSPC


def test_processes_render_what_one_process_renders(tmp_path, monkeypatch):
    # The workers know nothing of the smaller files: let them have their own length.
    monkeypatch.setattr(module, "SHARD", 64)
    spec = dataclasses.replace(SPEC, domains=("label",))
    views = open_views(tmp_path, 66, spec, workers=2)
    seen = []
    jobs = [(0, 2), (1, 2)]
    module._fill_in_processes(views.cache, jobs, lambda: seen.append(1))
    assert len(seen) == 4
    for shard in (0, 1):
        records = np.load(views.cache.path(shard))
        assert len(records) == 2
        for offset in range(2):
            wanted = render_view(spec, 64 * shard + offset)["label"]
            np.testing.assert_array_equal(records["label"][offset], wanted)


def test_an_error_in_a_process_reaches_the_caller(tmp_path):
    views = open_views(tmp_path, workers=2)
    views.cache.folder.parent.mkdir(exist_ok=True)
    views.cache.folder.write_text("a file where the folder should be")
    with pytest.raises(OSError):
        module._fill_in_processes(views.cache, [(0, 1)], lambda: None)
