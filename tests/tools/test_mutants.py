"""At least nine of ten mutants of the rules don't survive: they don't load, or disagree with the oracle."""

from __future__ import annotations

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
