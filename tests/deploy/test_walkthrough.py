"""The walk takes every step once, goes on where it stopped, and sums up what was measured."""

import json

import pytest

from deploy import summary, walkthrough
from deploy.__main__ import main
from deploy.walkthrough import Places, Step, Walkthrough, plan


class Commands:
    """Stands in for the processes: writes the outputs of the step that is run."""

    def __init__(self, steps, monkeypatch):
        self.ran, self.codes = [], {}
        self._outputs = {step.command: step.outputs for step in steps}
        monkeypatch.setattr(walkthrough, "_execute", self)

    def __call__(self, command):
        self.ran.append(command[0])
        for path in self._outputs[command]:
            path.write_text("made by " + command[0])
        return self.codes.get(command[0], 0)


@pytest.fixture
def steps(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    return [
        Step("first", ("one",), (), (a,)),
        Step("second", ("two",), (a,), (b,)),
        Step("third", ("three",), (b,), (c,)),
    ]


def test_finished_steps_are_kept_and_changed_ones_taken_again(tmp_path, steps, monkeypatch):
    commands = Commands(steps, monkeypatch)
    assert Walkthrough(tmp_path, lambda _: None).run(steps) == 0
    assert commands.ran == ["one", "two", "three"]
    walk = Walkthrough(tmp_path, lambda _: None)
    assert walk.run(steps) == 0
    assert commands.ran == ["one", "two", "three"]
    assert set(walk.seconds()) == {"first", "second", "third"}
    (tmp_path / "a").write_text("changed by hand")
    # The first step's output is not what it left, so it runs; what it leaves is as before, so the
    # others stay.
    Walkthrough(tmp_path, lambda _: None).run(steps)
    assert commands.ran[3:] == ["one"]
    (tmp_path / "b").unlink()
    Walkthrough(tmp_path, lambda _: None).run(steps)
    assert commands.ran[4:] == ["two"]
    other = [Step("first", ("one", "--more"), (), (tmp_path / "a",)), *steps[1:]]
    Commands(other, monkeypatch)
    lines = []
    Walkthrough(tmp_path, lines.append).run(other)
    assert "--more" in lines[0] and "kept" in lines[-1]


@pytest.mark.parametrize("code", [2, 130])
def test_a_step_that_ends_badly_ends_the_walk(tmp_path, steps, monkeypatch, code):
    commands = Commands(steps, monkeypatch)
    commands.codes["two"] = code
    assert Walkthrough(tmp_path, lambda _: None).run(steps) == code
    assert commands.ran == ["one", "two"]
    commands.codes.clear()
    assert Walkthrough(tmp_path, lambda _: None).run(steps) == 0
    assert commands.ran[2:] == ["two", "three"]


def test_a_failed_check_is_reported_at_the_end_and_tried_again(tmp_path, steps, monkeypatch):
    commands = Commands(steps, monkeypatch)
    commands.codes["two"] = 1
    assert Walkthrough(tmp_path, lambda _: None).run(steps) == 1
    assert commands.ran == ["one", "two", "three"]
    assert Walkthrough(tmp_path, lambda _: None).run(steps) == 1
    assert commands.ran[3:] == ["two"]


def test_a_step_that_leaves_nothing_has_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(walkthrough, "_execute", lambda command: 0)
    lines = []
    steps = [Step("first", ("one",), (), (tmp_path / "a",))]
    assert Walkthrough(tmp_path, lines.append).run(steps) == 1
    assert "did not leave" in lines[-1]


def test_real_processes_and_their_exit_codes(capfd):
    assert walkthrough._execute(("deploy", "export", "no_such_run")) == 2
    assert "not a run folder" in capfd.readouterr().err


def test_every_command_of_the_plan_is_one(tmp_path):
    """Each step's arguments are accepted by the parser of the command that it names."""
    import argparse
    import importlib

    from recipes.train import make_parser

    steps = plan(Places(tmp_path / "out"), "rooms_tiny", ("epochs=1",), threads=1)
    made = set()
    for step in steps:
        program, *arguments = step.command
        if program == "recipes.train":
            options = make_parser().parse_args(arguments)
            assert options.set == ["epochs=1"]
        else:
            parser = argparse.ArgumentParser()
            command = importlib.import_module(f"deploy.commands.{arguments[0]}")
            command.add_arguments(parser)
            parser.parse_args(arguments[1:])
        # What a step reads was left by an earlier one.
        assert set(step.inputs) <= made, step.name
        made |= set(step.outputs)
    assert Places(tmp_path / "out").report in made
    assert len({step.name for step in steps}) == len(steps)


def miou(points):
    return {
        name: {"reference": {"miou": 0.6}, "candidate": {"miou": points / 100}}
        for name in ("rgb", "ensemble")
    }


@pytest.fixture
def walked(artifacts, tmp_path):
    """What a walk leaves, with numbers of our own."""
    import shutil

    places = Places(tmp_path)
    (places.run / "bench").mkdir(parents=True)
    for name in ("fp32", "int8"):
        places.artifact(name).parent.mkdir(exist_ok=True)
        for suffix in (".tflite", ".tflite.json"):
            shutil.copy(
                artifacts[name].with_suffix(suffix), places.artifact(name).with_suffix(suffix)
            )
        outputs = {"outputs": miou(60 if name == "fp32" else 59.5)}
        places.artifact(name).with_suffix(".tflite.verify.json").write_text(json.dumps(outputs))
    frozen = {"outputs": miou(60), "relative_error": 2e-6, "count": 200}
    (places.run / "frozen.verify.json").write_text(json.dumps(frozen))
    (places.run / "best.keras").write_bytes(bytes(1000))
    exchange = {"share_of_penalised": 0.3, "layers_exchanging": 5, "layers": {}}
    (places.run / "scores.json").write_text(json.dumps({"exchange": exchange}))
    times = dict(zip(summary.CONTENDERS, (20, 18, 16, 8), strict=True))
    items = {
        n: {"infer": {"p50": ms}, "row": {"bytes": 7, "input": "96x128"}} for n, ms in times.items()
    }
    places.latency.write_text(json.dumps({"artifacts": items, "threads": 1}))
    for name, points in (("rgb_only", 0.4), ("depth_only", 0.5)):
        places.control(name).mkdir()
        scores = {"streams": {"ensemble": {"miou": points}}}
        (places.control(name) / "scores.json").write_text(json.dumps(scores))
    return places


def test_the_summary(walked):
    found = summary.summarise(walked, {"train": 100.0, "report": 20.0})
    assert found["miou"]["float"]["ensemble"] == pytest.approx(60)
    assert found["miou"]["int8"]["rgb"] == pytest.approx(59.5)
    assert found["miou"]["control"] == pytest.approx({"rgb_only": 40, "depth_only": 50})
    assert found["exchange"] == {"share_of_penalised": 0.3, "layers_exchanging": 5}
    assert found["freeze"] == {"relative_error": 2e-6}
    assert found["latency_ms"]["frozen_int8"] == 8
    assert found["bytes"]["keras"] == 1000 and found["bytes"]["fp32"] > found["bytes"]["int8"]
    assert found["seconds"] == {"train": 100.0, "report": 20.0, "total": 120.0}
    assert found["artifact"]["int8"].endswith("static_w8a8.tflite")
    held = summary.checks(found)
    assert len(held) == 9 and all(check.passed for check in held)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda s: s["exchange"].update(share_of_penalised=0.09), "share of the penalised"),
        (lambda s: s["exchange"].update(layers_exchanging=1), "layers exchanging"),
        (lambda s: s["miou"]["float"].update(rgb=60.6), "ensemble below the better"),
        (lambda s: s["miou"]["control"].update(rgb_only=55.1), "ensemble above rgb only"),
        (lambda s: s["freeze"].update(relative_error=2e-5), "frozen logits"),
        (lambda s: s["freeze"].update(relative_error=float("nan")), "frozen logits"),
        (lambda s: s["miou"]["int8"].update(ensemble=58.9), "int8 below float"),
        (lambda s: s["latency_ms"].update(frozen_int8=15), "int8 latency"),
    ],
)
def test_each_check_can_fail(walked, change, name):
    found = summary.summarise(walked, {})
    change(found)
    missed = [check.name for check in summary.checks(found) if not check.passed]
    assert any(name in one for one in missed)


def test_the_command_ends_in_a_summary(walked, monkeypatch, capsys):
    monkeypatch.setattr(Walkthrough, "run", lambda self, steps: 0)
    assert main(["walkthrough", "--out", str(walked.root)]) == 0
    printed = capsys.readouterr().out
    assert "mIoU in points on 200 held-out views" in printed and "MISSED" not in printed
    assert json.loads((walked.root / "summary.json").read_text())["miou"]["float"]
    scores = {"exchange": {"share_of_penalised": 0.0, "layers_exchanging": 0}}
    (walked.run / "scores.json").write_text(json.dumps(scores))
    assert main(["walkthrough", "--out", str(walked.root)]) == 1
    assert main(["walkthrough", "--out", str(walked.root), "--no-checks"]) == 0
    walked.latency.unlink()
    assert main(["walkthrough", "--out", str(walked.root)]) == 2
    assert "latency.json: missing" in capsys.readouterr().err
