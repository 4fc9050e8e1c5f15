"""Imports run one way, files stay short, and the board's part is read by Python 3.8."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for name in ("cen_keras", "recipes", "deploy") for path in (ROOT / name).rglob("*.py")
)
BOARD = [
    p
    for p in SOURCES
    if p.relative_to(ROOT).parts[:2] in {("deploy", name) for name in ("runtime", "demo", "ros")}
]

# package -> what it must not import. Longest matching prefix rules.
FORBIDDEN = {
    "cen_keras": ("recipes", "deploy"),
    "cen_keras.layers": (
        "recipes",
        "deploy",
        "cen_keras.models",
        "cen_keras.backbones",
        "cen_keras.decoders",
    ),
    "cen_keras.backbones": ("recipes", "deploy", "cen_keras.models", "cen_keras.decoders"),
    "cen_keras.decoders": ("recipes", "deploy", "cen_keras.models", "cen_keras.backbones"),
    "cen_keras.losses": (
        "recipes",
        "deploy",
        "cen_keras.models",
        "cen_keras.backbones",
        "cen_keras.decoders",
    ),
    "cen_keras.metrics": ("recipes", "deploy", "cen_keras.models"),
    "cen_keras.data": ("recipes", "deploy", "cen_keras.models", "cen_keras.layers"),
    "cen_keras.training": ("recipes", "deploy", "cen_keras.models"),
    "recipes": ("deploy",),
    "deploy": ("recipes",),
    "deploy.runtime": ("recipes", "cen_keras", "tensorflow", "keras", "jax", "torch", "cv2"),
    "deploy.ros": ("recipes", "cen_keras", "tensorflow", "keras", "jax", "torch", "cv2"),
}


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path):
    """Every module that a file imports anywhere, relative imports resolved."""
    package = list(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


def inside(module, package):
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_imports_run_one_way(path):
    rules = [package for package in FORBIDDEN if inside(module_of(path), package)]
    forbidden = FORBIDDEN[max(rules, key=len)]
    wrong = [m for m in imports_of(path) for package in forbidden if inside(m, package)]
    assert not wrong, f"{module_of(path)} imports {wrong}"


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
