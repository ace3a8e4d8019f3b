"""Every figure of examples.yaml: by one record, by a table of one row, and through the company's year."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.law.policy import Policy
from cleanfleet.law.records import Record
from cleanfleet.law.values import read_yaml

POLICY = "cn-dual-credit"
DEFINITION = policies.definition(POLICY)
FILE = read_yaml(DEFINITION.folder / "examples.yaml")
EXAMPLES: list[dict[str, Any]] = FILE["examples"]
KEYS = {
    "id", "title", "why", "source", "confidence", "known", "readings", "record", "expect", "rules", "cases", "values", "companies",
}  # fmt: skip


def law(example: Mapping[str, Any]) -> Policy:
    return policies.load(POLICY, known=example["known"], readings=example.get("readings"))


def typed(record: Mapping[str, str]) -> pl.DataFrame:
    """The record as a table of one row, with the types that a table has."""
    kinds = {column.name: column for column in DEFINITION.inputs}
    cells: dict[str, pl.Series] = {}
    for name, text in record.items():
        kind = kinds[name].kind
        value: Any = text
        if kind == "integer":
            value = int(text)
        elif kind == "decimal":
            value = Decimal(text)
        elif kind == "boolean":
            value = text == "true"
        cells[name] = pl.Series(name, [value])
    return pl.DataFrame(cells)


def same(found: object, expected: str | None) -> bool:
    """Whether a figure is the typed one: numbers as exact decimals, all else as text."""
    if found is None or expected is None:
        return found is expected
    if isinstance(found, Decimal | int) and not isinstance(found, bool):
        return Decimal(found) == Decimal(expected)
    return str(found) == expected


def cases() -> Iterator[Any]:
    for example in EXAMPLES:
        if "record" in example and "companies" not in example:
            for number, case in enumerate(example.get("cases") or [example], 1):
                record = {**example["record"], **(case.get("record") or {})}
                label = f"{example['id']}-{number}" if "cases" in example else example["id"]
                yield pytest.param(example, record, case.get("expect") or {}, case.get("rules") or {}, id=label)


@pytest.mark.parametrize(("example", "record", "expect", "rules"), list(cases()))
def test_vehicle(
    example: dict[str, Any],
    record: dict[str, str],
    expect: dict[str, str],
    rules: dict[str, str],
) -> None:
    assert expect or rules
    policy = law(example)
    one = policy.one(record)
    row = policy.assess(typed(record), also=list(rules)).frame.row(0, named=True)
    read = Record(policy.program, record)
    for name, value in expect.items():
        assert same(one[name], value), (name, one[name])
        assert same(row[name], value), (name, row[name])
    for name, value in rules.items():
        assert same(read.shown(policy.program.rules[name]), value)
        assert same(row[name], value), (name, row[name])
    assert one["status"] == row["status"]


@pytest.mark.parametrize("example", [pytest.param(e, id=e["id"]) for e in EXAMPLES if "values" in e])
def test_values(example: dict[str, Any]) -> None:
    policy = law(example)
    for place in example["values"]:
        keys = {key: word for key, word in place.items() if key not in ("name", "on", "period", "value")}
        period = int(place["period"]) if "period" in place else None
        value, record = policy.value(place["name"], on=place.get("on"), period=period, **keys)
        assert same(value, place["value"]), place
        assert value is None or (record is not None and record.references)


@pytest.mark.parametrize("example", [pytest.param(e, id=e["id"]) for e in EXAMPLES if "companies" in e])
def test_companies(example: dict[str, Any]) -> None:
    summary = law(example).summary()
    policy = summary.policy
    for record in example["companies"]["records"]:
        row = {**example["record"], **record}
        frame = typed(row)
        texts = frame.select([name for name in ("entity",) if name in frame.columns])
        summary.add(
            texts.hstack(
                policy.assess(frame.drop("entity", strict=False), also=summary.needs).frame.select(
                    *policy.table(summary.needs).names()
                )
            )
        )
    rows = summary.frame().rows(named=True)
    assert len(rows) == len(example["companies"]["expect"])
    for row, expect in zip(rows, example["companies"]["expect"], strict=True):
        for name, value in expect.items():
            assert same(row[name], value), (row["entity"], name, row[name])


def test_the_file_says_what_each_example_is() -> None:
    assert set(FILE) == {"examples", "not_testable"}
    ids = [example["id"] for example in EXAMPLES]
    assert len(ids) == len(set(ids))
    for example in EXAMPLES:
        assert set(example) <= KEYS, example["id"]
        assert example["title"]
        assert len(example["why"]) > 10
        assert set(example["source"]) <= set(DEFINITION.sources), example["id"]
        assert example["confidence"] in {grade.grade for grade in DEFINITION.grades}
        assert dt.date.fromisoformat(example["known"])
        assert sum(key in example for key in ("expect", "cases", "values", "companies")) == 1, example["id"]
    assert all(entry["example"] and entry["reason"] for entry in FILE["not_testable"])
