"""``scheme`` writes a toy scheme and loads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cleanfleet.law.policy import Policy

from .toy import KNOWN, definition


@pytest.fixture
def scheme(tmp_path: Path) -> Callable[..., Policy]:
    """``scheme(policy={...}, values={...}, rules=..., known=..., ...)``: the toy scheme with these changes."""
    made = 0

    def make(*, known: Any = KNOWN, readings: Any = None, min_grade: Any = None, lay: Any = (), **changes: Any) -> Policy:
        nonlocal made
        made += 1
        stated = definition(tmp_path / f"scheme{made}", **changes)
        return Policy(stated, known=known, values=lay, readings=readings, min_grade=min_grade)

    return make
