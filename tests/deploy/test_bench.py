"""bench interleaves, counts what it says, and leaves rows that can be read again."""

import csv
import json
import shutil
import types

import numpy as np
import pytest
from PIL import Image

from deploy import bench
from deploy.__main__ import main
from deploy.commands.bench import _view
from deploy.runtime.errors import InputError
from deploy.runtime.runner import PHASES


class Slow:
    """Stands in for one artifact; what it was asked for goes into a common list."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def once(self):
        self.calls.append(self.name)
        return (0.001, 0.010 if self.name == "a" else 0.020, 0.002)


def test_rounds_run_every_artifact_once_in_turning_order(monkeypatch):
    calls = []
    monkeypatch.setattr(bench, "_Timed", lambda name, *_: Slow(name, calls))
    times = bench.measure({"a": "a", "b": "b", "c": "c"}, rounds=4, warm_up=1)
    assert [calls[i : i + 3] for i in range(0, 15, 3)] == [
        ["a", "b", "c"],  # warming up
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert times["a"]["infer"]["p50"] == pytest.approx(10)
    assert times["b"]["infer"]["p50"] == pytest.approx(20)
    assert times["b"]["total"]["p50"] == pytest.approx(23)


def test_percentiles():
    times = np.array([[0.0, ms, 0.0] for ms in range(101)])
    found = bench._statistics(times)["infer"]
    assert (found["p50"], found["p95"], found["min"], found["mean"]) == (50, 95, 0, 50)


def test_rows_are_appended_and_new_columns_join(tmp_path):
    path = tmp_path / "bench.csv"
    bench.append_rows(path, [{"a": 1, "b": 2}])
    bench.append_rows(path, [{"a": 3, "c": "x, y"}])
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"a": "1", "b": "2", "c": ""}, {"a": "3", "b": "", "c": "x, y"}]


@pytest.mark.parametrize(
    "text", [b"a line, of words\n", b"a,b\n1,2,3\n", "a,b\n1,ü\n".encode("latin-1")]
)
def test_rows_are_not_appended_to_another_file(tmp_path, text):
    path = tmp_path / "notes.csv"
    path.write_bytes(text)
    with pytest.raises(InputError, match="notes.csv: is no table"):
        bench.append_rows(path, [{"a": 1, "b": 2}])
    assert path.read_bytes() == text


def test_the_command_compares_two_artifacts(artifacts, tmp_path, capsys):
    table, result = tmp_path / "rows.csv", tmp_path / "r.json"
    arguments = ["bench", str(artifacts["int8"]), "--compare", str(artifacts["fp32"])]
    arguments += ["--rounds", "3", "--warm-up", "0", "--frame", "60x80", "--csv", str(table)]
    assert main([*arguments, "--json", str(result), "--threads", "1"]) == 0
    assert "infer ratio" in capsys.readouterr().out
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["scheme"] for row in rows] == ["static_w8a8", "fp32"]
    assert {"processor", "engine", "infer_p50_ms", "pre_p95_ms", "sha256"} <= set(rows[0])
    times = json.loads(result.read_text())["artifacts"]
    first, second = times.values()
    wanted = second["infer"]["p50"] / first["infer"]["p50"]
    assert float(rows[1]["ratio"]) == pytest.approx(wanted, abs=1e-3)  # rounded to 4 digits
    assert all(item[phase]["p50"] > 0 for item in times.values() for phase in PHASES)
    assert json.loads(artifacts["fp32"].with_suffix(".tflite.bench.json").read_text())["sha256"]


def test_a_model_folder_that_is_read_only_does_not_cost_the_measurement(
    artifacts, tmp_path, capsys
):
    for suffix in (".tflite", ".tflite.json"):
        shutil.copy(artifacts["int8"].with_suffix(suffix), tmp_path)
    artifact = tmp_path / artifacts["int8"].name
    # A folder in the way, since root may write into read-only ones.
    artifact.with_suffix(".tflite.bench.json").mkdir()
    table, result = tmp_path / "rows.csv", tmp_path / "r.json"
    arguments = ["bench", str(artifact), "--rounds", "1", "--warm-up", "0", "--csv", str(table)]
    assert main([*arguments, "--json", str(result)]) == 0
    assert table.is_file() and json.loads(result.read_text())["rounds"] == 1
    assert "warning: not kept for the report" in capsys.readouterr().out


def test_the_drawn_view_has_areas_and_edges():
    view = bench.drawn_view((60, 80))
    assert view["rgb"].dtype == np.uint8 and view["rgb"].shape == (60, 80, 3)
    assert view["depth"].dtype == np.float32 and 1.5 < np.median(view["depth"]) < 4
    edges = np.abs(np.diff(view["depth"], axis=1)) > 0.2
    # The sides of three boxes: some columns, never many.
    assert 0.005 < edges.mean() < 0.1


def test_a_view_is_shown_at_the_camera_s_size(artifacts):
    from deploy.runtime.runner import open_runner

    runner = open_runner(artifacts["int8"])
    view = {"rgb": np.full((30, 40, 3), 7, np.uint8), "depth": np.full((30, 40), 2, np.float32)}
    frame = bench._frame(runner, (60, 80), view)
    assert frame.images["rgb"].shape == (60, 80, 3) and frame.images["depth"].shape == (60, 80)
    assert set(np.unique(frame.images["rgb"])) == {7}
    only = bench._frame(runner, (60, 80), {"rgb": view["rgb"]})
    assert only.images["depth"].shape == (60, 80) and only.images["depth"].dtype == np.float32


def test_the_view_that_is_timed_has_all_that_the_artifact_takes(tmp_path):
    """A folder's spec need not say its modalities; the artifact does."""
    names = ("rgb", "depth", "thermal")
    kinds = (((8, 8, 3), np.uint8), ((8, 8), np.uint16), ((8, 8), np.uint8), ((8, 8), np.uint8))
    for name, (shape, kind) in zip((*names, "label"), kinds, strict=True):
        (tmp_path / name).mkdir()
        pixels = np.full(shape, 1500 if kind is np.uint16 else 0, kind)
        pixels[:4] += 1
        Image.fromarray(pixels).save(tmp_path / name / "a.png")
    spec = {"name": "frames", "root": str(tmp_path), "classes": ["a", "b"]}
    manifest = types.SimpleNamespace(dataset=spec, task="segmentation", inputs=dict.fromkeys(names))
    assert set(_view(manifest)) == set(names)
    manifest.inputs["events"] = None
    assert _view(manifest) is None
