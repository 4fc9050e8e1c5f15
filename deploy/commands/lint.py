"""Hold an .onnx file against what TensorRT builds, and builds well, on a board.

    python -m deploy lint runs/demo/cen/onnx/static_w8a8.onnx --profile jp6

    python -m deploy lint runs/demo/cen/onnx/static_w8a8.onnx --compile

With --compile NVIDIA's own parser and compiler are asked, too: TensorRT for RTX, which needs no GPU
(pip install 'cen-keras[tensorrt-rtx]'). It proves the graph, not the board: it is neither the TensorRT of a
JetPack nor does it know a Jetson's GPU.

Severities: E, the build fails or computes something else; W, slower or less accurate; I, a note.
Exit code 1 when there is an error (with --strict also for a warning), 2 for a file that is not
whole.
"""

from __future__ import annotations

import argparse

from ..runtime.console import CHECK_FAILED, GOOD, Output
from ..runtime.errors import InputError
from . import capabilities

SUMMARY = "check that an .onnx file suits TensorRT on a board"
# Nodes that a rule found the same with; the JSON has them all.
_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="an .onnx file")
    parser.add_argument(
        "--profile",
        default="jp6",
        help="jp5, jp6.0, jp6 (default; 6.1 and later), jp7 or dla",
    )
    parser.add_argument("--strict", action="store_true", help="exit code 1 for warnings too")
    parser.add_argument(
        "--calibration", metavar="FILE.npz", help="also hold the ranges against these samples"
    )
    parser.add_argument(
        "--compile", action="store_true", help="ask TensorRT for RTX, too (no GPU needed)"
    )
    parser.add_argument(
        "--compute-capability",
        type=capabilities,
        metavar="X.Y,...",
        help="with --compile: of the GPUs (default: 8.6)",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Lints, prints the table and gives the verdict."""
    from .. import lint

    lint.profile(arguments.profile)
    if arguments.compute_capability and not arguments.compile:
        raise InputError("--compute-capability says for which GPUs --compile compiles; give both")
    samples = None
    if arguments.calibration:
        from ..calibration import check_samples, load
        from ..onnx.graph import read_tensors

        samples = load(arguments.calibration).arrays
        with open(arguments.file, "rb") as file:
            check_samples(read_tensors(file.read()).inputs, samples)
    findings = lint.lint_file(arguments.file, arguments.profile, samples)
    if arguments.compile:
        findings += lint.compiled(arguments.file, arguments.compute_capability or ("8.6",))
    result = lint.to_json(arguments.file, arguments.profile, findings)
    if findings:
        output.say(_table(findings))
    output.say(
        f"{arguments.file}, {lint.PROFILES[arguments.profile].summary}: {result['errors']} errors, "
        f"{result['warnings']} warnings, {result['notes']} notes"
    )
    output.result(result)
    failed = result["errors"] or (arguments.strict and result["warnings"])
    return CHECK_FAILED if failed else GOOD


def _table(findings) -> str:
    """The findings as a table, those that differ in their node alone put together."""
    import io
    import shutil

    from rich.console import Console
    from rich.table import Table

    grouped: dict[tuple, list[str]] = {}
    for finding in findings:
        key = (finding.rule, finding.severity, finding.what, finding.fix)
        grouped.setdefault(key, []).append(finding.node or "(file)")
    table = Table(box=None, pad_edge=False)
    for column in ("rule", "", "where", "what", "fix"):
        table.add_column(column, overflow="fold")
    for (rule, severity, what, fix), nodes in grouped.items():
        more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
        table.add_row(rule, severity, ", ".join(nodes[:_SHOWN]) + more, what, fix)
    text = io.StringIO()
    width = max(shutil.get_terminal_size((120, 40)).columns, 80)
    Console(file=text, width=width, markup=False).print(table)
    return text.getvalue().rstrip("\n")
