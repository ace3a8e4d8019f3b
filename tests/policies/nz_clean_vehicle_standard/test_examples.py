"""Every published figure of examples.yaml: by one record, by a table of one row, and through the fleet's year."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.law.policy import Policy
from cleanfleet.law.records import Record
from cleanfleet.law.values import Overlay, load_overlay, read_yaml

POLICY = "nz-clean-vehicle-standard"
DEFINITION = policies.definition(POLICY)
FILE = read_yaml(DEFINITION.folder / "examples.yaml")
EXAMPLES: list[dict[str, Any]] = FILE["examples"]
KEYS = {
    "id", "title", "why", "facts", "source", "reference", "confidence", "known", "overlays", "overlay", "readings", "record",
    "expect", "rules", "cases", "values", "fleet",
}  # fmt: skip


def law(example: Mapping[str, Any], folder: Path) -> Policy:
    overlays: list[str | Path | Overlay] = list(example.get("overlays") or ())
    if "overlay" in example:
        # the example's own overlay, through the same door as a user's file
        path = folder / f"{example['id']}.yaml"
        path.write_text(json.dumps(example["overlay"]), encoding="utf-8")
        overlays.append(load_overlay(path, DEFINITION.values, DEFINITION.grades, DEFINITION.sources))
    return policies.load(POLICY, known=example["known"], values=overlays, readings=example.get("readings"))


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
        elif kind == "date":
            value = dt.date.fromisoformat(text)
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
        if "record" in example and "fleet" not in example:
            for number, case in enumerate(example.get("cases") or [example], 1):
                record = {**example["record"], **(case.get("record") or {})}
                label = f"{example['id']}-{number}" if "cases" in example else example["id"]
                yield pytest.param(example, record, case.get("expect") or {}, case.get("rules") or {}, id=label)


@pytest.mark.parametrize(("example", "record", "expect", "rules"), list(cases()))
def test_vehicle(
    example: dict[str, Any], record: dict[str, str], expect: dict[str, str], rules: dict[str, str], tmp_path: Path
) -> None:
    assert expect or rules
    policy = law(example, tmp_path)
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
    assert one["status"] == "determined" or not expect


@pytest.mark.parametrize("example", [pytest.param(e, id=e["id"]) for e in EXAMPLES if "values" in e])
def test_values(example: dict[str, Any], tmp_path: Path) -> None:
    policy = law(example, tmp_path)
    for place in example["values"]:
        keys = {key: word for key, word in place.items() if key not in ("name", "on", "period", "value")}
        period = int(place["period"]) if "period" in place else None
        value, record = policy.value(place["name"], on=place.get("on"), period=period, **keys)
        assert same(value, place["value"]), place
        assert value is None or (record is not None and record.references)


@pytest.mark.parametrize("example", [pytest.param(e, id=e["id"]) for e in EXAMPLES if "fleet" in e])
def test_fleet(example: dict[str, Any], tmp_path: Path) -> None:
    policy = law(example, tmp_path)
    summary = policy.summary()
    for record in example["fleet"]["records"]:
        summary.add(policy.assess(typed({**example["record"], **record}), also=summary.needs).frame)
    rows = summary.frame().rows(named=True)
    assert len(rows) == len(example["fleet"]["expect"])
    for row, expect in zip(rows, example["fleet"]["expect"], strict=True):
        for name, value in expect.items():
            assert same(row[name], value), (name, row[name])


def test_the_file_says_what_each_example_is() -> None:
    assert set(FILE) == {"examples", "not_testable"}
    ids = [example["id"] for example in EXAMPLES]
    assert len(ids) == len(set(ids))
    overlays = DEFINITION.overlays()
    for example in EXAMPLES:
        assert set(example) <= KEYS, example["id"]
        assert example["title"]
        assert len(example["why"]) > 20
        assert set(example.get("source") or ()) <= set(DEFINITION.sources), example["id"]
        assert example.get("source") or example.get("reference"), example["id"]
        assert all(set(one) == {"title", "url"} for one in example.get("reference") or ())
        assert example["confidence"] in {grade.grade for grade in DEFINITION.grades}
        assert dt.date.fromisoformat(example["known"])
        assert set(example.get("overlays") or ()) <= set(overlays)
        assert sum(key in example for key in ("expect", "cases", "values", "fleet")) == 1, example["id"]


def test_every_published_example_is_run_or_has_a_reason() -> None:
    lists = [*EXAMPLES, *FILE["not_testable"]]
    named = {number.strip() for entry in lists for number in (entry.get("facts") or "").split(",") if number}
    assert named == {f"E{number}" for number in range(1, 11)}
    for entry in FILE["not_testable"]:
        assert set(entry) <= {"example", "facts", "reason"}
        assert entry["reason"]
