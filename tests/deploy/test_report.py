"""The page holds what was measured, stands alone, and says less where less is known."""

import csv
import html.parser
import json
import shutil

import pytest

from cen_keras.errors import InputError
from deploy.__main__ import main
from deploy.report import build
from deploy.report.data import CONTENDERS, gather
from deploy.run_folder import open_run


class Page(html.parser.HTMLParser):
    """Text, sources of images, links, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.words, self.images, self.links, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "img":
            self.images.append(values["src"])
        self.links += [v for k, v in attributes if k in ("href", "src") and tag != "img"]
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


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
    for name, stem in (("fp32", "fp32"), ("int8", "static_w8a8")):
        for suffix in (".tflite", ".tflite.json"):
            shutil.copy(artifacts[name].with_suffix(suffix), run / "tflite" / (stem + suffix))
        sha = json.loads((run / "tflite" / f"{stem}.tflite.json").read_text())["file"]["sha256"]
        verified = result(0.0 if name == "fp32" else 0.75, 0.9871, sha)
        (run / "tflite" / f"{stem}.tflite.verify.json").write_text(json.dumps(verified))
        phases = {p: {"p50": 1.25, "p95": 2} for p in ("pre", "infer", "post", "total")}
        timed = {"sha256": sha, "times": phases}
        (run / "tflite" / f"{stem}.tflite.bench.json").write_text(json.dumps(timed))
    (run / "frozen.verify.json").write_text(json.dumps(result(0.0, 1.0)))
    times = dict(zip(CONTENDERS, (20, 18, 16, 8), strict=True))
    latency = {
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
    streams = {name: {"miou": 0.5} for name in ("rgb", "depth", "ensemble")}
    exchange = {"share_of_penalised": 0.42, "layers_exchanging": 7}
    (run / "scores.json").write_text(json.dumps({"streams": streams, "exchange": exchange}))
    with open(run / "log.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", "loss", "rgb_miou", "depth_miou", "ensemble_miou"])
        rows.writerows([[0, 2.0, 0.1, 0.2, 0.3], [1, 1.0, "", "", ""], [2, 0.5, 0.3, 0.4, 0.5]])
    with open(run / "exchange.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", "layer", "modality", "share"])
        rows.writerows([[e, "norm1", m, e / 3] for e in range(3) for m in ("rgb", "depth")])
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
        "× 0.50", "0.90", "1.25 + 1.25 + 1.25", "192x256", "run <b>",
    ):  # fmt: skip
        assert wanted in words, wanted
    # Curves, rates, bars and views, each inside the file; nothing is fetched.
    assert len(page.images) == 4
    assert all(source.startswith("data:image/") for source in page.images)
    assert page.links == [] and page.open == []
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert [row["name"] for row in rows] == [
        "float (Keras)",
        "frozen (Keras)",
        "fp32",
        "static_w8a8",
    ]


def test_results_of_another_file_are_not_shown(full_run):
    run, _ = full_run
    for name in ("verify", "bench"):
        path = run / "tflite" / f"static_w8a8.tflite.{name}.json"
        value = json.loads(path.read_text())
        path.write_text(json.dumps(dict(value, sha256="of an older export")))
    found = {item["path"].stem: item for item in gather(open_run(run), {})["artifacts"]}
    assert found["static_w8a8"]["verified"] is None and found["static_w8a8"]["timed"] is None
    assert found["fp32"]["verified"] is not None


def test_a_bare_run_gives_a_page_too(run_path, tmp_path):
    (tmp_path / "data.json").write_text((run_path / "data.json").read_text())
    build(open_run(tmp_path), tmp_path / "page.html")
    assert Page((tmp_path / "page.html").read_text()).images == []


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
    told = tmp_path / "rows.json"
    arguments = ["report", str(run), "--out", str(tmp_path / "p.html"), "--pictures", "1"]
    assert main([*arguments, "--json", str(told)]) == 0
    shown = Page((tmp_path / "p.html").read_text()).words
    assert any("fp32.tflite" in word or word == "fp32" for word in shown)
    assert not any("as_trained.tflite" in word for word in shown)
    assert {row["name"] for row in json.loads(told.read_text())["rows"]} >= {"fp32"}
