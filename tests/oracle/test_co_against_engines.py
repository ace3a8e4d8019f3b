"""Colombia's heavy-duty limits against the oracle, on reports read from a file, and both engines against each other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.tables.assess_file import assess_file

from .co_generate import BAD, answers, csv, reports
from .co_heavy_duty import CYCLES

POLICY = "co-heavy-duty-engines"
KNOWN = "2026-11-22"


@pytest.fixture(scope="module")
def policy() -> Any:
    return policies.load(POLICY, known=KNOWN)


def assess(policy: Any, frame: pl.DataFrame, folder: Path, engine: str) -> tuple[Any, pl.DataFrame]:
    path = folder / "reports.csv"
    if not path.exists():
        path.write_bytes(csv(frame))
    out = folder / f"{engine}.parquet"
    outcome = assess_file(path, policy, engine=engine, out=out, refused=folder / f"{engine}-refused.parquet")  # type: ignore[arg-type]
    return outcome, pl.read_parquet(out)


def differences(found: pl.DataFrame, frame: pl.DataFrame) -> list[Any]:
    """Reports whose status, reasons, number of rows or required standard isn't the oracle's."""
    ours = {row["report"]: row for row in found.rows(named=True)}
    assert len(ours) == found.height
    wrong = []
    names = set()
    for name, rows, truth in answers(frame):
        names.add(name)
        row = ours[name]
        reasons = set((row["reason"] or "").split("; ")) - {""}
        required = row["required_standard"]
        if (row["status"], reasons, row["rows"]) != (truth.status, truth.reasons, rows):
            wrong.append((name, truth, row["status"], reasons))
        elif truth.required is not None and truth.status != "refused" and required != truth.required:
            wrong.append((name, truth, required))
    assert names == set(ours)
    return wrong


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_ten_thousand_rows(policy: Any, tmp_path: Path, engine: str) -> None:
    frame = reports(7_000, 2026)
    assert frame.height >= 10_000
    _, found = assess(policy, frame, tmp_path, engine)
    assert differences(found, frame) == []


def test_one_at_a_time_and_in_any_order(policy: Any, tmp_path: Path) -> None:
    """A report typed by itself, its rows turned round, has the answer that it has in the file."""
    frame = reports(600, 99)
    _, found = assess(policy, frame, tmp_path, "polars")
    answers_of = {row["report"]: row for row in found.rows(named=True)}
    compared = 0
    for (name,), rows in frame.group_by("report"):
        expected = answers_of[name or None]
        if expected["status"] == "refused":  # there the file's decimal mark and its reader have a say
            continue
        own = policy.one(rows.rows(named=True)[::-1])
        assert own == {name: value for name, value in expected.items() if name != "row"}
        compared += 1
    assert compared > 400


#: Every reason that can be given, without the cycle, the pollutant or the numbers in it.
CODES = {
    "missing:report", "missing:on", "missing:fuel", "missing:in_circulation", "missing:gvw_kg", "missing:standard",
    "missing:standard_in_force", "missing:admission", "missing:obd", "missing:size_class", "missing:cycle", "missing:cycles",
    "missing:unit", "missing:tested", "before_first_standard", "in_circulation_not_covered", "up_to_3500_kg", "between:gvw_kg",
    "not_admitted:standard", "not_admitted:obd", "wrong_unit:unit", "contradiction:thc", "duplicate:cycle",
    *(f"contradiction:{name}" for name in ("fuel", "size_class", "gvw_kg", "obd", "in_circulation", "standard", "on")),
    *(f"missing:cycle:{cycle}" for cycle in CYCLES),
    *(f"over:{p}" for p in ("co", "hc", "thc", "nmhc", "ch4", "nox", "nmhc_nox", "pm", "pn", "nh3")),
    *(f"missing:{p}" for p in ("co", "hc", "thc", "nmhc", "ch4", "nox", "nmhc_nox", "pm", "pn", "nh3")),
    *(f"unquantified:{p}" for p in ("co", "hc", "thc", "nmhc", "ch4", "nox", "nmhc_nox", "pm", "pn", "nh3")),
    *(f"between:{p}" for p in ("nmhc", "ch4", "nox", "pm")),
    *(f"not_a_number:{name}" for name in ("co", "gvw_kg", "nh3_ppm", "ch4", "pm", "nmhc")),
    "mixed_decimal_marks:nox", "lost_exponent:pn_per_kwh", "not_whole:pn_per_kwh", "not_whole:gvw_kg",
    *(f"too_many_decimals:{name}" for name in ("nox", "nh3_ppm")),
    *(f"out_of_range:{name}" for name in ("co", "pn_per_kwh", "gvw_kg", "on")),
    "not_a_date:on", "not_a_boolean:obd", "not_a_boolean:in_circulation",
    *(f"unknown_value:{name}" for name in ("fuel", "standard", "cycle", "unit", "size_class")),
}  # fmt: skip


def code(reason: str) -> str:
    head, name, *more = f"{reason}::".split(":")
    if head in ("over", "unquantified", "between") or (head == "missing" and more[0] and name != "cycle"):
        return f"{head}:{name}"
    return reason


@pytest.mark.slow
def test_a_million_reports(policy: Any, tmp_path: Path) -> None:
    """No row is lost, every reason occurs, and both engines give the same answers and refused rows, cell by cell."""
    started = time.monotonic()
    frame = reports(1_000_000, 7)
    found: dict[str, pl.DataFrame] = {}
    for engine in ("polars", "duckdb"):
        outcome, found[engine] = assess(policy, frame, tmp_path, engine)
        print(f"{engine}: {outcome.rows:,} reports of {outcome.read_rows:,} rows, {time.monotonic() - started:.0f} s so far")
        assert outcome.read_rows == frame.height == found[engine]["rows"].sum()
        assert outcome.rows == found[engine].height == sum(outcome.statuses.values())
        assert found[engine]["report"].n_unique() == found[engine].height
        refused = pl.read_parquet(tmp_path / f"{engine}-refused.parquet")
        assert refused.height == found[engine].filter(pl.col("status") == "refused")["rows"].sum()
        assert refused["row"].n_unique() == refused.height
        assert {code(reason) for reason in outcome.reasons} == CODES
    assert found["polars"].equals(found["duckdb"])
    refusals = [pl.read_parquet(tmp_path / f"{engine}-refused.parquet") for engine in ("polars", "duckdb")]
    assert refusals[0].equals(refusals[1])
    assert refusals[0].height > frame.height // 10
    assert len({text for _, text in BAD}) > 20
