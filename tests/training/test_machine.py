"""What a measurement was made with: the commit of a made-up checkout, time spent, names."""

import subprocess
import sys
import time

import keras
import pytest

from cen_keras.training import machine


def git(folder, *arguments):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@test.test"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    return tmp_path


def test_a_commit_is_dirty_where_tracked_files_differ(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    assert machine.commit() == head[:10]
    (checkout / "untracked.py").write_text("2")
    assert machine.commit() == head[:10]
    (checkout / "code.py").write_text("2")
    assert machine.commit() == head[:10] + "-dirty"
    git(checkout, "commit", "-q", "-a", "-m", "two")
    assert machine.commit() == git(checkout, "rev-parse", "HEAD")[:10] != head[:10]


def test_the_commit_of_a_checkout_around_an_installation_is_not_ours(checkout, monkeypatch):
    installed = checkout / "venv/site-packages"
    installed.mkdir(parents=True)
    assert machine.commit() != "unknown"
    monkeypatch.setattr(machine, "ROOT", installed)
    assert machine.commit() == "unknown"


def test_what_the_evidence_writes_makes_no_commit_dirty(checkout):
    results = checkout / "recipes/results/a.csv"
    results.parent.mkdir(parents=True)
    (checkout / "docs").mkdir()
    for path in (results, checkout / "docs/claims.md"):
        path.write_text("1")
        git(checkout, "add", path)
    git(checkout, "commit", "-q", "-m", "results")
    head = git(checkout, "rev-parse", "HEAD")[:10]
    for path in (results, checkout / "docs/claims.md"):
        path.write_text("2")
    assert machine.commit() == head
    (checkout / "code.py").write_text("3")
    assert machine.commit() == head + "-dirty"


def test_outside_a_checkout_the_commit_is_unknown(tmp_path, monkeypatch):
    # A folder of its own at the root of all searches for .git.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert machine.commit() == "unknown"


def test_waiting_takes_time_but_no_processor():
    spent = machine.Spent()
    time.sleep(0.2)
    assert spent.wall >= 0.2
    assert spent.processor < spent.wall


def test_work_of_children_counts():
    spent = machine.Spent()
    # Work, not time: other programs may have the processor meanwhile.
    work = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    # The clock of `os.times` ticks every 10 ms.
    assert spent.processor >= 0.3 - 0.02


def test_hardware_and_backend_are_named():
    assert machine.processor()
    assert f"{machine.processor()}, " in machine.hardware() and " cores" in machine.hardware()
    assert machine.backend().startswith(keras.backend.backend())
    assert machine.backend().endswith(f"keras {keras.__version__}")
