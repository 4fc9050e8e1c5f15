"""The page holds what was measured, stands alone, and says less where less is known."""

import csv
import hashlib
import json
import shutil

import pytest
from html_pages import Page

from cen_keras.errors import InputError
from deploy.__main__ import main
from deploy.report import build
from deploy.report.data import CONTENDERS, gather
from deploy.report.page import _rows, _to_show
from deploy.run_folder import open_run


def result(drop, agreement, sha=None):
    scores = {"miou": 0.5, "per_class": {"Bed": 0.25, "Books": None}}
    candidate = dict(scores, miou=0.5 - drop / 100)
    outputs = {
        name: {
            "reference": scores,
            "candidate": candidate,
            "drop_points": drop,
            "pixel_agreement": agreement,
            "relative_error": 1e-3,
        }
        for name in ("rgb", "depth", "ensemble")
    }
    return {
        "outputs": outputs,
        "worst_drop": drop,
        "count": 9,
        "split": "val",
        "relative_error": 3e-6,
        "sha256": sha,
    }


@pytest.fixture
def full_run(run_path, artifacts, tmp_path):
    """A run folder with all that the report can show, in numbers that are easy to find again."""
    run = tmp_path / "run <b>"
    (run / "tflite").mkdir(parents=True)
    (run / "bench").mkdir()
    shutil.copy(run_path / "data.json", run)
    (run / "best.keras").write_bytes(b"a model")
    model = hashlib.sha256(b"a model").hexdigest()
    for name, stem in (("fp32", "fp32"), ("int8", "static_w8a8")):
        for suffix in (".tflite", ".tflite.json"):
            shutil.copy(artifacts[name].with_suffix(suffix), run / "tflite" / (stem + suffix))
        sha = json.loads((run / "tflite" / f"{stem}.tflite.json").read_text())["file"]["sha256"]
        verified = result(0.0 if name == "fp32" else 0.75, 0.9871, sha)
        (run / "tflite" / f"{stem}.tflite.verify.json").write_text(json.dumps(verified))
        phases = {p: {"p50": 1.25, "p95": 2} for p in ("pre", "infer", "post", "total")}
        timed = {"sha256": sha, "times": phases}
        (run / "tflite" / f"{stem}.tflite.bench.json").write_text(json.dumps(timed))
    (run / "frozen.verify.json").write_text(json.dumps(result(0.0, 1.0, model)))
    times = dict(zip(CONTENDERS, (20, 18, 16, 8), strict=True))
    latency = {
        "sha256": model,
        "threads": 2,
        "rounds": 50,
        "artifacts": {
            name: {
                "infer": {"p50": ms, "p95": ms + 1},
                "row": {"bytes": 1_230_000, "input": "192x256"},
            }
            for name, ms in times.items()
        },
    }
    (run / "bench" / "latency.json").write_text(json.dumps(latency))
    per_class = {"Bed": {"iou": 0.25}, "Books": {"iou": None}}
    streams = {n: {"miou": 0.5, "per_class": per_class} for n in ("rgb", "depth", "ensemble")}
    scores = {
        "streams": streams,
        "exchange": {"share_of_penalised": 0.42, "layers_exchanging": 7},
        "classes": ["Bed", "Books"],
        "confusion": [[3, 1], [0, 0]],
    }
    (run / "scores.json").write_text(json.dumps(scores))
    with open(run / "log.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", "loss", "rgb_miou", "depth_miou", "ensemble_miou"])
        rows.writerows([[0, 2.0, 0.1, 0.2, 0.3], [1, 1.0, "", "", ""], [2, 0.5, 0.3, 0.4, 0.5]])
    with open(run / "exchange.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", "layer", "modality", "share"])
        rows.writerows([[e, "norm1", m, e / 3] for e in range(3) for m in ("rgb", "depth")])
    layers = [{"name": f"layer{n}", "kind": "ADD", "share": 0.3 / n} for n in range(1, 20)]
    ranking = {"sha256": model, "noise": 0.1, "sqnr_db": 17.25, "layers": layers}
    (run / "sensitivity.json").write_text(json.dumps(ranking))
    control = tmp_path / "rgb_only"
    control.mkdir()
    streams = {"rgb": {"miou": 0.31}, "ensemble": {"miou": 0.31}}
    (control / "scores.json").write_text(json.dumps({"streams": streams}))
    return run, control


def test_the_page_holds_the_numbers_and_stands_alone(full_run, tmp_path, capsys):
    run, control = full_run
    out = tmp_path / "page.html"
    arguments = ["report", str(run), "--out", str(out), "--control", f"rgb_only={control}"]
    assert main([*arguments, "--pictures", "2", "--json", str(tmp_path / "r.json")]) == 0
    page = Page(out.read_text())
    words = " ".join(" ".join(page.words).split())
    for wanted in (
        "50.00", "49.25", "-0.75", "98.71 %", "31.00", "42 %", "in 7 layers", "3.0e-06",
        "× 0.50", "0.90", "1.25 + 1.25 + 1.25", "192x256", "run <b>", "17.2 dB",
    ):  # fmt: skip
        assert wanted in words, wanted
    # Each inside the file; nothing is fetched.
    assert [figure.split()[0] for figure in page.figures] == [
        "Latency", "Noise", "Loss", "Share", "IoU", "Confusion",
    ]  # fmt: skip
    assert len(page.images) == 1
    assert all(source.startswith("data:image/") for source in page.images)
    assert page.links == [] and page.open == []
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert [row["name"] for row in rows] == [
        "float (Keras)",
        "frozen (Keras)",
        "fp32.tflite",
        "static_w8a8.tflite",
    ]


