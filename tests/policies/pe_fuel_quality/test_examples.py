"""Every example of examples.yaml by one record and by a table; each statement of the seed and each garbled place is there."""

from __future__ import annotations

import datetime as dt
import re
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

ROOT = Path(__file__).resolve().parents[3]
POLICY = "pe-fuel-quality"
DEFINITION = policies.definition(POLICY)
EXAMPLES: list[dict[str, Any]] = read_yaml(DEFINITION.folder / "examples.yaml")["examples"]
DOCS = (ROOT / "docs" / "pe-fuel-quality.md").read_text(encoding="utf-8")
KEYS = {"id", "title", "why", "seed", "facts", "source", "confidence", "known", "readings", "values", "record", "cases"}
SHORT = ("status", "reason", "sulfur_limit_mg_per_kg")


@cache
def law(known: str, readings: tuple[tuple[str, str], ...], overlays: tuple[str, ...]) -> Policy:
    return policies.load(
        POLICY, known=known, readings=dict(readings), values=[ROOT / "examples" / name for name in overlays]
    )


def cases() -> Iterator[Any]:
    for example in EXAMPLES:
        policy = (example["known"], tuple((example.get("readings") or {}).items()), tuple(example.get("values") or ()))
        for place, case in enumerate(example["cases"], 1):
            expect = case["expect"]
            told = dict(zip(SHORT, expect, strict=True)) if isinstance(expect, list) else expect
            record = {**example["record"], **(case.get("record") or {})}
            yield pytest.param(policy, record, told, id=f"{example['id']}-{place}")


def typed(record: Mapping[str, str | None]) -> pl.DataFrame:
    cells: dict[str, pl.Series] = {}
    for name, text in record.items():
        kind = DEFINITION.column(name).kind
        number = None if text is None or kind != "decimal" else Decimal(text)
        values: dict[str, Any] = {
            "decimal": number,
            "date": None if text is None or kind != "date" else dt.date.fromisoformat(text),
        }
        dtype = {"decimal": pl.Decimal(18, 4), "date": pl.Date()}.get(kind, pl.String())
        cells[name] = pl.Series(name, [values.get(kind, text)], dtype=dtype)
    return pl.DataFrame(cells)


