"""Imports run one way and in no circle, files stay short, the board's part needs no framework.

All imports count, those inside functions too: one inside a function may put off a slow library, but
must not break a circle.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for name in ("cen", "cen_keras", "recipes", "deploy")
    for path in (ROOT / name).rglob("*.py")
)
BOARD = [
    p
    for p in SOURCES
    if p.relative_to(ROOT).parts[:2] in {("deploy", name) for name in ("runtime", "demo", "ros")}
]
FRAMEWORKS = ("tensorflow", "keras", "jax", "torch")

# package -> what it must not import: recipes -> cen_keras <- deploy -> deploy.runtime, and models
# -> lift, backbones, decoders -> layers. Longest matching prefix rules.
HEADS = ("cen_keras.models", "cen_keras.training")
PARTS = ("cen_keras.backbones", "cen_keras.decoders")
OUTSIDE = ("cen", "recipes", "deploy")
FORBIDDEN = {
    # It names the others' modules in a table and imports what is asked for.
    "cen": ("cen_keras", "recipes", "deploy"),
    "cen_keras": OUTSIDE,
    "cen_keras.modalities": (*OUTSIDE, *HEADS, *PARTS, "cen_keras.layers", "cen_keras.data"),
    "cen_keras.layers": (*OUTSIDE, *HEADS, *PARTS),
    "cen_keras.lift": (*OUTSIDE, *HEADS, "cen_keras.data"),
    "cen_keras.backbones": (*OUTSIDE, *HEADS, "cen_keras.decoders"),
    "cen_keras.decoders": (*OUTSIDE, *HEADS, "cen_keras.backbones"),
    "cen_keras.losses": (*OUTSIDE, *HEADS, *PARTS),
    "cen_keras.metrics": (*OUTSIDE, *HEADS),
    "cen_keras.data": (*OUTSIDE, *HEADS, "cen_keras.layers"),
    "cen_keras.models": (*OUTSIDE, "cen_keras.training"),
    "recipes": ("cen", "deploy"),
    "deploy": ("cen", "recipes"),
    "deploy.runtime": ("cen", "recipes", "cen_keras", *FRAMEWORKS, "cv2", "deploy.demo"),
    "deploy.ros": ("cen", "recipes", "cen_keras", *FRAMEWORKS, "cv2"),
}


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in SOURCES}


def imported_by(tree, parts):
    """Every module that a file imports anywhere; `from package import module` is the module.

    Args:
        tree: of the file.
        parts: of its path, without the suffix; relative imports start there.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base


IMPORTS = {
    name: set(
        imported_by(ast.parse(path.read_text()), path.relative_to(ROOT).with_suffix("").parts)
    )
    for name, path in MODULES.items()
}
GRAPH = {name: found & MODULES.keys() for name, found in IMPORTS.items()}


def inside(module, package):
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    rules = [package for package in FORBIDDEN if inside(module, package)]
    forbidden = FORBIDDEN[max(rules, key=len)]
    assert not [m for m in IMPORTS[module] for package in forbidden if inside(m, package)]


def circles(graph):
    """Returns the sets of modules that reach each other, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in graph[name]:
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            circle = []
            while not circle or circle[-1] != name:
                circle.append(stack.pop())
            if len(circle) > 1 or name in graph[name]:
                found.append(sorted(circle))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def test_no_modules_import_each_other_in_a_circle():
    assert circles(GRAPH) == []


def test_a_circle_is_found_however_long_and_indented():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"a"}, "b": {"a"}}) == [["a"]]
    tree = ast.parse("def f():\n    if True:\n        from cen_keras import errors\n")
    assert list(imported_by(tree, ("x",))) == ["cen_keras.errors"]
    tree = ast.parse("from . import exchange\nfrom ..data import loader")
    wanted = ["cen_keras.layers.exchange", "cen_keras.data.loader"]
    assert list(imported_by(tree, ("cen_keras", "layers", "x"))) == wanted


BLOCKED = """
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError("blocked: " + name, name=name)
sys.meta_path.insert(0, Refuse())
for module in sys.argv[1:]:
    importlib.import_module(module)
"""


def without_frameworks(*modules):
    command = [sys.executable, "-c", BLOCKED.format(blocked=FRAMEWORKS), *modules]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)


def test_the_board_s_part_and_the_recipes_import_without_a_framework():
    light = ["cen_keras", "cen_keras.errors", "cen_keras.modalities", "recipes.listing"]
    folders = ("recipes.segmentation", "recipes.translation")
    light += [m for m in MODULES if any(inside(m, folder) for folder in folders)]
    board = [m for m in map(module_of, BOARD) if "ros.package" not in m and "__main__" not in m]
    ran = without_frameworks(*board, *light)
    assert ran.returncode == 0, ran.stderr
    assert "blocked: keras" in without_frameworks("cen_keras.layers").stderr


@pytest.mark.parametrize("path", BOARD, ids=module_of)
def test_the_board_s_part_is_python_3_8(path):
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_files_are_short_and_say_what_they_are():
    lengths = {module_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {name: n for name, n in lengths.items() if n > 400}
    assert sorted(lengths.values())[len(lengths) // 2] < 200
    silent = [module_of(p) for p in SOURCES if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent


@pytest.mark.parametrize("path", ["cen_keras/layers/exchange.py", "deploy/freeze/__init__.py"])
def test_the_two_hearts_open_with_a_short_docstring(path):
    docstring = ast.get_docstring(ast.parse((ROOT / path).read_text()))
    assert 10 < len(docstring.splitlines()) <= 25
