"""Run an artifact, or a preset, on frames and write what it sees; see `deploy/demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..demo import command
from ..runtime.console import Output

__doc__ = (
    command.__doc__
    + """
--artifact preset:NAME takes the 8-bit artifact that comes with the preset, or exports its weights in float32, on a
host: the files lie in runs/presets/NAME.
"""
)
SUMMARY = "run an artifact on rooms or on frames and write pictures"
PREFIX = "preset:"
add_arguments = command.add_arguments


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Runs the demo, with the artifact of a preset where one is named."""
    if arguments.artifact.startswith(PREFIX):
        arguments.artifact = str(artifact_of(arguments.artifact, output))
    return command.run(arguments, output)


def artifact_of(preset: str, output: Output) -> Path:
    """Returns the 8-bit artifact that comes with a preset, else its float one, exported where it is not there yet.

    Args:
        preset: "preset:NAME".
        output: takes a line of progress.

    Raises:
        InputError: the preset is unknown or has no weights.
    """
    from ..artifacts import export
    from ..qat.train import QAT_SCHEME
    from ..run_folder import open_run

    folder = open_run(preset)
    # Other weights of the preset's name are unpacked later than what was made of the last ones.
    unpacked = (folder.path / "best.keras").stat().st_mtime
    for scheme in (QAT_SCHEME, "fp32"):
        path = folder.path / "tflite" / f"{scheme}.tflite"
        if path.is_file() and path.stat().st_mtime >= unpacked:
            return path
    output.say(f"exporting {preset} in float32")
    return export(folder, "tflite", "fp32")
