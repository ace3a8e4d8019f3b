"""New Zealand's bank: rules from the dated values, expected dates and amounts typed from the facts."""

from __future__ import annotations

import datetime as dt
import doctest
from pathlib import Path

import pytest

from cleanfleet import policies
from cleanfleet.credits import Bank, BankRules, Lot, NotDetermined, NotPermitted, Obligation, Shortage, last_day, last_year
from cleanfleet.law.errors import InputError, UnknownName
from cleanfleet.policies import bank_values
from cleanfleet.policies.bank_values import series
from cleanfleet.policies.nz_clean_vehicle_standard import bank as nz_bank
from cleanfleet.policies.nz_clean_vehicle_standard.bank import bank_rules, earned_on

D = dt.date
TODAY, EARLIER = D(2026, 11, 22), D(2024, 12, 31)


def rules(known: dt.date = TODAY, **how: object) -> BankRules:
    return bank_rules(policies.load("nz-clean-vehicle-standard", known=known, **how))  # type: ignore[arg-type]


def lot(earned: dt.date, amount: int = 100, pool: str = "used", **how: object) -> Lot:
    return Lot(1, "CO2-1", pool, earned.year, earned, amount, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("earned", "on", "known", "last"),
    [
        (D(2023, 3, 10), D(2026, 2, 1), EARLIER, D(2026, 3, 10)),
        (D(2023, 12, 31), D(2026, 2, 1), EARLIER, D(2026, 12, 31)),
        (D(2023, 3, 10), D(2026, 2, 1), TODAY, D(2028, 12, 31)),
        (D(2024, 12, 31), D(2026, 2, 1), TODAY, D(2028, 12, 31)),
        (D(2025, 5, 5), D(2026, 2, 1), TODAY, D(2029, 5, 5)),
        (D(2025, 5, 5), D(2025, 12, 31), TODAY, D(2028, 5, 5)),
        (D(2024, 2, 29), D(2024, 3, 1), EARLIER, D(2027, 2, 28)),
        (D(2028, 2, 29), D(2028, 3, 1), TODAY, D(2032, 2, 29)),
    ],
)
def test_life_by_both_clocks(earned: dt.date, on: dt.date, known: dt.date, last: dt.date) -> None:
    assert last_day(lot(earned), on, known, rules(known)) == last
    assert last_day(lot(earned), on, known, rules(TODAY)) == last, "today's rules remember what was known then"


def test_life_to_the_end_of_the_year_by_the_other_reading() -> None:
    other = rules(readings={"credit_life_basis": "year_end"})
    assert last_day(lot(D(2025, 5, 5)), D(2026, 2, 1), TODAY, other) == D(2029, 12, 31)
    found = Bank(other).issue("A", "used", 2025, D(2025, 5, 5), 3).spend("A", "used", 1, on=D(2026, 2, 1), known=TODAY)
    assert found.marks == ("reading:credit_life_basis=year_end", "doubtful:credit_life_basis")


def test_inferred_readings_mark_what_they_decide() -> None:
    bank = Bank(rules()).issue("A", "used", 2025, D(2025, 5, 5), 9, kind="A")
    day = {"on": D(2026, 2, 1), "known": TODAY}
    assert bank.spend("A", "used", 1, **day).marks == ("doubtful:credit_life_basis",)
    assert bank.spend("A", "used", 1, vintages=[2025], **day).marks == (
        "doubtful:credit_vintage_choice", "doubtful:credit_life_basis",
    )  # fmt: skip
    assert bank.spend("A", "used", 1, kind="B", **day).marks == ("doubtful:credit_use_by_type", "doubtful:credit_life_basis")
    with pytest.raises(Shortage):
        bank.spend("A", "used", 1, year=2024, **day)
    anything = rules(readings={"credit_vintages_taken": "any"})
    assert Bank(anything).issue("A", "used", 2025, D(2025, 5, 5), 9).spend("A", "used", 1, year=2024, **day).marks


@pytest.mark.parametrize(
    ("readings", "how", "error"),
    [
        ({"credit_use_by_type": "separate"}, {"kind": "B"}, Shortage),
        ({"credit_vintage_choice": "oldest_first"}, {"vintages": [2025]}, NotPermitted),
    ],
)
def test_other_readings(readings: dict[str, str], how: dict[str, object], error: type[Exception]) -> None:
    day = {"on": D(2026, 2, 1), "known": TODAY}
    bank = Bank(rules()).issue("A", "used", 2025, D(2025, 5, 5), 9, kind="A")
    assert bank.spend("A", "used", 1, **how, **day)  # type: ignore[arg-type]
    bank = Bank(rules(readings=readings)).issue("A", "used", 2025, D(2025, 5, 5), 9, kind="A")
    with pytest.raises(error):
        bank.spend("A", "used", 1, **how, **day)  # type: ignore[arg-type]


def test_exchange_since_2026_one_new_for_two_used() -> None:
    bank = Bank(rules()).issue("A", "new", 2024, D(2024, 5, 5), 10).issue("A", "used", 2024, D(2024, 5, 5), 9)
    eve, day = D(2025, 12, 31), D(2026, 1, 1)
    with pytest.raises(NotPermitted, match="it is from 2026-01-01"):
        bank.exchange("A", "new", "used", 1, on=eve, known=eve)
    with pytest.raises(NotPermitted):
        bank.exchange("A", "new", "used", 1, on=day, known=EARLIER)
    there = bank.exchange("A", "new", "used", 3, on=day, known=day)
    assert (there.free("A", "new"), there.free("A", "used")) == (7, 15)
    back = bank.exchange("A", "used", "new", 8, on=day, known=day)
    assert (back.free("A", "new"), back.free("A", "used")) == (14, 1)
    with pytest.raises(Exception, match="8 or 10 can be exchanged, 9 can't"):
        bank.exchange("A", "used", "new", 9, on=day, known=day)


