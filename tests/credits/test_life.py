"""How long a credit lives: the law in force when it is used, on two clocks; the last day itself; leap days."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanfleet.credits import (
    BadInput,
    Bank,
    BankRules,
    Dated,
    Lot,
    NotDetermined,
    Obligation,
    always,
    in_force,
    last_day,
    last_year,
    plan,
)  # fmt: skip
from cleanfleet.credits.words import rounded, year_end, years_after

D = dt.date
ACT = D(2025, 11, 30)
#: Three years; by an act known since November 2025, for use from 2026, four years and none before the end of 2028.
RULES = BankRules(
    pools=("new", "used"),
    life_years=(Dated(3, name="life"), Dated(4, D(2026, 1, 1), ACT, name="life")),
    none_expires_before=(Dated(D(2028, 12, 31), D(2026, 1, 1), ACT),),
)


def lot(earned: dt.date, vintage: int | None = None, **how: object) -> Lot:
    return Lot(1, "A", "used", vintage or earned.year, earned, 100, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("earned", "on", "known", "last"),
    [
        (D(2023, 3, 10), D(2026, 2, 1), D(2024, 12, 31), D(2026, 3, 10)),
        (D(2023, 3, 10), D(2026, 2, 1), D(2026, 2, 1), D(2028, 12, 31)),
        (D(2023, 3, 10), D(2025, 12, 31), D(2026, 2, 1), D(2026, 3, 10)),  # known already, not in force yet
        (D(2023, 3, 10), D(2026, 1, 1), D(2025, 11, 29), D(2026, 3, 10)),
        (D(2023, 3, 10), D(2026, 1, 1), D(2025, 11, 30), D(2028, 12, 31)),
        (D(2024, 12, 31), D(2026, 1, 1), ACT, D(2028, 12, 31)),
        (D(2025, 1, 1), D(2026, 1, 1), ACT, D(2029, 1, 1)),
        (D(2024, 2, 29), D(2024, 2, 29), D(2024, 2, 29), D(2027, 2, 28)),
        (D(2028, 2, 29), D(2028, 2, 29), D(2028, 2, 29), D(2032, 2, 29)),
    ],
)
def test_the_law_in_force_when_it_is_used(earned: dt.date, on: dt.date, known: dt.date, last: dt.date) -> None:
    assert last_day(lot(earned), on, known, RULES) == last


def test_usable_through_the_last_day_and_not_after_it() -> None:
    known = D(2024, 12, 31)
    on_last = plan([lot(D(2023, 3, 10))], 100, pool="used", on=D(2026, 3, 10), known=known, rules=RULES)
    after = plan([lot(D(2023, 3, 10))], 100, pool="used", on=D(2026, 3, 11), known=known, rules=RULES)
    assert (on_last.shortage, on_last.free, on_last.left_out) == (0, 100, {})
    assert (after.shortage, after.free, after.left_out) == (100, 0, {"expired": 100})


def test_not_before_it_is_earned() -> None:
    before = plan([lot(D(2023, 3, 10))], 1, pool="used", on=D(2023, 3, 9), known=D(2023, 3, 9), rules=RULES)
    assert before.left_out == {"not_yet_earned": 100}
    assert not plan([lot(D(2023, 3, 10))], 1, pool="used", on=D(2023, 3, 10), known=D(2023, 3, 9), rules=RULES).shortage


@pytest.mark.parametrize(
    ("basis", "last"), [("day", D(2026, 5, 4)), ("year_end", D(2026, 12, 31)), ("vintage_year", D(2025, 12, 31))]
)
def test_from_when_the_years_count(basis: str, last: dt.date) -> None:
    rules = BankRules(pools=("used",), life_years=always(3), life_basis=always(basis))  # type: ignore[arg-type]
    assert last_day(lot(D(2023, 5, 4), vintage=2022), D(2024, 1, 1), D(2024, 1, 1), rules) == last


def test_no_life_no_end() -> None:
    assert last_day(lot(D(2023, 5, 4)), D(2024, 1, 1), D(2024, 1, 1), BankRules(pools=("used",))) == D.max


def test_life_by_pool_and_vintage_and_what_is_not_known() -> None:
    rules = BankRules(
        pools=("new", "used"),
        life_years=(
            Dated(1, pools=("new",)),
            Dated(5, years=(None, 2021)),
            Dated(3, years=(2022, 2022)),
            Dated(None, years=(2023, None), name="life_of_2023"),
        ),
    )
    on = D(2023, 1, 1)
    assert last_day(lot(D(2021, 6, 1)), on, on, rules) == D(2026, 6, 1)
    assert last_day(lot(D(2022, 6, 1)), on, on, rules) == D(2025, 6, 1)
    with pytest.raises(NotDetermined) as refused:
        last_day(lot(D(2023, 6, 1)), on, on, rules)
    assert refused.value.missing == ("life_of_2023",)
    assert str(refused.value) == "not determined: life_of_2023 (pool used, year 2023, on 2023-01-01, as known on 2023-01-01)"
    with pytest.raises(NotDetermined, match="life_years"):
        last_day(lot(D(2023, 6, 1)), on, on, BankRules(pools=("used",), life_years=(Dated(3, years=(None, 2022)),)))


def test_what_came_from_another_account_may_live_shorter() -> None:
    rules = BankRules(pools=("used",), life_years=always(3), received_life=always("year_received"))
    on = D(2024, 5, 1)
    assert last_day(lot(D(2023, 5, 4)), on, on, rules) == D(2026, 5, 4)
    assert last_day(lot(D(2023, 5, 4), received_on=on, via="transfer"), on, on, rules) == D(2024, 12, 31)
    own = BankRules(pools=("used",), life_years=always(3))
    assert last_day(lot(D(2023, 5, 4), received_on=on, via="transfer"), on, on, own) == D(2026, 5, 4)


def test_the_rules_cant_be_asked_beyond_what_was_read() -> None:
    rules = BankRules(pools=("used",), known=D(2024, 12, 31))
    assert rules.at(D(2030, 1, 1), D(2024, 12, 31)).on == D(2030, 1, 1)
    with pytest.raises(BadInput, match="known '2025-01-01': must not be after 2024-12-31"):
        rules.at(D(2024, 1, 1), D(2025, 1, 1))


def test_expire_and_revive_follow_the_law() -> None:
    before, after = D(2026, 3, 11), D(2026, 4, 1)
    bank = Bank(RULES).issue("A", "used", 2023, D(2023, 3, 10), 70)
    bank = bank.expire(on=D(2026, 3, 10), known=D(2024, 12, 31))
    assert bank.latest == ()
    bank = bank.expire(on=before, known=D(2024, 12, 31))
    assert [(e.source, e.target, e.amount, e.on) for e in bank.latest] == [("held", "expired", 70, before)]
    assert bank.revive(on=before, known=D(2024, 12, 31)).latest == ()
    bank = bank.revive(on=after, known=ACT)
    assert [(e.source, e.target, e.amount) for e in bank.latest] == [("expired", "held", 70)]
    assert bank.free("A", "used") == 70
    assert bank.revive(on=after, known=ACT).latest == ()
    bank.check()


@pytest.mark.parametrize(
    ("year", "deferred", "last"),
    [(2022, True, 2022), (2023, True, 2024), (2025, True, 2026), (2025, False, 2025), (2026, False, 2026)],
)
def test_last_year_of_an_obligation(year: int, deferred: bool, last: int) -> None:
    rules = BankRules(
        pools=("used",),
        deferral_years=(Dated(1, years=(2023, 2025)), Dated(None, years=(2026, None), name="deferral")),
        deferral_on_application=True,
    )
    owed = Obligation(1, "A", "used", year, 10, deferred=deferred)
    assert last_year(owed, D(2026, 1, 1), D(2026, 1, 1), rules) == last
    with pytest.raises(NotDetermined, match="not determined: deferral"):
        last_year(Obligation(1, "A", "used", 2026, 10, deferred=True), D(2026, 1, 1), D(2026, 1, 1), rules)


# -- provisions


def test_the_record_known_last_takes_the_place() -> None:
    series = (Dated(1, known_from=D(2022, 1, 1)), Dated(2, known_from=D(2024, 1, 1)), Dated(3, known_from=D(2023, 1, 1)))
    on = D(2030, 1, 1)
    assert [in_force(series, on, known).value for known in (D(2022, 6, 1), D(2023, 1, 1), D(2024, 1, 1))] == [1, 3, 2]  # type: ignore[union-attr]
    assert in_force(series, on, D(2021, 12, 31)) is None


def test_a_withdrawn_step_lets_the_earlier_one_stand() -> None:
    series = (Dated(1), Dated(2, D(2026, 1, 1), D(2022, 1, 1)), Dated(2, D(2026, 1, 1), D(2024, 1, 1), withdrawn=True))
    on = D(2026, 6, 1)
    assert in_force(series, on, D(2023, 1, 1)).value == 2  # type: ignore[union-attr]
    assert in_force(series, on, D(2024, 1, 1)).value == 1  # type: ignore[union-attr]


def test_until_layers_and_narrowness() -> None:
    on = D(2026, 6, 1)
    assert in_force((Dated(1, until=on),), on, on) is None
    assert in_force((Dated(1, until=D(2026, 6, 2)),), on, on).value == 1  # type: ignore[union-attr]
    assert in_force((Dated(1, on), Dated(2, layer=1)), on, on).value == 2  # type: ignore[union-attr]
    wide, narrow = Dated(1), Dated(2, pools=("a",), years=(2020, 2021), kinds=("x",))
    for series in ((wide, narrow), (narrow, wide)):
        found = [in_force(series, on, on, *asked).value for asked in [("a", "x", 2020), ("a", "x", 2021)]]  # type: ignore[union-attr]
        assert found == [2, 2]
        for asked in [("b", "x", 2020), ("a", "y", 2020), ("a", "x", 2019), ("a", "x", 2022), ("a", "x", None)]:
            assert in_force(series, on, on, *asked).value == 1  # type: ignore[union-attr]
    assert in_force((wide, Dated(3, years=(None, 2021))), on, on, "a", "", 2021).value == 3  # type: ignore[union-attr]
    assert in_force((Dated(1, years=(None, 2021)),), on, on) is None
    assert in_force((Dated(1, years=(2021, None)),), on, on) is None
    assert in_force((Dated(1), Dated(2)), on, on).value == 2, "what is written later"  # type: ignore[union-attr]


def test_named_ways_of_counting() -> None:
    from fractions import Fraction as F

    assert [rounded(F(n, 2), "half_up") for n in (-3, -1, 0, 1, 3)] == [-1, 0, 0, 1, 2]
    assert [rounded(F(n, 2), "down") for n in (-1, 1, 2)] == [-1, 0, 1]
    assert [rounded(F(n, 2), "up") for n in (-1, 1, 2)] == [0, 1, 1]
    assert years_after(D(2024, 2, 29), 1) == D(2025, 2, 28)
    assert years_after(D(9998, 5, 1), 1) == D(9999, 5, 1)
    assert years_after(D(9998, 5, 1), 2) == D.max
    assert [year_end(9999), year_end(10000)] == [D.max, D.max]
    assert year_end(2024) == D(2024, 12, 31)
