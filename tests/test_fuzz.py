"""Inputs drawn at random end in a result or in one line: `make fuzz`.

A number gives one input: `FUZZ_FIRST=1234 FUZZ_COUNT=1 make fuzz` repeats the one that failed.
"""

import json
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import numpy as np
import pytest
from fuzz_cases import CASES
from fuzz_export import SECONDS

WORKER = Path(__file__).with_name("fuzz_export.py")
FIRST = int(os.environ.get("FUZZ_FIRST", 0))
COUNT = int(os.environ.get("FUZZ_COUNT", 2000))
READERS = 1900
"""Numbers below go through readers, manifests, recipes and sources, the others through export and verify."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nothing_ends_in_a_stack_trace_or_hangs(tmp_path):
    failed = []
    for number in range(FIRST, min(FIRST + COUNT, READERS)):
        rng = np.random.default_rng(number)
        case, folder = CASES[number % len(CASES)], tmp_path / str(number)
        folder.mkdir()
        problem = _run(case, rng, folder)
        if problem:
            failed.append(_repeated(number, f"{case.__name__}: {problem}"))
    assert not failed, f"{len(failed)} of {COUNT}:\n" + "\n".join(failed[:40])


BATCH = 50
"""Inputs for each process: TensorFlow keeps what it has compiled."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_export_and_verify_end_in_a_result_or_one_line(tmp_path):
    failed, number, end = [], max(FIRST, READERS), FIRST + COUNT
    while number < end:
        last = min(end, number + BATCH)
        command = [sys.executable, str(WORKER), str(tmp_path), str(number), str(last)]
        root = str(WORKER.parent.parent)
        environment = {**os.environ, "PYTHONPATH": root}
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment)
        results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        failed += [_repeated(n, problem) for n, problem in results if problem]
        reached = results[-1][0] + 1 if results else number
        if reached < last:
            place = tmp_path / str(reached) / "command"
            assert place.is_file(), done.stderr[-2000:]  # the worker itself
            error_line = (done.stderr.strip().splitlines() or [""])[-1]
            ended = f"ends with {done.returncode}, {error_line!r}: {place.read_text()}"
            failed.append(_repeated(reached, ended))
            reached += 1
        number = reached
    assert not failed, f"{len(failed)} of {COUNT}:\n" + "\n".join(failed[:40])


def _repeated(number, problem):
    return f"FUZZ_FIRST={number} FUZZ_COUNT=1 make fuzz: {problem}"


def _run(case, rng, folder):
    """What went wrong; "" where nothing did."""
    found = []

    def run():
        try:
            case(rng, folder)
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(place.filename)}:{place.lineno}"
            found.append(f"{type(error).__name__} {error!s:.150} ({where})")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return f"hangs for {SECONDS} s" if thread.is_alive() else "".join(found)
