"""Time an artifact: preprocessing, inference and postprocessing apart.

    python -m deploy bench cen/tflite/static_w8a8.tflite --threads 2
    python -m deploy bench cen/tflite/static_w8a8.tflite --compare cen/tflite/fp32.tflite
    python -m deploy bench cen          (a run folder: frozen against as trained, float32 and int8)

With two or more artifacts every round runs each of them once, so that the ratio holds on a busy
machine too. A row with the machine, engine and artifact is appended to a CSV file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..runtime.console import GOOD, Output, plain
from ..runtime.errors import InputError
from ..runtime.files import beside, sha256, write_json
from . import add_engine, image_size, positive

SUMMARY = "time an artifact, or several interleaved"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "artifact", metavar="ARTIFACT", help="a .tflite or .onnx file, or a run folder"
    )
    parser.add_argument(
        "--compare", action="append", default=[], metavar="B", help="another artifact, interleaved"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="of the engine")
    add_engine(parser)
    parser.add_argument("--rounds", type=positive, default=50, metavar="N", help="(default: 50)")
    parser.add_argument(
        "--warm-up", type=int, default=5, metavar="N", help="untimed rounds before (default: 5)"
    )
    parser.add_argument(
        "--frame",
        type=image_size,
        metavar="HxW",
        help="size of the camera's frame (default: input)",
    )
    parser.add_argument("--csv", metavar="FILE", help="(default: bench.csv beside the artifact)")
    parser.add_argument(
        "--min-ms",
        type=float,
        metavar="MS",
        help="for a run folder: enlarge the input until the export as trained takes this long (default: 10)",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Measures, prints the table and appends the rows."""
    from ..bench import append_rows, measure, peak_memory_mb, provenance
    from ..runtime.runner import open_runner

    path = Path(arguments.artifact)
    if path.is_dir():
        from ..host import quiet_tensorflow
        from ..run_folder import open_run

        if arguments.compare:
            raise InputError(
                f"--compare is for an artifact beside others; of {path} every form is timed by itself"
            )
        folder = open_run(path)
        quiet_tensorflow()
        from ..benchmarks.where_export import export_contenders

        least = 10.0 if arguments.min_ms is None else arguments.min_ms
        artifacts = export_contenders(folder, least, arguments.threads, output.say)
        table = path / "bench" / "bench.csv"
    else:
        if arguments.min_ms is not None:
            raise InputError(f"--min-ms is for a run folder; {path} is timed at its own size")
        artifacts = {str(p): p for p in [path] + [Path(other) for other in arguments.compare]}
        table = path.parent / "bench.csv"
    runners = {
        name: open_runner(p, arguments.threads, arguments.engine) for name, p in artifacts.items()
    }
    view = _view(runners[next(iter(runners))].manifest)
    output.say("the frame: " + ("a held-out view" if view else "a drawn room"))
    times = measure(runners, arguments.rounds, arguments.warm_up, arguments.frame, view)
    first = next(iter(runners))
    rows = {}
    for name, runner in runners.items():
        row = provenance(runner, arguments.threads, arguments.rounds)
        for phase, numbers in times[name].items():
            row.update({f"{phase}_{key}_ms": round(numbers[key], 4) for key in ("p50", "p95")})
        row["ratio"] = round(times[name]["infer"]["p50"] / times[first]["infer"]["p50"], 4)
        row["ratio_to"] = runners[first].path.name
        rows[name] = row
    output.say(
        f"{rows[first]['engine']}, {rows[first]['processor']}, threads "
        f"{arguments.threads or 'default'}"
    )
    output.table(
        ["p50 / p95 in ms", "input", "MB", "pre", "infer", "post", "total", "infer ratio"],
        [
            [name, row["input"], f"{row['bytes'] / 1e6:.2f}"]
            + [
                f"{times[name][phase]['p50']:.2f} / {times[name][phase]['p95']:.2f}"
                for phase in ("pre", "infer", "post", "total")
            ]
            + [f"{row['ratio']:.3f}"]
            for name, row in rows.items()
        ],
    )
    result = {
        "artifacts": {name: dict(times[name], row=row) for name, row in rows.items()},
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "peak_memory_mb": peak_memory_mb(),
    }
    if path.is_dir():
        result["sha256"] = sha256(folder.model_file)
    output.result(result)
    try:
        for name, runner in runners.items():
            timed = {"sha256": runner.manifest.file_sha256, "times": times[name], "row": rows[name]}
            write_json(beside(runner.path, ".bench.json"), plain(timed))
        if path.is_dir():
            write_json(path / "bench" / "latency.json", plain(result))
    except OSError as error:  # the model's folder may be read-only
        output.say(f"warning: not kept for the report: {error}")
    append_rows(arguments.csv or table, list(rows.values()))
    return GOOD


def _view(manifest) -> dict | None:
    """A held-out view of the data that the artifact was trained on; None where they are not at hand,
    as on a board.
    """
    if manifest.dataset is None or manifest.task != "segmentation":
        return None
    try:
        from cen_keras.data.datasets import open_dataset

        view = open_dataset(manifest.dataset, "val", list(manifest.inputs))[0]
        return {name: view[name] for name in manifest.inputs}
    except (ImportError, ValueError, OSError, KeyError):
        return None
