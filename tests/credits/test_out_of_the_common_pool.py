"""What comes out of the common pool is its holder's own: it may be passed on once, and serves the year it came out in."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pytest

from cleanfleet.credits import Bank, BankRules, Carry, Dated, Shortage, always


def day(year: int) -> dt.date:
    return dt.date(year, 12, 31)


RULES = BankRules(
    pools=("a",),
    life_years=always(3),
    life_basis=always("vintage_year"),
    received_life=always("year_received"),
    onward_transfer=always(False),
    vintages_allowed=always("up_to_year"),
    carry=always(Carry(Fraction(1, 2))),
    common_pool_years=(Dated(5),),
)


def test_withdrawn_credits_are_passed_on_and_used_undiscounted() -> None:
    known = day(2030)
    bank = Bank(RULES).issue("A", "a", 2022, day(2022), 100).deposit("A", "a", 100, on=day(2022), known=known)
    bank = bank.carry(2022, known=known).carry(2023, known=known).owe("B", "a", 2024, 70, on=day(2024))
    bank = bank.withdraw("A", "a", 80, on=day(2024), known=known)
    bank = bank.transfer("A", "B", "a", 70, on=day(2024), known=known).settle("B", on=day(2024), known=known)
    assert (bank.owed("B"), bank.free("A", "a"), bank.free("B", "a")) == (0, 10, 0)
    bank.check()


def test_they_are_passed_on_once() -> None:
    known = day(2030)
    bank = Bank(RULES).issue("A", "a", 2022, day(2022), 10).deposit("A", "a", 10, on=day(2022), known=known)
    bank = bank.withdraw("A", "a", 10, on=day(2024), known=known).transfer("A", "B", "a", 10, on=day(2024), known=known)
    with pytest.raises(Shortage):
        bank.transfer("B", "C", "a", 10, on=day(2024), known=known)
    # what B doesn't use in that year is gone
    assert bank.expire(on=dt.date(2025, 1, 1), known=known).free("B", "a") == 0