def same(found: object, expected: str | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return Decimal(found) == Decimal(expected) if isinstance(found, Decimal | int) else str(found) == expected


@pytest.mark.parametrize(("how", "record", "expect"), list(cases()))
def test_batch(how: Any, record: dict[str, str | None], expect: dict[str, str | None]) -> None:
    policy = law(*how)
    one = policy.one(record)
    for name, value in expect.items():
        assert same(one[name], value), (name, one)
    bounded = (record.get("sulfur_mg_per_kg") or "").startswith("<")
    frame = typed({**record, "sulfur_mg_per_kg": (record.get("sulfur_mg_per_kg") or "").lstrip("<") or None})
    if bounded:
        frame = frame.with_columns(sulfur_below_quantification=pl.lit(value=True))
    row = policy.assess(frame).frame.row(0, named=True)
    assert {name: row[name] for name in one} == one


def test_the_file_says_what_each_example_is() -> None:
    ids = [example["id"] for example in EXAMPLES]
    assert len(ids) == len(set(ids))
    for example in EXAMPLES:
        assert set(example) <= KEYS, example["id"]
        assert len(example["why"]) > 20
        assert example["source"]
        assert set(example["source"]) <= set(DEFINITION.sources), example["id"]
        assert example["confidence"] in {grade.grade for grade in DEFINITION.grades}
        for case in example["cases"]:
            assert set(case) <= {"record", "expect"}


#: Statements of the seed on Peru, by the words that they stand in there; the docs' table has a row for each.
SEED = {f"S{number}" for number in range(1, 21)}
#: Garbled places of the facts on Peru.
GARBLED = {f"A{number}" for number in range(1, 12)}


def test_no_statement_of_the_seed_is_missing() -> None:
    rows = re.findall(r"^\| (S\d+) \|(.*)\|$", DOCS, flags=re.MULTILINE)
    assert [number for number, _ in rows] == sorted(SEED, key=lambda number: int(number[1:]))
    in_examples = {number for example in EXAMPLES for number in example.get("seed") or ()}
    assert in_examples <= SEED
    for number, text in rows:
        cells = [cell.strip() for cell in text.split("|")]
        assert len(cells) == 4, number
        assert cells[1].startswith(("reproduced", "garbled", "not a rule")), number
        named = re.findall(r"`([a-z0-9-]+)`", cells[3])
        ids = {example["id"] for example in EXAMPLES if number in (example.get("seed") or ())}
        if cells[1].startswith("not a rule"):
            assert cells[3]
        else:
            assert ids, number
        assert ids <= set(named), (number, ids, named)
        assert set(named) <= {example["id"] for example in EXAMPLES}, number


def test_no_garbled_place_is_missing() -> None:
    rows = re.findall(r"^\| (A\d+) \|(.*)\|$", DOCS, flags=re.MULTILINE)
    assert [number for number, _ in rows] == sorted(GARBLED, key=lambda number: int(number[1:]))
    assert all(len([cell for cell in text.split("|") if cell.strip()]) == 2 for _, text in rows)
    in_examples = {str(number) for example in EXAMPLES for number in example.get("facts") or ()}
    assert in_examples == GARBLED


SEEDS = sorted((ROOT.parent / "shared" / "seeds").glob("003_*.txt"))


def test_the_quoted_words_stand_in_the_seed() -> None:
    """The docs quote the seed in double quotation marks; each quotation is there word by word."""
    if not SEEDS:
        pytest.skip("the seed documents are not beside the clone")
    seed = " ".join(SEEDS[0].read_text(encoding="utf-8").split())
    rows = re.findall(r"^\| S\d+ \| (.*?) \|", DOCS, flags=re.MULTILINE)
    quoted = [part for row in rows for quotation in re.findall(r"“(.*?)”", row) for part in quotation.split(" ... ")]
    assert len(quoted) >= 20
    for part in quoted:
        assert part in seed, part


def test_every_date_and_number_of_the_seed_is_quoted() -> None:
    """Every year and number of the seed's chapter stands in some quotation, so that no dated statement is forgotten."""
    if not SEEDS:
        pytest.skip("the seed documents are not beside the clone")
    text = SEEDS[0].read_text(encoding="utf-8")
    chapter = text[text.index("Peru: Fuels: Diesel and Gasoline") : text.index("Colombia:")]
    quoted = " ".join(re.findall(r"“(.*?)”", DOCS))
    numbers = set(re.findall(r"\d[\d,-]*\d|\d+", chapter))
    assert len(numbers) > 15
    assert {number for number in numbers if number not in quoted} == set()


def test_every_example_of_a_range_of_dates_has_the_day_before() -> None:
    """For each cut-over date of a limit there is an example on the day and on the day before."""
    days = {
        case["record"]["sampled_on"] if "sampled_on" in (case.get("record") or {}) else example["record"].get("sampled_on")
        for example in EXAMPLES
        for case in example["cases"]
    }
    cuts = {
        record.applies_from
        for name in ("sulfur_provision", "earlier_provision", "sulfur_exempt", "temporary_exception", "product_admitted")
        for record in DEFINITION.values[name].records
        if record.applies_from and record.applies_from > dt.date(2000, 1, 1)
    }
    cuts |= {record.until for record in DEFINITION.values["earlier_provision"].records if record.until}
    for day in sorted(cuts):
        assert day.isoformat() in days, day
        assert (day - dt.timedelta(days=1)).isoformat() in days, day


def test_every_least_octane_number_has_an_example_below_at_and_above() -> None:
    """For each `ron_minimum` an example one tenth below fails by the octane number alone; at it and one tenth above another passes."""
    shown = {
        (word, Decimal(told["ron_min"]), Decimal(record["ron"]), told["status"], told.get("reason"))
        for _, record, told in (case.values for case in cases())
        if told.get("ron_min") and record.get("ron")
        for word in record["product"].casefold().split()
    }
    least = {
        (str(record.key("octane_class")), Decimal(str(record.value))) for record in DEFINITION.values["ron_minimum"].records
    }
    assert len(least) == 7
    tenth = Decimal("0.1")
    for name, limit in sorted(least):
        assert (name, limit, limit - tenth, "non_compliant", "ron_below_minimum") in shown, name
        assert (name, limit, limit, "compliant", None) in shown, name
        assert (name, limit, limit + tenth, "compliant", None) in shown, name


def test_every_reason_has_its_message_in_both_languages() -> None:
    program = law("2026-11-22", (), ()).program
    for texts in DEFINITION.texts.values():
        assert set(texts.reasons) == {*program.reason_cell.words} - {"", "none"}
        assert set(texts.statuses) == {*program.status_cell.words}
