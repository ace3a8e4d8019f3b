"""A package is taken in: balances, order of use, ordinary dealings afterwards, the audit and the replay."""

from __future__ import annotations

import pytest

from cleanfleet.registry import replay
from cleanfleet.registry.intake import checks
from cleanfleet.registry.ledger import audit, book
from registry.intake import packages

pytestmark = pytest.mark.usefixtures("database")


def test_balances_are_the_package_s_and_the_replay_gives_them_again() -> None:
    answer = packages.take_in(packages.package(packages.rows()))
    assert answer["state"] == "taken_in"
    assert answer["sums"] == {
        "credit:used": 55, "credit:new": 62, "charge:used:A:2026": 7, "NZD:unallocated": 1500, "NZD:refund_due": 2000,
    }  # fmt: skip
    assert book.balances(packages.account("A-1").pk) == {
        ("held", "credit:used"): 30, ("owed", "charge:used:A:2026"): 7, ("unallocated", "NZD"): 1500,
    }  # fmt: skip
    assert book.balances(packages.account("B-1").pk) == {("held", "credit:new"): 62, ("refund_due", "NZD"): 2000}
    assert book.balances(packages.account("B-2").pk) == {("held", "credit:used"): 25}
    assert audit.run() == checks.run() == []
    assert replay.run() == []
