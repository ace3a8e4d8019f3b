"""The examples in the docstrings and in the README are run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import cleanfleet.credits

MODULES = [
    importlib.import_module(f"cleanfleet.credits.{module.name}")
    for module in pkgutil.iter_modules(cleanfleet.credits.__path__)
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_module(module: object) -> None:
    assert not doctest.testmod(module).failed  # type: ignore[arg-type]


def test_readme() -> None:
    found = doctest.testfile(str(Path(cleanfleet.credits.__file__).with_name("README.md")), module_relative=False)
    assert found.attempted > 5
    assert not found.failed
