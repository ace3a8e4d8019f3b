"""The examples in the docstrings and in the README are run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import cleanfleet.credits
from cleanfleet.policies import bank_values
from cleanfleet.policies.nz_clean_vehicle_standard import bank as nz_bank

MODULES = [
    *(importlib.import_module(f"cleanfleet.credits.{module.name}") for module in pkgutil.iter_modules(cleanfleet.credits.__path__)),
    bank_values,
    nz_bank,
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_module(module: object) -> None:
    assert not doctest.testmod(module).failed  # type: ignore[arg-type]


def test_readme() -> None:
    found = doctest.testfile(str(Path(cleanfleet.credits.__file__).with_name("README.md")), module_relative=False)
    assert found.attempted > 5
    assert not found.failed
