"""Colombia's rules against the second checker: every answer column of every row, on Polars and DuckDB and one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pytest

from cleanfleet import policies

from . import co_zero_emission as oracle

#: Shares are compared in units of their last place.
PLACES = {"achieved_share": 6} | dict.fromkeys(
    [
        "required_share", "law1972_required_share", "gas_required_share", "tax_rate_max", "tax_rate_ordinary", "insurance_discount",
        "inspection_discount", "local_tax_discount", "local_registration_discount", "local_parking_discount",
    ],
    4,
)  # fmt: skip
TYPES = {"on": pl.Date} | dict.fromkeys(["fast", "working", "publicly_accessible"], pl.Boolean)
POLICY = policies.load("co-zero-emission", known="2026-11-22")


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    whole = dict.fromkeys([*oracle.WHOLE, "year"], pl.Int64)
    schema = {**dict.fromkeys(oracle.CHOICES, pl.String), **whole, **TYPES}
    return pl.DataFrame(rows, schema=schema).with_row_index("place")


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """An answer in the second checker's terms."""
    found: dict[str, Any] = {"status": row["status"]}
    for name in ("reason", "flags"):
        found[name] = set((row[name] or "").split("; ")) - {""}
    for name in oracle.FIGURES:
        value = row[name]
        if isinstance(value, Decimal):
            value = int(value.scaleb(PLACES.get(name, 0)))
        found[name] = value
    return found


def answers(engine: str, frame: pl.DataFrame) -> Iterator[Mapping[str, Any]]:
    if engine == "polars":
        yield from POLICY.assess(frame).frame.iter_rows(named=True)
        return
    with duckdb.connect() as session:
        relation = session.from_arrow(frame.to_arrow())
        found = pl.DataFrame(pl.from_arrow(POLICY.assess(relation).frame.to_arrow_table()))
    yield from found.sort("place").iter_rows(named=True)


def differences(engine: str, rows: list[dict[str, Any]]) -> list[Any]:
    """The rows that differ: (record, column, ours, theirs)."""
    wrong = []
    count = 0
    for row, answer in zip(rows, answers(engine, table(rows)), strict=True):
        count += 1
        ours, theirs = plain(answer), oracle.answer(row)
        wrong += [(row, name, ours[name], theirs[name]) for name in theirs if ours[name] != theirs[name]]
    assert count == len(rows)
    return wrong


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_ten_thousand_records(engine: str) -> None:
    assert differences(engine, oracle.records(10_000, 1964))[:3] == []


def test_one_by_one() -> None:
    for row in oracle.records(500, 2128):
        assert plain(POLICY.one(row)) == oracle.answer(row), row


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_a_hundred_thousand_records(engine: str) -> None:
    assert differences(engine, oracle.records(100_000, 1972))[:3] == []


def test_the_random_records_reach_everything() -> None:
    """Every status, every reason of the scheme, every flag and every figure comes up."""
    found = [oracle.answer(row) for row in oracle.records(10_000, 1964)]
    program = POLICY.program
    assert {answer["status"] for answer in found} == set(program.rules["verdict"].words) | {"not_determined", "refused"}
    reasons = set().union(*(answer["reason"] for answer in found))
    assert {reason for reason in reasons if ":" not in reason} == set(program.rules["ground"].words) - {"none"}
    assert {reason for reason in reasons if reason.startswith("contradiction:")} == set(program.check_cells)
    assert {reason for reason in reasons if reason.startswith("missing:")} == {f"missing:{name}" for name in MISSING}
    assert {f for answer in found for f in answer["flags"]} == {"other_base_disagrees"} | {
        mark for mark in program.flag_cells if mark.startswith("doubtful:")
    }
    local = {"local_tax_discount", "local_registration_discount", "local_parking_discount", "tax_after_local_cop"}
    for name in set(oracle.FIGURES) - local:
        assert any(answer[name] is not None for answer in found), name


#: What can be lacking; other columns are asked for only where they are given, other figures of the law only where they are known.
MISSING = {
    "kind", "on", "year", "municipality", "municipality_category", "powertrain", "entity_kind", "vehicles_acquired",
    "zero_emission_acquired", "fleet_zero_emission", "fast", "working", "publicly_accessible", "parking_spaces",
    "electric_parking_spaces", "registered_electric", "national_target", "tax_bracket_low_cop", "tax_rate_low", "tax_rate_high",
    "tax_rate_motorcycle", "local_tax_discount", "local_registration_discount", "local_parking_discount",
}  # fmt: skip


def test_the_comparison_can_fail() -> None:
    """A policy under another reading differs from the checker in the rows concerned, and in no others."""
    other = policies.load("co-zero-emission", known="2026-11-22", readings={"plug_in_hybrids": "seed"})
    rows = oracle.records(2_000, 7)
    wrong = {
        index
        for index, (row, answer) in enumerate(zip(rows, other.assess(table(rows)).frame.iter_rows(named=True), strict=True))
        if plain(answer) != oracle.answer(row)
    }
    assert wrong
    assert {(rows[index]["kind"], rows[index]["powertrain"]) for index in wrong} == {("vehicle", "plug_in_hybrid")}
