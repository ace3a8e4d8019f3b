"""One record: read at the door, evaluated in integers, answered in Decimals, words, dates and None."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cleanfleet.law import records
from cleanfleet.law.policy import Policy

from .toy import BARGE, inputs

Scheme = Callable[..., Policy]


def test_an_answer_has_every_column_in_order(scheme: Scheme) -> None:
    policy = scheme()
    for barge in (BARGE, {}, {"kind": "c"}, {"kind": "zz"}):
        assert (
            list(policy.one(barge))
            == policy.table().names()
            == ["status", "reason", "flags", "over_g", "charge_eur", "band"]
        )


def test_numbers_are_decimals_of_the_outputs_places(scheme: Scheme) -> None:
    found = scheme().one({**BARGE, "noise": 101})
    assert (str(found["over_g"]), str(found["charge_eur"])) == ("0.50", "0.00")
    assert isinstance(found["over_g"], Decimal)


def test_an_output_shows_more_places_than_its_rule(scheme: Scheme) -> None:
    policy = scheme(policy={"outputs": [{"name": "over", "decimals": "5"}]})
    assert str(policy.one(BARGE)["over"]) == "3.49000"


def test_a_refused_cell_is_told_and_nothing_is_shown(scheme: Scheme) -> None:
    found = scheme().one({**BARGE, "noise": "loud"})
    assert found == {
        "status": "refused", "reason": "not_a_number:noise", "flags": None, "over_g": None, "charge_eur": None, "band": None,
    }  # fmt: skip


def test_every_refused_cell_is_told_in_the_order_of_the_columns(scheme: Scheme) -> None:
    found = scheme().one({"mass_kg": 0, "noise": 12.345, "kind": "q", "day": "soon", "exempt": "hm", "port": "west"})
    assert found["reason"] == (
        "unknown_value:kind; too_many_decimals:noise; out_of_range:mass_kg; not_a_date:day; not_a_boolean:exempt; "
        "unknown_value:port"
    )


def test_a_refused_cell_and_a_check_are_told_together(scheme: Scheme) -> None:
    found = scheme().one({**BARGE, "kind": "b", "mass_kg": 8000, "noise": "loud"})
    assert (found["status"], found["reason"]) == ("refused", "not_a_number:noise; contradiction:mass_kg")


def test_missing_names_follow_the_order_of_the_columns(scheme: Scheme) -> None:
    assert scheme().one({"kind": "a"})["reason"] == "missing:noise; missing:day"


def test_a_text_column_is_carried_but_not_read(scheme: Scheme) -> None:
    assert scheme().one({**BARGE, "name": object()})["status"] == "determined"


@pytest.mark.parametrize(
    ("instant", "year"),
    [
        (dt.datetime(2024, 12, 31, 10, 59, tzinfo=dt.UTC), "2024"),  # 23:59 in Auckland
        (dt.datetime(2024, 12, 31, 11, 0, tzinfo=dt.UTC), "2025"),  # midnight in Auckland
        (dt.datetime(2025, 1, 1, 0, 0, tzinfo=ZoneInfo("Pacific/Auckland")), "2025"),
        (dt.datetime(2024, 12, 31, 23, 0, tzinfo=ZoneInfo("America/Lima")), "2025"),
        (dt.datetime(2025, 1, 1, 0, 59, tzinfo=ZoneInfo("Pacific/Kiritimati")), "2024"),
        (dt.datetime(2024, 12, 31, 23, 59), "2024"),  # without a zone: the scheme's own
        (dt.datetime(2025, 1, 1, 0, 0), "2025"),
    ],
)
def test_the_day_of_an_instant_is_the_schemes_own(scheme: Scheme, instant: dt.datetime, year: str) -> None:
    policy = scheme(policy={"outputs": [{"name": "year", "decimals": "0"}]})
    assert str(policy.one({**BARGE, "day": instant})["year"]) == year


def test_only_the_branch_taken_is_evaluated(scheme: Scheme) -> None:
    policy = scheme()
    read = records.Record(policy.program, {**BARGE, "kind": "c"})
    assert records.answer(read)["status"] == "excluded"
    fresh = records.Record(policy.program, {**BARGE, "kind": "c"})
    assert fresh.word(policy.program.rules["ground"]) == "small_craft"
    given = policy.program.rules["ground"].args[0].args[2]  # what applies to other kinds
    assert id(given) not in fresh._memo


def test_a_cell_is_shown_as_a_person_writes_it(scheme: Scheme) -> None:
    program = scheme().program
    read = records.Record(program, BARGE)
    shown = {name: read.shown(program.inputs[name]) for name in program.inputs}
    assert shown == {
        "kind": "a", "noise": Decimal("103.99"), "mass_kg": Decimal(100), "day": dt.date(2024, 5, 1), "exempt": False,
        "port": "north",
    }  # fmt: skip


@pytest.mark.parametrize(("a", "b", "quotient"), [(7, 2, 3), (-7, 2, -3), (-1, 2, 0), (0, 5, 0), (-6, 3, -2)])
def test_truncation_goes_toward_zero(a: int, b: int, quotient: int) -> None:
    assert records.truncated(a, b) == quotient


LEAP = """

def later(day, years):
    return add_years(day, years)


def is_old(later, since):
    return later <= since
"""


@pytest.mark.parametrize(
    ("day", "since", "old"),
    [
        ("2004-05-01", "2044-04-30", False),
        ("2004-05-01", "2044-05-01", True),
        ("2004-02-29", "2044-02-29", True),
        ("2004-02-29", "2043-12-31", False),
        ("2003-02-28", "2043-02-28", True),
    ],
)
def test_years_are_added_for_comparison(scheme: Scheme, day: str, since: str, old: bool) -> None:
    policy = scheme(more_rules=LEAP, policy={**inputs(
        {"name": "years", "type": "integer", "unit": "year", "min": "0", "max": "99"},
        {"name": "since", "type": "date", "min": "2000-01-01", "max": "2050-12-31"},
    ), "outputs": [{"name": "is_old"}]})  # fmt: skip
    assert policy.one({**BARGE, "day": day, "since": since, "years": 40})["is_old"] is old


def test_nothing_is_kept_between_records(scheme: Scheme) -> None:
    policy = scheme()
    barge: dict[str, Any] = dict(BARGE)
    first = policy.one(barge)
    policy.one({"kind": "zz"})
    assert policy.one(barge) == first
    assert barge == BARGE
