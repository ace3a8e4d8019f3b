"""Mutants of a scheme's rules.py, or of a package: mutmut's mutations, one at a time, against the tests.

``python tools/mutants.py nz-clean-vehicle-standard [--jobs N] [--list]``
``python tools/mutants.py --package cleanfleet.credits --tests tests/credits [--jobs N] [--list] [--every N]``

A package's mutants are tried as :mod:`package_mutants` says. Of a scheme:

mutmut's own runner puts a dispatcher in place of each function, which hides the arguments' names; rules are found by them. So
the mutations are mutmut's, but each mutant is a whole rules.py of its own, in a copy of the scheme's folder. A mutant is killed
when the scheme doesn't load any more, when it disagrees with the oracle (where the scheme has one), or when a test of KILLERS
fails; the quickest of these is tried first. Prints the survivors as diffs and the score; exits with 1
where less than 90 % are killed.

The oracle of a scheme is the module of tests/oracle that has a line ``POLICY = "<id>"`` and a function ``reference()``: vehicles,
the oracle's answers, and the function that compares both.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KILLERS = ["tests/oracle/test_against_engines.py", "tests/policies"]
#: The share of mutants that must be killed.
LEAST = 0.9


@dataclass(frozen=True)
class Mutant:
    number: int
    source: str
    diff: str


#: mutmut leaves decorated functions alone; a dated formula is shown to it without its decorator, which comes back afterwards.
_DATED, _HIDDEN = re.compile(r"^@dated\(", re.M), "# hidden @dated("


def mutants(path: Path) -> list[Mutant]:
    """Every mutation that mutmut makes of a scheme's rules, each as a whole source text."""
    return [Mutant(number, source, diff) for number, (source, diff) in enumerate(mutations_of(path), 1)]


def mutations_of(path: Path, every: int = 1) -> list[tuple[str, str]]:
    """Every (or every n-th) mutation that mutmut makes of ``path``: the whole source text, and the difference."""
    from mutmut.mutation.file_mutation import create_mutations, deep_replace

    code = path.read_text(encoding="utf-8")
    module, mutations, *_ = create_mutations(path.name, _DATED.sub(_HIDDEN, code))
    found: dict[str, str] = {}
    for mutation in mutations[::every]:
        changed = deep_replace(module, mutation.original_node, mutation.mutated_node)
        source = changed.code.replace(_HIDDEN, "@dated(")  # type: ignore[union-attr]
        if source != code and source not in found:
            lines = difflib.unified_diff(code.splitlines(), source.splitlines(), path.name, "mutant", lineterm="", n=2)
            found[source] = "\n".join(lines)
    return list(found.items())


def survives_quickly(mutant: Mutant, folder: Path, reference: Any) -> str:
    """'' where the mutant loads and agrees with the oracle's table; otherwise what killed it."""
    from cleanfleet import policies
    from cleanfleet.law.definition import load_definition
    from cleanfleet.law.errors import LawError
    from cleanfleet.law.policy import Policy

    with _copy(mutant, folder) as copy:
        try:
            found = Policy(load_definition(copy, policies.folders()), known="2026-11-22")
        except (LawError, SyntaxError):
            return "loading"
    if reference is None:
        return ""
    frame, truth, differences = reference
    try:
        return "the oracle" if differences(found.assess(frame).frame, truth) else ""
    except Exception as error:
        return type(error).__name__


@contextmanager
def _copy(mutant: Mutant, folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / folder.name
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "rules.py").write_text(mutant.source, encoding="utf-8")
        yield copy


def oracle(policy: str) -> Any:
    """(vehicles, the oracle's answers, the comparison) where the scheme has an oracle, else None."""
    for path in sorted((ROOT / "tests" / "oracle").glob("*.py")):
        if f'\nPOLICY = "{policy}"\n' in path.read_text(encoding="utf-8"):
            sys.path.insert(0, str(ROOT / "tests"))
            return importlib.import_module(f"oracle.{path.stem}").reference()
    return None


def survives(mutant: Mutant, policy: str, folder: Path) -> bool:
    """Whether no test of KILLERS notices ``mutant``."""
    with _copy(mutant, folder) as copy:
        environment = {**os.environ, "MUTANT_POLICY": policy, "MUTANT_FOLDER": str(copy), "CI": ""}
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "mutant_plugin", "-p", "no:cacheprovider",
            "-m", "not slow", "-n", "0", *KILLERS,
        ]  # fmt: skip
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tools"), environment.get("PYTHONPATH", "")])
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
        return done.returncode == 0


def of_package(package: str, tests: list[str], jobs: int, only_list: bool, every: int = 1) -> int:
    """Try every mutant of a package; 0 where enough are killed."""
    sys.path.insert(0, str(ROOT / "tools"))
    from package_mutants import mutants_of_package, passes, survivors

    found = mutants_of_package(package, ROOT / "src", lambda path: mutations_of(path, every))
    if only_list:
        print("\n\n".join(f"{mutant.module} {mutant.number}\n{mutant.diff}" for mutant in found))
        return 0
    if not tests or not passes(tests):
        print("the tests must pass without a mutant, and there must be some")
        return 1
    alive = []
    for mutant in survivors(found, tests, jobs):
        alive.append(mutant)
        print(f"survived, {mutant.module} mutant {mutant.number}:\n{mutant.diff}\n", flush=True)
    by_module = Counter(mutant.module for mutant in found)
    by_module_alive = Counter(mutant.module for mutant in alive)
    for module, count in by_module.items():
        print(f"{module}: {count - by_module_alive[module]} of {count} killed")
    killed = len(found) - len(alive)
    print(f"{killed} of {len(found)} mutants killed ({killed / len(found):.1%})")
    return 0 if killed >= LEAST * len(found) else 1


def main() -> int:
    from cleanfleet import policies

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policy", nargs="?", help="id of the scheme whose rules.py is mutated")
    parser.add_argument("--package", help="package whose modules are mutated instead")
    parser.add_argument("--tests", nargs="+", default=[], help="with --package: the tests that must notice")
    parser.add_argument("--every", type=int, default=1, help="with --package: only every n-th mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    options = parser.parse_args()
    if options.package:
        return of_package(options.package, options.tests, options.jobs, options.list, options.every)
    if not options.policy:
        parser.error("name a policy, or --package and --tests")
    folder = policies.folders()[options.policy]
    found = mutants(folder / "rules.py")
    if options.list:
        print("\n\n".join(mutant.diff for mutant in found))
        return 0
    reference = oracle(options.policy)
    killed_by = [survives_quickly(mutant, folder, reference) for mutant in found]
    left = [mutant for mutant, killer in zip(found, killed_by, strict=True) if not killer]
    print(
        f"{len(found)} mutants; killed by {dict(Counter(k for k in killed_by if k))}; {len(left)} left for the tests",
        flush=True,
    )
    with ThreadPoolExecutor(options.jobs) as pool:
        alive = list(pool.map(lambda mutant: survives(mutant, options.policy, folder), left))
    survivors = [mutant for mutant, lives in zip(left, alive, strict=True) if lives]
    for mutant in survivors:
        print(f"survived, mutant {mutant.number}:\n{mutant.diff}\n")
    killed = len(found) - len(survivors)
    print(f"{killed} of {len(found)} mutants killed ({killed / len(found):.1%})")
    return 0 if killed >= LEAST * len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
