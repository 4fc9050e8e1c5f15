"""The site's pages: links hold, the reference is whole, commands and Python blocks are as they stand there."""

import ast
import csv
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
OTHERS += [ROOT / "deploy/jetson/README.md", ROOT / "deploy/ros/README.md"]
OTHERS += sorted((ROOT / "cen_keras/models/weights").glob("*.md"))
SHOWN = [*PAGES, *OTHERS]


def load(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load("make_reference")


def title(path):
    return path.relative_to(ROOT).as_posix()


def blocks(path, *languages):
    found = re.findall(r"^```(\w+)\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)
    return [code for language, code in found if language in languages]


def prose(path):
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(path):
    heads = re.findall(r"^#+ (.*)$", prose(path), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.fixture(scope="module")
def described():
    """Names of the modules that the reference describes, and its pages' names."""
    pages = reference.package_pages()
    return set(re.findall(r"^::: (\S+)$", "\n".join(pages.values()), re.M)), set(pages)


@pytest.mark.parametrize("page", SHOWN, ids=title)
def test_links_hold(page, described):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        full = (page.parent / path).resolve() if path else page
        if full.parent == DOCS / "reference":
            assert full.name in {"index.md", "commands.md", *described[1]}, target
            continue
        assert full.exists(), target
        if anchor:
            assert anchor in anchors(full), target


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    named = set(re.findall(r"^\s*- (?:.*: )?([\w./]+\.md)$", nav, re.M))
    assert {page.relative_to(DOCS).as_posix() for page in PAGES} <= named
    for name in named:
        assert (DOCS / name).is_file() or (ROOT / name).is_file(), name


def test_the_site_needs_no_network_and_strict_is_on():
    text = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in text and "strict: true" in text
    assert not re.search(r"https?://", text)


def exported():
    for top in ("cen_keras", "deploy"):
        for path in sorted((ROOT / top).rglob("__init__.py")):
            module = ".".join(path.parent.relative_to(ROOT).parts)
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                    yield from ((module, name) for name in ast.literal_eval(node.value))


def test_every_exported_name_is_in_the_reference(described):
    names = list(exported())
    assert ("cen_keras", "lift") in names and ("deploy.freeze", "freeze") in names
    where = dict(
        re.findall(r"`cen_keras\.(\w+)` \| \[([\w.]+)\]", reference.package_pages()["cen_keras.md"])
    )
    for module, name in names:
        if module == "cen_keras":
            assert where[name].rpartition(".")[0] in described[0], name
        else:
            assert reference.definer(name, module) in described[0], (module, name)


def public():
    """(module, name) of every public function and class of both packages, commands' own left out."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    for path in [*(ROOT / "cen_keras").rglob("*.py"), *(ROOT / "deploy").rglob("*.py")]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[1] == "commands" or "package" in parts or parts[-1] == "__main__":
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, kinds) and not node.name.startswith("_"):
                yield ".".join(parts).removesuffix(".__init__"), node.name


def test_every_module_with_a_public_name_is_in_the_reference(described):
    assert {module for module, _ in public()} <= described[0]


@pytest.mark.slow
def test_the_built_site_describes_every_public_name(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == done.stdout == "", done.stderr
    content = (tmp_path / "objects.inv").read_bytes()
    lines = zlib.decompress(content[content.index(b"zlib.\n") + 6 :]).decode().splitlines()
    shown = {line.split()[0] for line in lines}
    assert {f"{module}.{name}" for module, name in public()} <= shown


def test_every_command_is_in_the_reference():
    named = {command.split()[0] for command in reference.COMMANDS}
    for path in (ROOT / "recipes").glob("*.py"):
        if "\ndef main(" in path.read_text():
            assert f"recipes.{path.stem}" in named
    assert reference.help_of("recipes.train").startswith("usage: python -m recipes.train")


def test_presets_are_described_by_their_cards():
    table = reference.presets_table()
    # Where this fails, what it prints goes into the page.
    assert table in (DOCS / "start/choosing_a_model.md").read_text(), table
    cards = [path.stem for path in (ROOT / "cen_keras/models/weights").glob("*.json")]
    for name in ("cen_edge_s", "cen_edge_m", "cen_edge_l", *cards):
        assert f"| `{name}` |" in table
    with open(DOCS / "measurements/edge_presets.csv") as file:
        last = [row for row in csv.DictReader(file) if row["preset"] == "cen_edge_s"][-1]
    assert f"| {float(last['infer_ms']):.1f} | {int(last['bytes']) / 1e6:.2f} |" in table


def command_lines():
    """Commands in blocks, indented or fenced, and in the text; those of a placeholder are left out."""
    for page in SHOWN:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        inside = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
        for line in [*text.splitlines(), *(" ".join(code.split()) for code in inside)]:
            line = re.sub(r"^ {4}", "", line)
            found = re.match(
                r"(?:\w+=\S+ )?(cen|python3? -m (?:cen\w*|recipes|deploy)\S*) +(.*?)(?:  +#.*)?$",
                line,
            )
            if found and not re.match(r"[A-Z.]", found[2]) and "NAME" not in found[1]:
                yield page, found[1], found[2]


def test_commands_on_the_pages_are_as_their_help_says():
    from cen.commands import COMMANDS, OWN

    seen = 0
    for page, program, rest in command_lines():
        words = shlex.split(rest.partition(" >")[0].replace("...", ""))
        if program == "cen":
            name = words[0]
            assert name in COMMANDS or name in OWN, (page, rest)
            if name in OWN or importlib.util.find_spec(COMMANDS[name].module) is None:
                continue
            command = " ".join(
                [COMMANDS[name].module.removesuffix(".__main__"), *COMMANDS[name].before]
            )
        else:
            module = program.split()[-1]
            command = f"deploy {words[0]}" if module == "deploy" and words[0][0] != "-" else module
        help_text = reference.help_of(command)
        for option in [word for word in words if word.startswith("--")]:
            assert re.search(rf"{option}\b", help_text), (page, rest, option)
        if command == "deploy demo":
            assert {"--out", "--serve", "--record", "--help"} & set(words), (page, rest)
        seen += 1
    assert seen > 60


@pytest.mark.parametrize("page", sorted((DOCS / "how").glob("*.md")), ids=title)
def test_a_page_on_how_it_works_ends_with_its_source_code(page):
    last = page.read_text().partition("Source code:")[2]
    paths = re.findall(r"`((?:cen_keras|deploy)/[\w/.]+)`", last)
    assert paths and all((ROOT / path).exists() for path in paths)
    assert len(last.strip().splitlines()) <= 3


TUTORIALS = [p for p in (DOCS / "start", DOCS / "tutorials") for p in sorted(p.glob("*.md"))]
# It needs the node beside it: tests/deploy/ros/test_tutorial.py.
TUTORIALS.remove(DOCS / "tutorials/ros2.md")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page, marks=pytest.mark.slow if ".fit(" in page.read_text() else (), id=title(page)
        )
        for page in TUTORIALS
        if blocks(page, "python")
    ],
)
def test_the_python_of_the_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    for number, code in enumerate(blocks(page, "python"), 1):
        exec(compile(code, f"{title(page)}, block {number}", "exec"), names)
