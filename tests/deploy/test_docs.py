"""The code of docs/add_*.md does what the pages say: it is put where each block's first line names,
and the page's own test is run.
"""

import importlib
import inspect
import re
import sys
import types
from pathlib import Path

import pytest

from cen_keras.backbones import BACKBONES
from cen_keras.data.datasets import DATASETS
from deploy.demo.sources import SOURCES
from deploy.freeze.rules import RULES
from deploy.runtime.runner import ENGINES
from deploy.targets import TARGETS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("add_*.md"))
TABLES = (BACKBONES, DATASETS, ENGINES, RULES, SOURCES, TARGETS)
PACKAGES = ("cen_keras", "deploy", "my_package")


def blocks(page):
    """(path, code) of every block of Python."""
    found = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(found) == page.read_text().count("```python"), "every block names its file"
    return found


@pytest.fixture
def restored(monkeypatch, run_path):
    """Tables and modules are as before afterwards; the backbone that `run_path` adds is there before."""
    kept = [dict(table) for table in TABLES]
    modules = set(sys.modules)
    yield
    for table, before in zip(TABLES, kept, strict=True):
        table.clear()
        table.update(before)
    for name in set(sys.modules) - modules:
        if name.split(".")[0] in PACKAGES and not hasattr(sys.modules[name], "__file__"):
            parent, _, last = name.rpartition(".")
            if parent in sys.modules:
                delattr(sys.modules[parent], last)
            del sys.modules[name]


def place(path, code):
    """Runs a block in its module, which is made where there is none yet."""
    name = path[: -len(".py")].replace("/", ".").removesuffix(".__init__")
    if (DOCS.parent / path).exists():
        module = importlib.import_module(name)
    else:
        module = types.ModuleType(name)
        module.__package__ = name.rpartition(".")[0]
        sys.modules[name] = module
        sys.modules.setdefault("my_package", types.ModuleType("my_package"))
        setattr(importlib.import_module(module.__package__), name.rpartition(".")[2], module)
    exec(compile(code, path, "exec"), vars(module))


def test_every_extension_has_its_page():
    assert [page.stem for page in PAGES] == [
        "add_a_backbone",
        "add_a_camera",
        "add_a_dataset",
        "add_a_freeze_rule",
        "add_an_export_target",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_the_page(page, request, restored):
    ran = 0
    for path, code in blocks(page):
        if not path.startswith("tests/"):
            place(path, code)
            continue
        space = {"__name__": "page"}
        exec(compile(code, path, "exec"), space)
        for name, function in list(space.items()):
            if name.startswith("test_"):
                wanted = inspect.signature(function).parameters
                function(**{fixture: request.getfixturevalue(fixture) for fixture in wanted})
                ran += 1
    assert ran == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_page_names_is_there(page):
    text = page.read_text()
    new = {path for path, _ in blocks(page)}
    for path in re.findall(r"`([\w./]+\.py)`", text):
        known = [DOCS.parent / path, DOCS.parent / "deploy" / "runtime" / path]
        assert path in new or any(p.exists() for p in known), path
    for module in re.findall(r"`(cen_keras\.[\w.]+)`", text):
        assert importlib.util.find_spec(module.rpartition(".")[0])
        parent, _, last = module.rpartition(".")
        assert hasattr(importlib.import_module(parent), last) or importlib.util.find_spec(module)
    # One screen of prose around the code.
    prose = re.sub(r"```python.*?```", "", text, flags=re.DOTALL)
    assert len([line for line in prose.splitlines() if line.strip()]) <= 25
