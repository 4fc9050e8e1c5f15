"""Writes the reference: a page of each package's modules, and of every command's --help.

    python docs/make_reference.py FOLDER

The site's build makes the same pages in memory (docs/hooks.py). Sources are parsed, not imported; commands are
imported for their arguments only, which needs numpy and no framework.
"""

import argparse
import ast
import contextlib
import csv
import io
import json
import os
import runpy
import sys
import warnings
from pathlib import Path

import deploy.__main__

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 100
"""Columns of the help texts."""

PACKAGES = ("cen_keras", "deploy")
"""Whose modules are described. Those of recipes are commands; what a recipe is made of is in cen_keras."""
LEFT_OUT = ("deploy.commands", "deploy.ros.package")
"""Packages without a public function or class: described by their commands and their own files."""

COMMANDS = (
    "cen",
    "recipes.new",
    "recipes.train",
    "recipes.evaluate",
    "recipes.predict",
    "recipes.pipeline",
    "recipes.step_time",
    "recipes.head_start",
    "recipes.pack",
    "recipes.evidence",
    "recipes.prepare.nyudv2",
    "recipes.prepare.sunrgbd",
    "cen_keras.converters",
    "deploy",
    *(f"deploy {name}" for name in deploy.__main__.COMMANDS),
    "deploy.demo",
    "deploy.ros",
)
"""Behind `python -m`."""


def modules() -> dict[str, Path]:
    """Returns dotted name -> file of every module with a public class or function, sorted."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            skipped = any(name == p or name.startswith(f"{p}.") for p in LEFT_OUT)
            if not skipped and parts[-1] != "__main__" and defined(path):
                found[name] = path
    return found


def defined(path: Path) -> list[str]:
    """Returns the public classes and functions that a file defines at its top."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [n.name for n in body if isinstance(n, kinds) and not n.name.startswith("_")]


def page_of(module: str, path: Path) -> str:
    """Returns the name of the package whose page describes a module."""
    parts = module.split(".")
    inner = len(parts) > 2 or (len(parts) == 2 and path.name == "__init__.py")
    return ".".join(parts[:2]) if inner else parts[0]


def summary(path: Path) -> str:
    """Returns the first line of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0]


def package_pages() -> dict[str, str]:
    """Returns file name -> Markdown of the pages about packages."""
    grouped: dict[str, list[str]] = {}
    files = modules()
    for module, path in files.items():
        grouped.setdefault(page_of(module, path), []).append(module)
    pages = {}
    for package, names in grouped.items():
        about = summary(ROOT.joinpath(*package.split("."), "__init__.py"))
        lines = [f"# {package}", "", about, ""]
        if package == "cen_keras":
            lines += [*_exported(), ""]
        for name in names:
            lines += [f"::: {name}", ""]
        pages[f"{package}.md"] = "\n".join(lines)
    return pages


def _exported() -> list[str]:
    tree = ast.parse((ROOT / "cen_keras/__init__.py").read_text(encoding="utf-8"))
    (where,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_WHERE"
    ]
    lines = ["| name | described in |", "| --- | --- |"]
    for name, module in where.items():
        defines = definer(name, module)
        page = page_of(defines, ROOT.joinpath(*defines.split(".")).with_suffix(".py"))
        lines.append(f"| `cen_keras.{name}` | [{defines}.{name}]({page}.md#{defines}.{name}) |")
    return lines


def definer(name: str, module: str) -> str:
    """Returns the module that defines what another one imports by `from ... import name`."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            parts = module.split(".")
            parts = parts if path.name == "__init__.py" else parts[:-1]
            base = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            inner = ROOT.joinpath(*base.split("."), name)
            if inner.is_dir() or inner.with_suffix(".py").is_file():
                return f"{base}.{name}"
            return definer(name, base)
    return module


