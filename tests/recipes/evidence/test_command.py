"""`python -m recipes.evidence`: what it chooses, what it says, how it exits."""

import json

import pytest

from cen_keras.errors import InputError
from recipes.evidence import __main__ as command
from recipes.evidence.experiments.studies import ROOMS
from recipes.evidence.experiments.tables import TABLES
from recipes.evidence.report import page
from recipes.evidence.run import runner


def finish(job):
    """Leaves a job's folder as a finished cell does."""
    seed = job.name.split(", seed ")[1]
    job.folder.mkdir(parents=True, exist_ok=True)
    scores = dict.fromkeys(("miou", "mean_accuracy", "pixel_accuracy"), 0.5)
    record = {"seed": int(seed), "outputs": {"ensemble": scores}, "parameters": 1, "macs": 1}
    record |= {"exchanged": 0.0, "layers_exchanging": 0, "steps": 400, "seconds": 1.0}
    record |= {
        "processor_seconds": 1.0,
        "commit": "1",
        "digest": "",
        "hardware": "",
        "backend": "",
        "time": "",
    }
    (job.folder / "cell.json").write_text(json.dumps(record))


@pytest.fixture
def ran(monkeypatch):
    """Names of the jobs that were run; those that have "depth" in their name fail."""
    names = []

    def run(jobs, processes, threads, budget, show):
        state = runner.State(len(jobs))
        for job in jobs:
            if runner.finished(job.folder):
                state.done += 1
            elif "depth" in job.name:
                state.failed[job.name] = "error: the loss became nan"
            else:
                names.append(job.name)
                finish(job)
                state.done += 1
            show(state)
        return state

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(page, "write", lambda results, readme, study: names.append("page"))
    return names


def arguments(tmp_path, *more):
    return [*more, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "results")]


def test_seeds_go_before_rows_and_tables():
    names, cells = command.chosen(ROOMS, ["ablation", "sparsity"], "cen,shared_private,0", 2)
    assert names == ["ablation", "sparsity"]
    assert [name for name, _ in cells] == [
        f"{row}, seed {seed}"
        for seed in (1, 2)
        for row in ("ablation shared_private", "ablation cen", "sparsity 0", "sparsity cen")
    ]
    assert {cell.seed for _, cell in cells} == {1, 2}


def test_all_are_all_and_a_table_named_twice_is_one():
    assert command.chosen(ROOMS, ["all"], "", 1)[0] == list(TABLES)
    assert command.chosen(ROOMS, ["threshold", "threshold"], "", 1)[0] == ["threshold"]


@pytest.mark.parametrize(
    ("tables", "only", "message"),
    [
        ([], "", "no table given"),
        (["base"], "", "table 'base' is unknown"),
        (["threshold"], "0.05,rgb", "row 'rgb' is unknown.*known: none, 0.005"),
    ],
)
def test_unknown_tables_and_rows_are_refused(tables, only, message):
    with pytest.raises(InputError, match=message):
        command.chosen(ROOMS, tables, only, 1)


def test_the_list_names_every_row(capsys):
    assert command.main(["--list"]) == 0
    printed = capsys.readouterr().out
    for name, table in TABLES.items():
        assert name in printed
        assert all(row in printed for row in table.rows)


def test_a_run_writes_the_tables_and_goes_on(ran, tmp_path, capsys):
    options = arguments(tmp_path, "baselines", "--seeds", "2", "--only", "rgb,cen")
    assert command.main(options) == 0
    wanted = [f"baselines {row}, seed {seed}" for seed in (1, 2) for row in ("rgb", "cen")]
    assert ran == [*wanted, "page"]
    lines = (tmp_path / "results/baselines.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["baselines", row, seed] for row in ("rgb", "cen") for seed in ("1", "2")
    ]
    assert "4 of 4 trainings done" in capsys.readouterr().out
    # Again: nothing is trained; another table takes what it shares.
    assert command.main(options) == 0
    assert ran == [*wanted, "page", "page"]
    assert command.main(arguments(tmp_path, "threshold", "--seeds", "2", "--report")) == 0
    shared = (tmp_path / "results/threshold.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in shared[1:]] == [
        ["threshold", "cen", "1"],
        ["threshold", "cen", "2"],
    ]
    assert ran == [*wanted, "page", "page", "page"]


def test_a_failed_cell_is_reported_and_the_rest_is_written(ran, tmp_path, capsys):
    assert (
        command.main(arguments(tmp_path, "baselines", "--seeds", "1", "--only", "rgb,depth")) == 1
    )
    printed = capsys.readouterr()
    assert printed.err == "failed: baselines depth, seed 1: error: the loss became nan\n"
    assert "1 of 2 trainings done" in printed.out
    assert (tmp_path / "results/baselines.csv").exists()
    assert "page" in ran


def test_in_a_file_each_training_that_ends_is_a_line(ran, tmp_path, capsys):
    command.main(arguments(tmp_path, "baselines", "--seeds", "1", "--only", "rgb,depth,cen"))
    lines = [line for line in capsys.readouterr().out.splitlines() if "; now " in line]
    assert lines == [
        "1/3 done, about 0 s left; now nothing",
        "1/3 done, 1 failed, about 0 s left; now nothing",
        "2/3 done, 1 failed, about 0 s left; now nothing",
    ]


def test_ctrl_c_ends_with_130(monkeypatch, tmp_path, capsys):
    def run(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", run)
    assert command.main(arguments(tmp_path, "baselines")) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().err


def test_a_report_of_nothing_says_so(ran, tmp_path, capsys):
    assert command.main(arguments(tmp_path, "baselines", "--report")) == 0
    assert "no cell is finished" in capsys.readouterr().out
    assert ran == [] and not (tmp_path / "results").exists()


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--jobs", "x"], ["--budget", "-1"]])
def test_wrong_numbers_are_refused(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["baselines", *wrong])
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_durations():
    found = [command.duration(s) for s in (0, 45.2, 89, 90, 720, 7499)]
    assert found == ["0 s", "45 s", "89 s", "2 min", "12 min", "2 h 05 min"]
