"""The table of duties: sums before shares, incomplete groups, and what holds for any plans."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanfleet import policies
from cleanfleet.policies.co_zero_emission.shares import Duty
from cleanfleet.tables.assess_file import assess_file

POLICY = policies.load("co-zero-emission", known="2026-11-22")
HEAD = "kind,entity,entity_kind,municipality_category,year,on,vehicles_acquired,zero_emission_acquired,dedicated_gas_acquired,fleet_vehicles,fleet_zero_emission"  # noqa: E501


def duties(folder: Path, *lines: str, head: str = HEAD) -> list[dict[str, Any]]:
    path = folder / "plans.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    found = assess_file(path, POLICY, summarise=True).summary
    assert found is not None
    return found.rows(named=True)


def test_a_refused_contract_leaves_its_year_undetermined_and_no_other(tmp_path: Path) -> None:
    rows = duties(
        tmp_path,
        "purchase_plan,A,government,first,2026,,10,3,,,",
        "purchase_plan,A,government,first,2026,,x,3,,,",
        "purchase_plan,A,government,first,2027,,10,2,,,",
        "purchase_plan,B,government,first,2026,,10,2,,,",
    )
    told = [(row["entity"], row["when"], row["status"], row["reason"], row["required"], row["shortfall"]) for row in rows]
    assert told == [
        ("A", "2026", "not_determined", "rows_refused:1", None, None),
        ("A", "2027", "not_met", None, 3, 1),
        ("B", "2026", "not_met", None, 3, 1),
    ]


def test_a_contract_of_an_unreadable_year_stands_against_all_years_of_its_entity(tmp_path: Path) -> None:
    rows = duties(
        tmp_path,
        "purchase_plan,A,government,first,2026,,10,3,,,",
        "purchase_plan,A,government,first,soon,,1,0,,,",
        "purchase_plan,B,government,first,2026,,10,3,,,",
    )
    assert [(row["entity"], row["status"], row["reason"]) for row in rows] == [
        ("A", "not_determined", "rows_refused:1"), ("B", "met", None),
    ]  # fmt: skip


def test_a_record_of_unknown_kind_stands_against_every_group(tmp_path: Path) -> None:
    rows = duties(tmp_path, "purchase_plan,A,government,first,2026,,10,3,,,", "frog,B,government,first,2026,,10,3,,,")
    assert [row["status"] for row in rows] == ["not_determined"]


def test_a_plan_without_any_answer_stands_in_the_table(tmp_path: Path) -> None:
    rows = duties(tmp_path, "purchase_plan,A,government,first,2026,,10,,,,")
    assert [(row["entity"], row["when"], row["duty"], row["status"], row["reason"]) for row in rows] == [
        ("A", "2026", "acquisitions", "not_determined", "rows_not_determined:1")
    ]


def test_stations_and_car_parks_without_any_answer_stand_in_the_table(tmp_path: Path) -> None:
    head = "kind,entity,municipality,municipality_category,on,fast,working,publicly_accessible,parking_spaces"
    rows = duties(
        tmp_path,
        "charging,,cali,,2026-01-01,yes,yes,yes,",
        "charging,,cali,,2026-01-01,yes,yes,yes,",
        "parking,Mall,,special,2026-01-01,,,,45",
        head=head,
    )
    assert [(row["kind"], row["municipality"], row["entity"], row["status"], row["reason"]) for row in rows] == [
        ("charging", "cali", None, "not_determined", "rows_not_determined:2"),
        ("parking", None, "Mall", "not_determined", "rows_not_determined:1"),
    ]


def test_several_fleets_of_one_year(tmp_path: Path) -> None:
    """The fleet at the latest day counts; two on the same day contradict each other."""
    early = "purchase_plan,A,mass_transit,special,2030,2030-03-01,10,4,3,100,10"
    late = "purchase_plan,A,mass_transit,special,2030,2030-09-01,10,4,3,100,20"
    fleet = next(row for row in duties(tmp_path, early, late) if row["duty"] == "law1972_fleet")
    assert (fleet["total"], fleet["achieved"], fleet["required"], fleet["status"]) == (100, 20, 20, "met")
    other = late.replace(",100,20", ",120,20")
    fleet = next(row for row in duties(tmp_path, late, other) if row["duty"] == "law1972_fleet")
    assert (fleet["status"], fleet["reason"]) == ("not_determined", "contradiction:fleet_vehicles")


def test_gas_is_missing_where_one_contract_does_not_tell_it(tmp_path: Path) -> None:
    rows = duties(
        tmp_path,
        "purchase_plan,A,mass_transit,special,2026,2026-03-01,10,4,3,,",
        "purchase_plan,A,mass_transit,special,2026,2026-04-01,10,4,,,",
    )
    found = {row["duty"]: row for row in rows}
    gas = found["law2128_gas"]
    assert (gas["status"], gas["reason"], gas["total"], gas["required"], gas["achieved"]) == (
        "not_determined", "missing:dedicated_gas_acquired", 20, 6, None,
    )  # fmt: skip
    assert (found["all_duties"]["status"], found["all_duties"]["required"]) == ("not_determined", 8)
    assert found["bus_schedule"]["status"] == "met"


def test_two_categories_of_one_municipality_contradict_each_other(tmp_path: Path) -> None:
    head = "kind,municipality,municipality_category,on,stations,fast,working,publicly_accessible"
    rows = duties(
        tmp_path,
        "charging,cali,special,2026-01-01,3,yes,yes,yes",
        "charging,cali,second,2026-01-01,2,yes,yes,yes",
        head=head,
    )
    assert [(row["status"], row["reason"]) for row in rows] == [
        ("not_determined", "contradiction:municipality_not_bound; none")
    ]


def test_stations_before_the_law(tmp_path: Path) -> None:
    head = "kind,municipality,municipality_category,on,stations,fast,working,publicly_accessible"
    rows = duties(
        tmp_path,
        "charging,cali,special,2019-07-10,3,yes,yes,yes",
        "charging,cali,special,2019-07-11,3,yes,yes,yes",
        head=head,
    )
    assert [row["duty"] for row in rows] == ["charging_stations", "charging_stations", "new_building_charging"]
    told = [(row["status"], row["reason"], row["required"]) for row in rows[:2]]
    assert told == [("not_applicable", "before_duty", None), ("not_due", None, 5)]


def test_car_parks_of_one_establishment_are_rounded_one_by_one(tmp_path: Path) -> None:
    head = "kind,entity,municipality_category,on,parking_spaces,electric_parking_spaces"
    lines = ["parking,Mall,special,2026-01-01,45,1", "parking,Mall,special,2026-01-01,45,0"]
    (row,) = duties(tmp_path, *lines, head=head)
    assert (row["required"], row["shortfall"], row["status"], row["flags"]) == (2, 1, "not_met", "doubtful:parking_rounding")


def test_only_vehicles_have_no_duty(tmp_path: Path) -> None:
    assert duties(tmp_path, "vehicle,2026-01-01,battery_electric", head="kind,on,powertrain") == []


SHARES = st.sampled_from([Decimal(1), *(Decimal(n) / 10 for n in range(1, 10)), Decimal("0.125")])


@given(SHARES, st.integers(0, 5000), st.data())
def test_shortfall_and_extra_are_the_smallest_that_satisfy(share: Decimal, total: int, data: st.DataObject) -> None:
    achieved = data.draw(st.integers(0, total))
    duty = Duty(share, total, achieved)
    part = Fraction(share)
    assert achieved + duty.shortfall >= part * total
    assert duty.shortfall == 0 or achieved + duty.shortfall - 1 < part * total
    if duty.extra is None:
        assert share == 1
        assert duty.shortfall
    else:
        assert achieved + duty.extra >= part * (total + duty.extra)
        assert duty.extra == 0 or achieved + duty.extra - 1 < part * (total + duty.extra - 1)


ROWS = st.lists(
    st.tuples(st.sampled_from("AB"), st.sampled_from([2025, 2026, 2031]), st.integers(0, 60), st.integers(0, 100)),
    min_size=1,
    max_size=12,
)


def frame(rows: list[tuple[str, int, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "kind": ["purchase_plan"] * len(rows),
            "entity": [row[0] for row in rows],
            "entity_kind": ["mass_transit"] * len(rows),
            "year": [row[1] for row in rows],
            "vehicles_acquired": [row[2] for row in rows],
            "zero_emission_acquired": [row[2] * row[3] // 100 for row in rows],
            "dedicated_gas_acquired": [0] * len(rows),
        }
    )


def table(*parts: pl.DataFrame) -> list[dict[str, Any]]:
    summary = POLICY.summary()
    for part in parts:
        summary.add(POLICY.assess(part, also=summary.needs).frame)
    found: list[dict[str, Any]] = summary.frame().rows(named=True)
    return found


@settings(max_examples=40, deadline=None)
@given(ROWS, st.data())
def test_parts_and_whole_come_to_the_same_and_nothing_is_lost(
    rows: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    whole = table(frame(rows))
    cut = data.draw(st.integers(0, len(rows)))
    assert table(*(frame(part) for part in (rows[:cut], rows[cut:]) if part)) == whole
    sums: Counter[tuple[str, str]] = Counter()
    for entity, year, acquired, _ in rows:
        sums[entity, str(year)] += acquired
    assert {(row["entity"], row["when"]): row["total"] for row in whole if row["duty"] == "all_duties"} == dict(sums)
    for row in whole:
        if row["duty"] == "bus_schedule" and row["status"] != "not_applicable":
            assert row["required"] == ceil(Fraction(row["required_share"]) * row["total"])
            assert (row["status"] == "met") == (row["achieved"] >= row["total"] * row["required_share"])


@pytest.mark.parametrize("acquired", [1, 2, 3, 10, 95, 100])
def test_one_contract_is_its_own_plan(acquired: int) -> None:
    """A single row and the table agree."""
    for zero in {0, 1, acquired // 2, acquired}:
        for year in (2025, 2027, 2031, 2035):
            given_ = {"kind": "purchase_plan", "entity_kind": "mass_transit", "year": year, "vehicles_acquired": acquired,
                      "zero_emission_acquired": zero}  # fmt: skip
            one = POLICY.one(given_)
            row = next(row for row in table(pl.DataFrame([given_])) if row["duty"] == "bus_schedule")
            assert (row["status"], row["required"], row["shortfall"], row["extra"], row["achieved_share"]) == (
                one["status"], one["required_vehicles"], one["shortfall_vehicles"], one["extra_vehicles"], one["achieved_share"],
            )  # fmt: skip