def test_transfers_open_on_1_june_2023() -> None:
    bank = Bank(rules()).issue("A", "new", 2023, D(2023, 2, 5), 10)
    before, after = D(2023, 5, 31), D(2023, 6, 1)
    with pytest.raises(NotPermitted, match="credits of pool new can't go to another account on 2023-05-31"):
        bank.transfer("A", "B", "new", 4, on=before, known=before)
    assert bank.transfer("A", "B", "new", 4, on=after, known=after).free("B", "new") == 4


def test_deferral_of_2023_to_2025_and_not_known_after() -> None:
    on = D(2026, 3, 1)

    def last(year: int, known: dt.date, deferred: bool = True) -> int:
        return last_year(Obligation(1, "A", "used", year, 5, "A", deferred), on, known, rules(known))

    assert [last(year, TODAY) for year in (2022, 2023, 2024, 2025)] == [2022, 2024, 2025, 2026]
    assert [last(year, TODAY, deferred=False) for year in (2023, 2027, 2040)] == [2023, 2027, 2040]
    for year in (2026, 2030, 2031, 2040):
        assert last(year, EARLIER) == year
        with pytest.raises(NotDetermined, match="deferral_years"):
            last(year, TODAY)
    bank = Bank(rules()).owe("A", "used", 2024, 5, on=on).issue("A", "used", 2025, D(2025, 6, 1), 5)
    with pytest.raises(Shortage):
        bank.offset(1, on=on, known=TODAY)
    assert bank.defer(1, on=on, known=TODAY).offset(1, on=on, known=TODAY).owed("A") == 0


def test_the_day_on_which_credits_are_earned() -> None:
    policy = policies.load("nz-clean-vehicle-standard", known=TODAY)
    assert earned_on(policy, scheme="payg", accepted_on=D(2026, 3, 4)) == (D(2026, 3, 4), ())
    assert earned_on(policy, scheme="fleet", accepted_on=D(2026, 3, 4)) == (
        D(2026, 12, 31),
        ("doubtful:fleet_credits_earned_on",),
    )
    other = policies.load("nz-clean-vehicle-standard", known=TODAY, readings={"fleet_credits_earned_on": "acceptance"})
    assert earned_on(other, scheme="fleet", accepted_on=D(2026, 3, 4))[0] == D(2026, 3, 4)
    with pytest.raises(InputError, match="scheme 'car' is not payg or fleet"):
        earned_on(policy, scheme="car", accepted_on=TODAY)


OVERLAY = """
overlay: my-bank
title: another bank
values:
  credit_life_years:
    - {from: "2024-01-01", value: "10", reference: {title: mine}, confidence: M}
  deferral_years:
    - {obligation_year: 2027, value: "2", reference: {title: mine}, confidence: M}
"""


def test_an_overlay_wins_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OVERLAY)
    mine = rules(values=[path])
    assert last_day(lot(D(2025, 5, 5)), D(2026, 2, 1), TODAY, mine) == D(2035, 5, 5)
    assert last_day(lot(D(2023, 5, 5)), D(2023, 12, 31), TODAY, mine) == D(2026, 5, 5), "before it applies, the law"
    assert last_year(Obligation(1, "A", "used", 2027, 5, deferred=True), TODAY, TODAY, mine) == 2029
    with pytest.raises(NotDetermined):
        last_year(Obligation(1, "A", "used", 2028, 5, deferred=True), TODAY, TODAY, mine)
    found = Bank(mine).issue("A", "used", 2025, D(2025, 5, 5), 3).spend("A", "used", 1, on=D(2026, 2, 1), known=TODAY)
    assert found.marks == ("overlay:my-bank", "doubtful:credit_life_basis")


def test_a_value_below_the_least_grade_is_not_determined() -> None:
    strict = rules(min_grade="H")
    assert last_day(lot(D(2023, 3, 10)), D(2025, 1, 1), EARLIER, rules(EARLIER)) == D(2026, 3, 10)
    with pytest.raises(NotDetermined, match="credit_life"):
        last_day(lot(D(2023, 3, 10)), D(2026, 2, 1), TODAY, strict)


def test_a_ratio_with_one_part_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.yaml"
    path.write_text(
        "overlay: half\nvalues:\n  credit_exchange_given:\n"
        '    - {condition: new, from: "2027-01-01", value: "3", reference: {title: mine}, confidence: M}\n'
    )
    with pytest.raises(
        InputError, match="credit_exchange_given of new from 2027-01-01 needs credit_exchange_received of the same"
    ):
        rules(values=[path])


def test_series_of_a_value_that_doesnt_exist() -> None:
    policy = policies.load("nz-clean-vehicle-standard")
    with pytest.raises(UnknownName, match="did you mean credit_life_years"):
        series(policy, "credit_life_year")


@pytest.mark.parametrize("module", [bank_values, nz_bank], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted
    assert not found.failed