def test_two_targets_of_one_scheme_are_told_apart(full_run):
    run, _ = full_run
    found = gather(open_run(run), {})
    other = [
        {**item, "path": run / "onnx" / (item["path"].stem + ".onnx")}
        for item in found["artifacts"]
    ]
    found["artifacts"] += other
    names = [row["name"] for row in _rows(found, ["rgb"])]
    assert names[2:] == ["fp32.tflite", "static_w8a8.tflite", "fp32.onnx", "static_w8a8.onnx"]
    assert list(_to_show(found["artifacts"])) == ["fp32.tflite", "static_w8a8.tflite"]
    assert list(_to_show(other)) == ["fp32.onnx", "static_w8a8.onnx"]


def test_the_worst_and_best_views_are_those_of_the_scores(run_path, tmp_path):
    shutil.copytree(run_path, tmp_path / "run", ignore=shutil.ignore_patterns("tflite"))
    shares = {"views": [0.5, None, 0.25, 0.75], "split": "val", "streams": {}}
    (tmp_path / "run" / "scores.json").write_text(json.dumps(shares))
    build(open_run(tmp_path / "run"), tmp_path / "page.html", pictures=2)
    page = Page((tmp_path / "page.html").read_text())
    titles = [word for word in page.words if word.startswith(("worst 1", "best 1"))]
    assert titles == [
        "worst 1: view 2, 25.0 % of its pixels right",
        "best 1: view 3, 75.0 % of its pixels right",
    ]
    # Both inputs, truth, prediction and what is wrong, of either view.
    assert len(page.images) == 2 * 5
    # Of scores of other views nothing is shown.
    (tmp_path / "run" / "scores.json").write_text(json.dumps({**shares, "views": [0.5]}))
    build(open_run(tmp_path / "run"), tmp_path / "page.html")
    assert Page((tmp_path / "page.html").read_text()).images == []


def test_results_of_another_file_are_not_shown(full_run):
    run, _ = full_run
    for name in ("verify", "bench"):
        path = run / "tflite" / f"static_w8a8.tflite.{name}.json"
        value = json.loads(path.read_text())
        path.write_text(json.dumps(dict(value, sha256="of an older export")))
    found = {item["path"].stem: item for item in gather(open_run(run), {})["artifacts"]}
    assert found["static_w8a8"]["verified"] is None and found["static_w8a8"]["timed"] is None
    assert found["fp32"]["verified"] is not None


def test_results_of_an_earlier_model_are_left_out_and_named(full_run, tmp_path, capsys):
    run, _ = full_run
    (run / "best.keras").write_bytes(b"trained on")
    found = gather(open_run(run), {})
    assert found["frozen"] is found["latency"] is found["sensitivity"] is None
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0
    said = capsys.readouterr().out
    for name in ("frozen.verify.json", "latency.json", "sensitivity.json"):
        assert f"left out: {name}: of another model" in said


def test_scores_of_fewer_views_do_not_stand_beside_those_of_all(full_run):
    run, _ = full_run
    path = run / "tflite" / "static_w8a8.tflite.verify.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "count": 5}))
    found = gather(open_run(run), {})
    assert [item["verified"] is None for item in found["artifacts"]] == [False, True]
    assert found["left_out"] == [
        "static_w8a8.tflite: verified on 5 views of val, others on 9 of val"
    ]
    assert found["frozen"]["count"] == 9


def test_a_bare_run_gives_a_page_too(run_path, tmp_path):
    (tmp_path / "data.json").write_text((run_path / "data.json").read_text())
    build(open_run(tmp_path), tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text())
    assert page.images == page.figures == []
    assert "Nothing has been exported yet" in " ".join(page.words)


def test_what_it_refuses(full_run, tmp_path, capsys):
    run, _ = full_run
    with pytest.raises(InputError, match="no scores.json; train this control first"):
        build(open_run(run), tmp_path / "page.html", controls={"a": tmp_path})
    assert main(["report", str(run), "--control", "nothing"]) == 2
    assert "wanted NAME=RUN" in capsys.readouterr().err
    (run / "scores.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        build(open_run(run), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_note_does_not_hide_an_artifact_but_an_export_as_trained_is_for_comparison(
    full_run, as_trained, tmp_path, capsys
):
    run, _ = full_run
    noted = run / "tflite" / "fp32.tflite.json"
    manifest = json.loads(noted.read_text())
    noted.write_text(json.dumps({**manifest, "note": "one layer in float32"}))
    for suffix in (".tflite", ".tflite.json"):
        shutil.copy(as_trained.with_suffix(suffix), run / "tflite" / ("as_trained" + suffix))
    rows_file = tmp_path / "rows.json"
    arguments = ["report", str(run), "--out", str(tmp_path / "p.html"), "--pictures", "1"]
    assert main([*arguments, "--json", str(rows_file)]) == 0
    shown = Page((tmp_path / "p.html").read_text()).words
    assert any("fp32.tflite" in word for word in shown)
    assert not any("as_trained.tflite" in word for word in shown)
    assert {row["name"] for row in json.loads(rows_file.read_text())["rows"]} >= {"fp32.tflite"}
