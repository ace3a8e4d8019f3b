"""Mutants of a package: mutmut's mutations of its modules, one at a time, against a folder of tests.

Each mutant is tried in a process forked from one that has pytest and the libraries loaded already: the mutated module's text
takes the place of the module when the tests import it, and nothing is written anywhere. A mutant is killed when a test
fails, when it can't be imported, or when the tests take longer than LONGEST seconds.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.util
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

#: Seconds after which the tests of a mutant count as failed: it runs for ever.
LONGEST = 120
#: Loaded before the fork where they are installed: what tests take longest to import.
LIBRARIES = ("pytest", "hypothesis", "hypothesis.stateful", "numpy", "polars", "pyarrow", "yaml", "narwhals.stable.v2")


@dataclass(frozen=True)
class PackageMutant:
    """One mutation of one module: its whole source text, and the difference."""

    module: str
    path: Path
    number: int
    source: str
    diff: str


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the mutant's text in place of the module's file."""

    def __init__(self, mutant: PackageMutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.mutant.module:
            return None
        return importlib.util.spec_from_file_location(name, self.mutant.path, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.source, str(self.mutant.path), "exec"), module.__dict__)


def mutants_of_package(
    package: str, root: Path, mutations: Callable[[Path], Sequence[tuple[str, str]]]
) -> list[PackageMutant]:
    """Every mutant of every module of ``package`` under ``root`` (the folder that holds its top package)."""
    folder = root.joinpath(*package.split("."))
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for number, (source, diff) in enumerate(mutations(path), 1):
            found.append(PackageMutant(module, path, number, source, diff))
    return found


def survivors(mutants: Sequence[PackageMutant], tests: Sequence[str], jobs: int) -> Iterator[PackageMutant]:
    """Those mutants that no test notices, as they are found; ``jobs`` processes at a time."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    running: dict[int, PackageMutant] = {}
    queue = list(reversed(mutants))
    while queue or running:
        while queue and len(running) < jobs:
            mutant = queue.pop()
            running[_fork(mutant, tests)] = mutant
        process, status = os.wait()
        mutant = running.pop(process)
        if status == 0:
            yield mutant


def passes(tests: Sequence[str]) -> bool:
    """Whether the tests pass without any mutant, in a process of their own."""
    _, status = os.waitpid(_fork(None, tests), 0)
    return status == 0


def _fork(mutant: PackageMutant | None, tests: Sequence[str]) -> int:
    """Start a process that ends with 0 where all tests pass; gives its id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.alarm(LONGEST)  # its default ends the process, which counts as killed
        os.environ["CI"] = ""
        if mutant is not None:
            sys.meta_path.insert(0, _Mutated(mutant))
        code = _run(tests)
    finally:
        os._exit(code)
    raise AssertionError("unreachable")


def _run(tests: Sequence[str]) -> int:
    import hypothesis
    import pytest

    hypothesis.settings.register_profile("mutants", database=None, derandomize=True, print_blob=False)
    hypothesis.settings.load_profile("mutants")
    options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", "--tb=no"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return int(pytest.main([*options, *tests]))
