"""At least nine of ten mutants of the rules don't survive: they don't load, or disagree with the oracle."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from cleanfleet import policies

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_rules_of_new_zealand() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    import mutants

    folder = policies.folders()["nz-clean-vehicle-standard"]
    found = mutants.mutants(folder / "rules.py")
    reference = mutants.oracle("nz-clean-vehicle-standard")
    killed_by = Counter(mutants.survives_quickly(mutant, folder, reference) for mutant in found)
    print(dict(killed_by))
    assert len(found) > 500
    assert 1 - killed_by[""] / len(found) >= mutants.LEAST, killed_by