def help_of(command: str) -> str:
    """Returns what `python -m COMMAND --help` prints, run in this process."""
    module, *arguments = command.split()
    text, argv, columns = io.StringIO(), sys.argv, os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    sys.argv = [f"python -m {module}", *arguments, "--help"]
    sys.path.insert(0, str(ROOT))
    try:
        with contextlib.redirect_stdout(text), warnings.catch_warnings():
            # Of modules that are imported already, to whose parsers that is all the same.
            warnings.simplefilter("ignore", RuntimeWarning)
            runpy.run_module(module, run_name="__main__", alter_sys=False)
    except SystemExit as error:
        if error.code:
            raise RuntimeError(f"python -m {command} --help ended with {error.code}") from error
    finally:
        sys.argv = argv
        sys.path.remove(str(ROOT))
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns
    return text.getvalue()


def command_page() -> str:
    """Returns the page of all commands."""
    lines = [
        "# Commands",
        "",
        "Exit codes everywhere: 0 good, 1 a check failed, 2 bad input, 130 interrupted. `cen NAME` runs the same",
        "commands by one name where the package is installed.",
        "",
    ]
    for command in COMMANDS:
        title = "cen" if command == "cen" else f"python -m {command}"
        lines += [f"## {title}", "", "```text", help_of(command).rstrip(), "```", ""]
    return "\n".join(lines)


def index_page(names: list[str]) -> str:
    """Returns the page that lists the others."""
    lines = ["# Reference", "", "Every public class and function, from the docstrings.", ""]
    lines += [
        "[Every command's help](commands.md)",
        "",
        "| package | what it is |",
        "| --- | --- |",
    ]
    for name in sorted(names):
        about = summary(ROOT.joinpath(*name.split("."), "__init__.py"))
        lines.append(f"| [{name}]({name}.md) | {about} |")
    return "\n".join(lines) + "\n"


def presets_table() -> str:
    """Returns the tables of presets: architectures, then the trained ones from their cards."""
    source = (ROOT / "cen_keras/models/presets.py").read_text(encoding="utf-8")
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    architectures = [
        [ast.literal_eval(argument) for argument in call.args[:2]]
        for call in calls
        if getattr(call.func, "id", "") == "Preset" and isinstance(call.args[0], ast.Constant)
    ]
    head = "architecture", "what it is", "int8, ms", "MB"
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    measured = _measured_presets()
    for name, about in architectures:
        row = measured.get(name)
        cost = f"{float(row['infer_ms']):.1f} | {int(row['bytes']) / 1e6:.2f}" if row else "- | -"
        lines.append(f"| `{name}` | {about} | {cost} |")
    row = next(measured[name] for name, _ in architectures if name in measured)
    where = f"inference alone at 480x640 on {row['cores']} cores of an {row['processor']}, {row['engine']}"
    lines += ["", f"Milliseconds: {where}, {row['time'][:10]}; MB: the file."]
    head = "trained weights", "parameters", "file", "image", "mIoU", "no depth", "no rgb", "card"
    lines += ["", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for path in sorted((ROOT / "cen_keras/models/weights").glob("*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        shape = card.get("image_shape")
        scores = card.get("scores", {}).get("miou", {})
        found = [scores.get(k, {}).get("ensemble") for k in ("all", "without_depth", "without_rgb")]
        cells = (
            f"`{path.stem}`",
            f"{card['parameters']:,}",
            f"{card['bytes'] / 1e6:.2f} MB",
            "x".join(map(str, shape)) if shape else "any",
            *("-" if value is None else f"{100 * value:.1f}" for value in found),
            f"[card](../../cen_keras/models/weights/{path.stem}.md)",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _measured_presets() -> dict[str, dict[str, str]]:
    """Returns the last row of each preset in the measurements."""
    with open(ROOT / "docs/measurements/edge_presets.csv", newline="", encoding="utf-8") as file:
        return {row["preset"]: row for row in csv.DictReader(file)}


def pages() -> dict[str, str]:
    """Returns file name -> Markdown of the whole reference."""
    made = package_pages()
    index = index_page([name.removesuffix(".md") for name in made])
    return {"index.md": index, **made, "commands.md": command_page()}


def main() -> None:
    """Writes the pages into a folder."""
    parser = argparse.ArgumentParser(description="Write the reference's pages.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
