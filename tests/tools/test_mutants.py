"""At least nine of ten mutants of the rules and of the bank don't survive: they don't load, or a test or the oracle notices."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cleanfleet import policies

ROOT = Path(__file__).resolve().parents[2]


sys.path.insert(0, str(ROOT / "tools"))
import mutants  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "at_least"), [("nz-clean-vehicle-standard", 500), ("nz-clean-car-discount", 400)])
def test_the_rules_of(policy: str, at_least: int) -> None:
    folder = policies.folders()[policy]
    found = mutants.mutants(folder / "rules.py")
    reference = mutants.oracle(policy)
    killed_by = Counter(mutants.survives_quickly(mutant, folder, reference) for mutant in found)
    print(dict(killed_by))
    assert len(found) > at_least
    assert 1 - killed_by[""] / len(found) >= mutants.LEAST, killed_by


def test_dated_formulas_are_mutated_and_keep_their_dates(tmp_path: Path) -> None:
    path = tmp_path / "rules.py"
    start = '@dated("2024-01-01", known_from="2023-01-01", reference="Act")'
    path.write_text(f"{start}\ndef fee(heat):\n    return heat + 2\n")
    found = mutants.mutants(path)
    assert any("heat - 2" in mutant.source for mutant in found)
    assert all(mutant.source.startswith(f"{start}\ndef fee") for mutant in found)


def test_a_scheme_s_oracle_is_found_by_its_line() -> None:
    assert mutants.oracle("no-such-scheme") is None
    frame, right, differences = mutants.oracle("nz-clean-car-discount")
    assert frame.height == right.height == 20_000
    assert differences(policies.load("nz-clean-car-discount", known="2026-11-22").assess(frame).frame, right) == {}


#: Every how many of the bank's mutants are tried here; `tools/mutants.py --package` tries them all.
SAMPLE = 13


@pytest.mark.slow
def test_the_bank(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--package", "cleanfleet.credits", "--tests", "tests/credits", "--every", str(SAMPLE)]
    done = subprocess.run(
        [sys.executable, "tools/mutants.py", *command], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    with capsys.disabled():
        print(done.stdout[-200:])
    assert done.returncode == 0, done.stdout + done.stderr


def test_mutants_of_a_package_are_tried_in_place_of_its_modules(tmp_path: Path) -> None:
    """A package of two lines: the mutant that a test notices is killed, the one that none looks at survives."""
    package, tests = tmp_path / "src" / "adder", tmp_path / "checks"
    package.mkdir(parents=True)
    tests.mkdir()
    (package / "__init__.py").write_text("from .sums import add, name\n")
    (package / "sums.py").write_text("def add(a, b):\n    return a + b\n\n\ndef name():\n    return 'adder'\n")
    (tests / "test_adder.py").write_text("from adder import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n")
    program = (
        "import sys; from pathlib import Path; import mutants, package_mutants as p\n"
        "found = p.mutants_of_package('adder', Path('src'), mutants.mutations_of)\n"
        "assert p.passes(['checks'])\n"
        "alive = list(p.survivors(found, ['checks'], 2))\n"
        "print(sorted({m.module for m in found}), len(found) > len(alive) > 0, all('adder' in m.diff for m in alive))\n"
    )
    path = os.pathsep.join([str(ROOT / "tools"), str(ROOT / "src"), str(tmp_path / "src")])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.stdout == "['adder.sums'] True True\n", done.stdout + done.stderr
