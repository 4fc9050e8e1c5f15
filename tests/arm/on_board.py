"""What runs on the emulated board: `help`; artifacts on inputs, one after the other; one on the same input again.

python3 on_board.py run JOBS.json
python3 on_board.py repeat ARTIFACT INPUTS.npz FRAMES
"""

import contextlib
import io
import json
import sys

import numpy as np


def show_help():
    """Every command's help."""
    from deploy.__main__ import COMMANDS, main
    from deploy.demo.__main__ import main as demo
    from deploy.ros.__main__ import main as ros

    calls = {"deploy.demo": lambda: demo(["--help"]), "deploy.ros": lambda: ros(["--help"])}
    calls.update({name: lambda name=name: main([name, "--help"]) for name in COMMANDS})
    for name, call in calls.items():
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            call()
        assert text.getvalue().startswith("usage: python -m deploy"), name
        print(name)


def run_jobs(path):
    """Runs each artifact; its outputs go into an .npz."""
    from deploy.runtime.runner import open_runner

    with open(path) as file:
        jobs = json.load(file)
    for job in jobs:
        runner = open_runner(job["artifact"], threads=1)
        with np.load(job["inputs"]) as inputs:
            np.savez(
                job["outputs"], **runner.run_raw({name: inputs[name] for name in inputs.files})
            )
        print(job["artifact"], runner.engine)


def repeat(artifact, inputs, frames):
    """Runs an artifact as often as is said."""
    from deploy.runtime.runner import open_runner

    runner = open_runner(artifact, threads=1)
    with np.load(inputs) as file:
        fed = {name: file[name] for name in file.files}
    for _ in range(int(frames)):
        runner.run_raw(fed)


if __name__ == "__main__":
    {"help": show_help, "run": run_jobs, "repeat": repeat}[sys.argv[1]](*sys.argv[2:])
