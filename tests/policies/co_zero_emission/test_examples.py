"""Every worked example of examples.yaml: by one record, by a table of one row, on DuckDB, and through the table of duties."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import read_yaml

POLICY = "co-zero-emission"
ROOT = Path(__file__).parents[3]
DEFINITION = policies.definition(POLICY)
FILE = read_yaml(DEFINITION.folder / "examples.yaml")
EXAMPLES: list[dict[str, Any]] = FILE["examples"]
STATEMENTS: list[dict[str, Any]] = FILE["statements"]
KEYS = {
    "id", "title", "why", "facts", "source", "reference", "confidence", "known", "overlays", "readings", "min_grade", "record",
    "expect", "cases", "values", "duties",
}  # fmt: skip


def law(example: Mapping[str, Any]) -> Policy:
    return _law(
        example["known"], tuple(example.get("overlays") or ()), tuple((example.get("readings") or {}).items()),
        example.get("min_grade"),
    )  # fmt: skip


@cache
def _law(known: str, overlays: tuple[str, ...], readings: tuple[tuple[str, str], ...], min_grade: str | None) -> Policy:
    return policies.load(POLICY, known=known, values=overlays, readings=dict(readings), min_grade=min_grade)


def typed(*records: Mapping[str, str]) -> pl.DataFrame:
    """The records as a table, with the types that a table has."""
    kinds = {column.name: column.kind for column in DEFINITION.inputs}
    types: dict[str, Any] = {"integer": pl.Int64, "date": pl.Date, "boolean": pl.Boolean}
    read = {"integer": int, "date": dt.date.fromisoformat, "boolean": lambda text: text == "yes"}
    names = list(dict.fromkeys(name for record in records for name in record))
    return pl.DataFrame(
        {
            name: pl.Series(
                name,
                [None if name not in r else read.get(kinds[name], str)(r[name]) for r in records],
                dtype=types.get(kinds[name], pl.String),
            )
            for name in names
        }
    )


def same(found: object, expected: str | None) -> bool:
    """Whether a figure is the typed one: numbers as exact decimals, all else as text."""
    if found is None or expected is None:
        return found is expected
    if isinstance(found, Decimal | int) and not isinstance(found, bool):
        return Decimal(found) == Decimal(expected)
    return str(found) == expected


def cases() -> Iterator[Any]:
    for example in EXAMPLES:
        if "record" in example and "duties" not in example:
            for number, case in enumerate(example.get("cases") or [example], 1):
                record = {**example["record"], **(case.get("record") or {})}
                label = f"{example['id']}-{number}" if "cases" in example else example["id"]
                yield pytest.param(example, record, case["expect"], id=label)


@pytest.mark.parametrize(("example", "record", "expect"), list(cases()))
def test_record(example: dict[str, Any], record: dict[str, str], expect: dict[str, str | None]) -> None:
    assert expect
    policy = law(example)
    one = policy.one(record)
    row = policy.assess(typed(record)).frame.row(0, named=True)
    for name, value in expect.items():
        for found in (one, row):
            assert same(found[name], value), (name, found[name])


def test_duckdb_gives_the_same() -> None:
    """All cases of one reading of the law in one table."""
    together: dict[Policy, list[tuple[Any, Any]]] = {}
    for case in cases():
        example, record, expect = case.values
        together.setdefault(law(example), []).append((record, expect))
    assert len(together) > 5
    for policy, those in together.items():
        frame = typed(*(record for record, _ in those)).with_row_index("place")
        relation = duckdb.connect().from_arrow(frame.to_arrow())
        rows = sorted(policy.assess(relation).frame.to_arrow_table().to_pylist(), key=lambda row: row["place"])
        for row, (record, expect) in zip(rows, those, strict=True):
            for name, value in expect.items():
                assert same(row[name], value), (record, name, row[name])


@pytest.mark.parametrize("example", [pytest.param(e, id=e["id"]) for e in EXAMPLES if "values" in e])
def test_values(example: dict[str, Any]) -> None:
    policy = law(example)
    for place in example["values"]:
        keys = {key: word for key, word in place.items() if key not in ("name", "on", "period", "value")}
        period = int(place["period"]) if "period" in place else None
        value, record = policy.value(place["name"], on=place.get("on"), period=period, **keys)
        assert same(value, place["value"]), place
        assert value is None or (record is not None and record.references)


@pytest.mark.parametrize("example", [pytest.param(e, id=e["id"]) for e in EXAMPLES if "duties" in e])
def test_duties(example: dict[str, Any]) -> None:
    policy = law(example)
    records = [{**example["record"], **record} for record in example["duties"]["records"]]
    summary = policy.summary()
    for record in records:  # one by one: parts of a file are summed too
        summary.add(policy.assess(typed(record), also=summary.needs).frame)
    rows = summary.frame().rows(named=True)
    assert len(rows) == len(example["duties"]["expect"])
    for row, expect in zip(rows, example["duties"]["expect"], strict=True):
        for name, value in expect.items():
            assert same(row[name], value), (name, row[name])


def test_the_file_says_what_each_example_is() -> None:
    assert set(FILE) == {"examples", "statements"}
    ids = [example["id"] for example in EXAMPLES]
    assert len(ids) == len(set(ids))
    for example in EXAMPLES:
        assert set(example) <= KEYS, example["id"]
        assert example["title"]
        assert len(example["why"]) > 20
        assert set(example.get("source") or ()) <= set(DEFINITION.sources), example["id"]
        assert example.get("source") or example.get("reference"), example["id"]
        assert all(set(one) == {"title", "url"} for one in example.get("reference") or ())
        assert example["confidence"] in {grade.grade for grade in DEFINITION.grades}
        assert dt.date.fromisoformat(example["known"])
        assert set(example.get("overlays") or ()) <= set(DEFINITION.overlays())
        assert sum(key in example for key in ("expect", "cases", "values", "duties")) == 1, example["id"]


def test_every_reason_code_is_hit() -> None:
    """All words of the reason's rule, and each way to be refused or not determined that the scheme itself knows."""
    words = set(law(EXAMPLES[0]).program.rules["ground"].words) - {"none"}
    reasons = {case.values[2].get("reason") for case in cases()}
    assert {reason for reason in reasons if reason and ":" not in reason} == words


