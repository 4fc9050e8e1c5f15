"""Artifacts for the emulated board, a preset and a target at a time; nothing runs without it."""

import functools
import sys
from pathlib import Path

import pytest
from parts import absent

sys.path.insert(0, str(Path(__file__).parent))
from emulated import missing


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/arm/" in item.path.as_posix():
            item.add_marker(pytest.mark.arm)
            # Conversions and an emulated processor; on a busy machine both wait.
            item.add_marker(pytest.mark.timeout(3600))
            # An artifact is made once, in the process that runs all tests of it.
            callspec = getattr(item, "callspec", None)
            if callspec and "case" in callspec.params:
                item.add_marker(pytest.mark.xdist_group("-".join(callspec.params["case"])))


@pytest.fixture(scope="session", autouse=True)
def board():
    """Skips, or fails where the part has to run, without an emulated board."""
    reason = missing()
    if reason:
        absent("arm", reason)


@pytest.fixture(scope="session")
def zoo_of(tmp_path_factory):
    """Gives a case of `artifacts.CASES` in every scheme of its target, made once."""
    from artifacts import make

    return functools.cache(lambda case: list(make(*case, tmp_path_factory.mktemp("zoo"))))


@pytest.fixture
def zoo(zoo_of, case):
    """What `case` names."""
    return zoo_of(case)
