"""The runner, with processes that only pretend to train."""

import json
import os
import signal
import sys
import time

import pytest

from recipes.evidence.experiments import cells
from recipes.evidence.experiments.cells import Cell
from recipes.evidence.run import runner
from recipes.evidence.run.cell import features_folder
from recipes.evidence.run.runner import Job, jobs_of, run

# Arguments: folder, behaviour. Notes when it starts and ends.
FAKE = """
import json, os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
folder, behaviour = pathlib.Path(sys.argv[1]), sys.argv[2]
log = open(folder.parent / "log.txt", "a", buffering=1)
if behaviour == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
log.write(f"start {folder.name}\\n")
try:
    time.sleep(60 if behaviour in ("long", "deaf") else 0.3)
    if behaviour == "fail":
        print("a trace\\nerror: the loss became nan\\n", file=sys.stderr)
        sys.exit(1)
    if behaviour == "dumb":
        sys.exit(3)
    record = {"threads": os.environ["OMP_NUM_THREADS"], "seconds": 0.3}
    (folder / "cell.json").write_text(json.dumps(record))
except KeyboardInterrupt:
    log.write(f"interrupted {folder.name}\\n")
    sys.exit(130)
log.write(f"end {folder.name}\\n")
"""


@pytest.fixture
def fake(tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)
    command = (sys.executable, str(tmp_path / "fake.py"))

    def jobs(**behaviours):
        return [
            Job(name, tmp_path / name, [str(tmp_path / name), behaviour], "kind")
            for name, behaviour in behaviours.items()
        ]

    return command, jobs


def log_of(folder):
    path = folder / "log.txt"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def finish(job, seconds=None):
    job.folder.mkdir(parents=True)
    (job.folder / "cell.json").write_text(json.dumps({"seconds": seconds}))


def test_what_is_finished_is_kept_and_the_rest_runs_in_order(fake, tmp_path):
    command, jobs = fake
    all_jobs = jobs(a="good", b="good", c="good")
    finish(all_jobs[1])
    state = run(all_jobs, threads=3, command=command)
    assert (state.done, state.failed, state.waiting) == (3, {}, [])
    assert log_of(tmp_path) == ["start a", "end a", "start c", "end c"]
    assert json.loads((tmp_path / "a/cell.json").read_text())["threads"] == "3"
    before = log_of(tmp_path)
    assert run(all_jobs, command=command).done == 3
    assert log_of(tmp_path) == before


def test_so_many_at_once_and_no_more(fake, tmp_path):
    command, jobs = fake
    most = []
    run(
        jobs(a="good", b="good", c="good"),
        2,
        show=lambda s: most.append(len(s.running)),
        command=command,
    )
    assert max(most) == 2
    assert sorted(log_of(tmp_path)[:2]) == ["start a", "start b"]


def test_what_others_need_runs_alone(fake, tmp_path):
    command, jobs = fake
    all_jobs = jobs(a="good", b="good")
    all_jobs[0].first = True
    run(all_jobs, 2, command=command)
    assert log_of(tmp_path) == ["start a", "end a", "start b", "end b"]


def test_a_failure_is_reported_and_stops_nothing(fake, tmp_path):
    command, jobs = fake
    state = run(jobs(a="fail", b="dumb", c="good"), command=command)
    assert state.failed == {
        "a": "error: the loss became nan",
        "b": "ended with 3 and said nothing",
    }
    assert state.done == 1 and state.waiting == []
    # The next run tries again.
    assert [job.name for job in jobs(a="", b="", c="") if not runner.finished(job.folder)] == [
        "a",
        "b",
    ]


def test_nothing_is_started_that_would_end_too_late(fake, tmp_path):
    command, jobs = fake
    all_jobs = jobs(a="good", b="good", c="good")
    finish(all_jobs[0], seconds=100.0)
    state = run(all_jobs, budget=50, command=command)
    assert [job.name for job in state.waiting] == ["b", "c"]
    assert state.done == 1 and log_of(tmp_path) == []
    state = run(all_jobs, budget=150, command=command)
    # b took far less than a, so that the mean of both fits for c as well.
    assert state.waiting == [] and state.done == 3


def test_the_first_job_needs_no_estimate_and_gives_one(fake, tmp_path):
    command, jobs = fake
    # A job takes 0.3 s and the start of Python: the first begins, and after it no other fits.
    state = run(jobs(a="good", b="good"), budget=0.35, command=command)
    assert state.done == 1 and [job.name for job in state.waiting] == ["b"]
    assert 0.3 <= state.estimate(state.waiting[0]) == state.remaining(1)
    assert state.remaining(2) == state.remaining(1) / 2


def test_ctrl_c_ends_the_processes(fake, tmp_path):
    command, jobs = fake
    started = []

    def interrupt(state):
        started[:] = [r.process for r in state.running]
        if len(log_of(tmp_path)) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(jobs(a="long", b="long", c="good"), 2, show=interrupt, command=command)
    assert sorted(log_of(tmp_path)[2:]) == ["interrupted a", "interrupted b"]
    assert [process.returncode for process in started] == [130, 130]


def test_what_does_not_listen_is_killed(fake, tmp_path, monkeypatch):
    command, jobs = fake
    monkeypatch.setattr(runner, "PATIENCE", 0.2)
    started = []

    def interrupt(state):
        started[:] = [r.process for r in state.running]
        if log_of(tmp_path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(jobs(a="deaf"), show=interrupt, command=command)
    assert started[0].returncode == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(started[0].pid, 0)


def test_jobs_are_trainings_and_translations_need_features(tmp_path, monkeypatch):
    tiny = Cell("rooms_evidence", ("epochs=1",), 0)
    monkeypatch.setattr(runner, "FEATURES", tiny)
    monkeypatch.setattr(cells, "FEATURES", tiny)
    same = [
        ("cen", Cell("rooms_evidence", ("batch=4", "epochs=2"), 1)),
        ("cen again", Cell("rooms_evidence", ("epochs=2", "batch=4"), 1)),
        ("another seed", Cell("rooms_evidence", ("batch=4", "epochs=2"), 2)),
    ]
    jobs = jobs_of(same, tmp_path)
    assert [job.name for job in jobs] == ["cen", "another seed"]
    assert jobs[0].arguments[:3] == ["rooms_evidence", "--seed", "1"]
    assert jobs[0].arguments[3:7] == ["--set", "batch=4", "--set", "epochs=2"]

    longer = Cell("rooms_evidence", ("epochs=4",), 1)
    assert jobs_of([("longer", longer)], tmp_path)[0].kind != jobs[0].kind == jobs[1].kind

    translation = ("t", Cell("rooms_translation_evidence", (), 1))
    jobs = jobs_of([*same, translation], tmp_path)
    assert [(job.name, job.first) for job in jobs][:2] == [("features", True), ("cen", False)]
    finish(jobs[-1])
    assert [job.name for job in jobs_of([*same, translation], tmp_path)] == [
        "cen",
        "another seed",
        "t",
    ]
    jobs[-1].folder.joinpath("cell.json").unlink()
    features_folder(tmp_path).mkdir(parents=True)
    (features_folder(tmp_path) / "cell.json").write_text("{}")
    assert "features" not in [job.name for job in jobs_of([translation], tmp_path)]