def test_every_source_is_used() -> None:
    used = {r.tag for value in DEFINITION.values.values() for record in value.records for r in record.references}
    used |= {entry["source"] for entry in DEFINITION.header["instruments"]}
    used |= {tag for example in EXAMPLES for tag in example.get("source") or ()}
    assert set(DEFINITION.sources) == used - {""}  # "": a reference that stands with its value


# -- the table of what the seed document says


def test_every_statement_of_the_seed_is_reproduced_or_marked() -> None:
    ids = {example["id"] for example in EXAMPLES}
    assert [statement["id"] for statement in STATEMENTS] == [f"Z{number}" for number in range(1, 35)]
    for statement in STATEMENTS:
        assert set(statement) <= {"id", "seed", "facts", "result", "used", "examples"}
        assert statement["result"] in ("reproduced", "garbled")
        assert statement["used"]
        assert statement["examples"]
        assert set(statement["examples"]) <= {*ids, "header"}
        assert statement["result"] == "reproduced" or statement["facts"]
    found = {tag for statement in STATEMENTS for tag in (statement.get("facts") or "").split(", ") if tag}
    assert found == {f"B{number}" for number in range(1, 12)}


def test_the_docs_table_is_the_same_and_complete() -> None:
    text = (ROOT / "docs" / "co-zero-emission.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if re.match(r"\| Z\d+ \|", line)
    ]
    assert rows == [
        [s["id"], s["seed"], s.get("facts") or "", s["result"], s["used"], ", ".join(s["examples"])] for s in STATEMENTS
    ]


def test_examples_are_json_clean() -> None:
    """Only texts, lists and mappings: nothing was typed as a binary number or a date."""
    assert json.loads(json.dumps(FILE)) == FILE
