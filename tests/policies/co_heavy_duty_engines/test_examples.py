"""Every worked example of examples.yaml: as one report, and as a table on Polars and DuckDB."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import read_yaml
from cleanfleet.tables.assess_file import assess_file

POLICY = "co-heavy-duty-engines"
KNOWN = "2026-11-22"
DEFINITION = policies.definition(POLICY)
FILE = read_yaml(DEFINITION.folder / "examples.yaml")
LINES = {"pn_per_kwh": "pn", "nh3_ppm": "nh3"}
#: The rows and notes of the seed's three tables, as docs/co-heavy-duty-engines.md numbers them.
SEED = {
    *(f"T1.{n}" for n in range(1, 7)),
    *(f"T2.{n}" for n in (1, 2, 3, 4, *"abcde")),
    *(f"T3.{n}" for n in (1, 2, 3, 4, 5, *"abc")),
}

Rows = list[dict[str, str]]
Case = tuple[str, str, dict[str, str], Rows, dict[str, str | None]]


@cache
def law(known: str = KNOWN, readings: tuple[tuple[str, str], ...] = ()) -> Policy:
    return policies.load(POLICY, known=known, readings=dict(readings))


def rows_of(report: str, record: Mapping[str, str] | None = None, rows: Rows | None = None) -> Rows:
    base = FILE["reports"][report]
    return [{"report": "R1", **base["record"], **(record or {}), **row} for row in copy.deepcopy(rows or base["rows"])]


def put(rows: Rows, cycle: str | None, cells: Mapping[str, str]) -> Rows:
    """The rows with cells of one cycle (or of all) changed."""
    hit = [row for row in rows if cycle is None or row["cycle"] == cycle]
    assert hit
    for row in hit:
        row.update(cells)
    return rows


def clear_hc(column: str) -> dict[str, str]:
    """hc and thc are one result: the other one is left out."""
    return {"hc": {"thc": ""}, "thc": {"hc": ""}}.get(column, {})


def cases() -> Iterator[tuple[str, str, tuple[tuple[str, str], ...], Rows, dict[str, str | None]]]:
    for e in FILE["limits"]:
        for how in ("equal", "below", "above"):
            line = e.get("pollutant", e["column"])
            rows = put(rows_of(e["report"]), e["cycle"], {e["column"]: e[how], **clear_hc(e["column"])})
            expect = (
                {"status": "fail", "reason": f"over:{line}:{e['cycle']}"}
                if how == "above"
                else {"status": "pass", "reason": None}
            )
            yield f"{e['report']}-{e['cycle']}-{e['column']}-{e[how]}", KNOWN, (), rows, expect
    for e in FILE["doubtful"]:
        for part in [{"readings": {}, "cases": e["cases"]}, *e["readings"]]:
            readings = tuple(part["readings"].items())
            for result, status, reason in part["cases"]:
                rows = put(rows_of(e["report"], e.get("record")), e.get("cycle"), {e["column"]: result or ""})
                label = f"{e['id']}-{result}-{'-'.join(part['readings'].values())}"
                yield label, KNOWN, readings, rows, {"status": status, "reason": reason or None}
    for e in FILE["boundaries"]:
        for day in e["days"]:
            expect = {"reason": None, **{name: value for name, value in day.items() if name != "on"}}
            yield (
                f"{e['id']}-{day['on']}",
                KNOWN,
                (),
                put(rows_of(e["report"], e.get("record")), None, {"on": day["on"]}),
                expect,
            )
    for e in FILE["known"]:
        for day in e["days"]:
            expect = {"reason": None, **{name: value for name, value in day.items() if name != "known"}}
            yield f"{e['id']}-{day['known']}", day["known"], (), rows_of(e["report"], e.get("record"), e.get("rows")), expect
    for e in FILE["examples"]:
        for number, case in enumerate(e["cases"], 1):
            rows = rows_of(e["report"], case.get("record"), case.get("rows"))
            for cycle, cells in (case.get("cells") or {}).items():
                put(rows, cycle, cells)
            expect = {"reason": None, **case["expect"]}
            yield f"{e['id']}-{number}", KNOWN, tuple((case.get("readings") or {}).items()), rows, expect


ALL = list(cases())


def check(label: str, answer: Mapping[str, Any], expect: Mapping[str, str | None]) -> None:
    for name, value in expect.items():
        found = answer[name]
        if name == "flags":
            said = {flag for flag in (found or "").split("; ") if flag and ":" not in flag}
            assert said == set((value or "").split("; ")) - {""}, (label, found)
        else:
            assert found == (value or None), (label, name, found, answer["reason"])


@pytest.mark.parametrize(("label", "known", "readings", "rows", "expect"), [pytest.param(*case, id=case[0]) for case in ALL])
def test_one_report(label: str, known: str, readings: Any, rows: Rows, expect: dict[str, str | None]) -> None:
    check(label, law(known, readings).one(rows), expect)


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_all_reports_of_a_file(engine: Any, tmp_path: Path) -> None:
    """The same through a file, all reports of one reading together."""
    groups: dict[Any, list[Any]] = {}
    for number, (label, known, readings, rows, expect) in enumerate(ALL):
        groups.setdefault((known, readings), []).append((label, [{**row, "report": f"R{number}"} for row in rows], expect))
    for place, ((known, readings), members) in enumerate(groups.items()):
        if engine == "duckdb" and len(members) < 10:
            continue  # each reading is compiled anew there
        names = list(dict.fromkeys(name for _, rows, _ in members for row in rows for name in row))
        frame = pl.DataFrame([{n: row.get(n, "") for n in names} for _, rows, _ in members for row in rows])
        frame.write_csv(tmp_path / f"{place}.csv")
        assess_file(tmp_path / f"{place}.csv", law(known, readings), engine=engine, out=tmp_path / f"{place}.parquet")
        found = {row["report"]: row for row in pl.read_parquet(tmp_path / f"{place}.parquet").rows(named=True)}
        for label, rows, expect in members:
            check(label, found[rows[0]["report"]], expect)


@pytest.mark.parametrize("place", FILE["values"], ids=lambda p: f"{p['name']}-{p['on']}")
def test_values(place: dict[str, Any]) -> None:
    keys = {key: word for key, word in place.items() if key not in ("name", "on", "value", "facts", "source")}
    value, record = law().value(place["name"], on=place["on"], **keys)
    expected = place["value"]
    if isinstance(value, Decimal):
        assert value == Decimal(expected)
    else:
        assert (None if value is None else str(value)) == expected
    assert value is None or (record is not None and record.references)


def entries() -> list[dict[str, Any]]:
    return [e for key in ("limits", "doubtful", "boundaries", "known", "examples", "values") for e in FILE[key]]


def test_every_limit_of_the_tables_is_an_example() -> None:
    """Each dated number of values/limits.yaml is met by an equal, a lower and a higher result."""
    stated: set[tuple[str, str, str]] = set()
    for name, value in DEFINITION.values.items():
        if name.endswith("_limit") and "limit_row" in value.keys:
            stated |= {
                (record.key("limit_row") or "", record.key("cycle") or "", name.removesuffix("_limit"))
                for record in value.records
                if record.value is not None
            }
    rows = {"euro": "Euro ", "us": "US "}
    numerals = {"2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI"}
    shown: set[tuple[str, str, str]] = set()
    for e in [*FILE["limits"], *FILE["doubtful"]]:
        if "cycle" not in e:
            continue
        family, number, kind = (
            e["report"].removesuffix("_early").replace("euro", "euro ").replace("us", "us ").replace("_", " ")
        ).split()
        name = rows[family] + numerals.get(number, number)
        row = f"{name} {kind.upper() if kind.endswith('dge') else kind}"
        column = LINES.get(e["column"], e["column"])
        shown.add((row, e["cycle"], e.get("pollutant", column)))
    assert stated <= shown, sorted(stated - shown)


def test_the_file_says_what_each_example_is() -> None:
    ids = [e["id"] for e in entries() if "id" in e]
    assert len(ids) == len(set(ids))
    for e in entries():
        assert e["source"], e
        assert set(e["source"]) <= set(DEFINITION.sources), e
    for e in FILE["limits"]:
        assert e["confidence"] in {grade.grade for grade in DEFINITION.grades}
    named = {row for e in entries() for row in e.get("seed", "").split()}
    assert named == SEED
    facts = {number.strip() for e in [*entries(), *FILE["not_testable"]] for number in (e.get("facts") or "").split(",")} - {
        ""
    }
    assert facts == {f"C{number}" for number in range(1, 17)}
