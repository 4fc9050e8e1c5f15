"""The table of step times: its columns and its order of steps, with processes that only count."""

import csv
import subprocess
import sys

import pytest

from recipes import step_time

COUNTS = """
import json, sys
tell = lambda value: (sys.stdout.write(json.dumps(value) + "\\n"), sys.stdout.flush())
tell("ready")
for number, _ in enumerate(sys.stdin):
    tell({"wall": 10.0 - number, "cpu": SPEED * (1 + number)})
"""


@pytest.fixture
def counting(monkeypatch):
    """Puts processes in the place of the nets: their steps take a second more each time, half with oneDNN."""
    begun, popen = [], subprocess.Popen

    def start(command, env, **options):
        begun.append((command[command.index("--child") + 1], env["TF_ENABLE_ONEDNN_OPTS"]))
        speed = "0.5" if env["TF_ENABLE_ONEDNN_OPTS"] == "1" else "1"
        return popen([sys.executable, "-c", COUNTS.replace("SPEED", speed)], env=env, **options)

    monkeypatch.setattr(step_time.subprocess, "Popen", start)
    monkeypatch.setattr(step_time, "hardware", lambda: "a machine")
    return begun


def test_a_row_for_each_variant(counting, tmp_path, capsys):
    table = tmp_path / "table.csv"
    assert step_time.main(["nyudv2_lite0", "--steps", "3", "--csv", str(table)]) == 0
    with open(table, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows] == ["plain", "fused_norm", "onednn", "both"]
    assert counting == [("0", "0"), ("1", "0"), ("0", "1"), ("1", "1")]
    # The median of 1, 2, 3 seconds and the least of 10, 9, 8.
    assert [float(row["cpu_s"]) for row in rows] == [2, 2, 1, 1]
    assert {float(row["wall_s"]) for row in rows} == {8}
    assert "0.50 of plain" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ValueError('no such kernel')", "ValueError: no such kernel"),
        (
            "import os, sys; print('greeting', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)",
            "it may have run out of memory",
        ),
    ],
)
def test_a_process_that_dies_is_named(code, why, monkeypatch, tmp_path, capsys):
    popen = subprocess.Popen
    monkeypatch.setattr(
        step_time.subprocess,
        "Popen",
        lambda command, **options: popen([sys.executable, "-c", code], **options),
    )
    table = tmp_path / "table.csv"
    assert step_time.main(["nyudv2_lite0", "--csv", str(table)]) == 2
    error = capsys.readouterr().err
    assert f"'plain' ended without a time: {why}" in error
    assert not table.exists()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [(["rooms_translation_tiny"], "translation"), (["nyudv2_lite0", "--steps", "0"], "0")],
)
def test_what_cannot_be_timed_is_refused(arguments, found, capsys):
    assert step_time.main(arguments) == 2
    error = capsys.readouterr().err
    assert "--steps of at least 1" in error and found in error
