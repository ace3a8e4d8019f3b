"""Input columns: what their entries must state, and how one cell is read or refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cleanfleet.law.columns import REFUSALS, Column, Refused, column_from, fold
from cleanfleet.law.errors import LawError

NUMBER = {"name": "n", "type": "decimal", "decimals": "2", "min": "-5", "max": "100"}
CHOICE = {"name": "c", "type": "choice", "choices": {"north": "", "south-west": ""}, "aliases": {"N": "north"}}

# -- what an entry must state

ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"type": "text"}, "an input has no name"),
    "an unknown key": ({**NUMBER, "maxx": "5"}, r"input n: unknown key 'maxx'; did you mean max"),
    "an unknown type": ({**NUMBER, "type": "float"}, "type 'float' is not text, choice, integer, decimal, date or boolean"),
    "a choice below a limit": ({**CHOICE, "below": "b"}, "only a number can be below a limit of quantification"),
    "no type": ({"name": "n"}, "type None is not text, choice"),
    "no min": ({"name": "n", "type": "integer", "max": "5"}, "an integer needs min and max, so that nothing can overflow"),
    "no max": ({"name": "n", "type": "decimal", "min": "5"}, "a decimal needs min and max"),
    "a date without max": ({"name": "n", "type": "date", "min": "2020-01-01"}, "a date needs min and max"),
    "min in words": ({**NUMBER, "min": "few"}, "min 'few' or max '100' is not a decimal"),
    "a max that is no date": ({"name": "n", "type": "date", "min": "2020-01-01", "max": "9999-99-99"}, "is not a date"),
    "a date before the calendar of tables": (
        {"name": "n", "type": "date", "min": "1599-12-31", "max": "2000-01-01"},
        "min or max 1599-12-31 is not from 1600-01-01 to 2500-12-31",
    ),
    "min over max": ({**NUMBER, "min": "101"}, "min 101 is above max 100"),
    "an infinite max": ({**NUMBER, "max": "inf"}, "min or max Infinity is not a number with at most 2 decimals"),
    "a min between two steps": ({**NUMBER, "min": "0.005"}, "min or max 0.005 is not a number with at most 2 decimals"),
    "odd decimals": ({**NUMBER, "decimals": "-1"}, "decimals '-1' is not a whole number from 0 to 18"),
    "an integer with decimals": ({**NUMBER, "type": "integer"}, "only a decimal has decimals"),
    "an unreadable unit": ({**NUMBER, "unit": "g*km"}, r"unit 'g\*km'"),
    "a choice without choices": ({"name": "c", "type": "choice"}, "a choice needs its choices"),
    "choices as a list": ({"name": "c", "type": "choice", "choices": ["a"]}, "choices and aliases map each word"),
    "an alias to nowhere": (
        {**CHOICE, "aliases": {"N": "norht"}},
        r"input c: alias 'N' stands for 'norht', which is not a choice; did you mean north\?",
    ),
    "an alias that is another choice": (
        {**CHOICE, "aliases": {"South West": "north"}},
        "'South West' could be 'south-west' or 'north'; case, accents, blanks and hyphens don't count",
    ),
    "two choices that differ in case": (
        {"name": "c", "type": "choice", "choices": {"a": "", "A": ""}},
        "'A' could be 'a' or 'A'",
    ),
    "names that are no list": ({**NUMBER, "names": "number"}, "names is not a list of texts"),
    "a default outside": ({**NUMBER, "default": "101"}, "default: n: '101' is outside the allowed range"),
    "a default that is no choice": ({**CHOICE, "default": "up"}, "default: c: 'up' is not one of the allowed values"),
}


@pytest.mark.parametrize("why", ENTRIES)
def test_an_input_is_refused_for(why: str) -> None:
    entry, message = ENTRIES[why]
    with pytest.raises(LawError, match=rf"^policy\.yaml: .*{message}"):
        column_from(entry, "policy.yaml")


def test_an_entry_becomes_a_column() -> None:
    column = column_from({**NUMBER, "unit": "g/km", "required": "true", "default": "1", "names": ["number"]}, "policy.yaml")
    assert column.names == ("number",)
    assert (column.name, column.kind, column.unit, column.decimals, column.required) == ("n", "decimal", "g/km", 2, True)
    assert (column.minimum, column.maximum, column.default) == (Decimal(-5), Decimal(100), "1")
    assert column.allowed == "a number with up to 2 decimals from -5 to 100 g/km"


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        (CHOICE, "one of north, south-west"),
        ({"name": "b", "type": "boolean"}, "true or false"),
        ({"name": "t", "type": "text"}, "any text"),
        ({"name": "i", "type": "integer", "unit": "1", "min": "1", "max": "9"}, "a whole number from 1 to 9"),
        ({"name": "d", "type": "date", "min": "2020-01-01", "max": "2021-01-01"}, "a date from 2020-01-01 to 2021-01-01"),
    ],
)
def test_what_is_allowed_is_told_in_words(entry: dict[str, Any], allowed: str) -> None:
    assert column_from(entry, "policy.yaml").allowed == allowed


# -- one cell

N = column_from(NUMBER, "here")
C = column_from(CHOICE, "here")
WHOLE = Column("w", "integer", minimum=Decimal(1), maximum=Decimal(9))
DAY = Column("d", "date", minimum=dt.date(2020, 1, 1), maximum=dt.date(2030, 12, 31))
YES = Column("y", "boolean")
TEXT = Column("t", "text")


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [
        (N, "12.5", 1250),
        (N, " 12.5 ", 1250),
        (N, "+12.50", 1250),
        (N, ".5", 50),
        (N, "1e1", 1000),
        (N, "12.5000000", 1250),
        (N, 12.5, 1250),
        (N, 12, 1200),
        (N, -5, -500),
        (N, Decimal("99.99"), 9999),
        (N, 0.1 + 0.2, 30),
        (N, np.float64(12.5), 1250),
        (N, np.float32(12.5), 1250),
        (N, np.int64(7), 700),
        (WHOLE, "9", 9),
        (WHOLE, 9.0, 9),
        (WHOLE, "9.0", 9),
        (C, "north", "north"),
        (C, " NORTH ", "north"),
        (C, "n", "north"),
        (C, "South West", "south-west"),
        (C, "SOUTH__west", "south-west"),
        (DAY, "2026-03-31", dt.date(2026, 3, 31)),
        (DAY, " 2026-03-31 ", dt.date(2026, 3, 31)),
        (DAY, dt.date(2026, 3, 31), dt.date(2026, 3, 31)),
        (DAY, dt.datetime(2026, 3, 31, 23, 59), dt.date(2026, 3, 31)),
        (DAY, pd.Timestamp("2026-03-31 10:00"), dt.date(2026, 3, 31)),
        (YES, True, True),
        (YES, "Yes", True),
        (YES, "no", False),
        (YES, 1, True),
        (YES, "SÍ", True),
        (YES, np.bool_(False), False),
        (TEXT, " as it is ", "as it is"),
        (TEXT, 5, "5"),
    ],
)
def test_a_cell_is_read_as(column: Column, value: Any, read: Any) -> None:
    found = column.read(value)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize("column", [N, WHOLE, C, DAY, YES, TEXT])
@pytest.mark.parametrize("value", [None, "", "  ", float("nan"), np.float64("nan"), pd.NaT])
def test_an_empty_cell_is_none(column: Column, value: Any) -> None:
    assert column.read(value) is None


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (N, "twelve", "not_a_number"),
        (N, "12,5", "not_a_number"),
        (N, "1 000", "not_a_number"),
        (N, "nan", "not_a_number"),
        (N, "inf", "not_a_number"),
        (N, Decimal("NaN"), "not_a_number"),
        (N, True, "not_a_number"),
        (N, "0x10", "not_a_number"),
        (N, "12.345", "too_many_decimals"),
        (N, 12.345, "too_many_decimals"),
        (N, Decimal("12.345"), "too_many_decimals"),
        (N, "1." + "0" * 40 + "1", "too_many_decimals"),
        (N, "1e-3", "too_many_decimals"),
        (WHOLE, "1.5", "not_whole"),
        (WHOLE, 1.5, "not_whole"),
        (N, "100.01", "out_of_range"),
        (N, -5.01, "out_of_range"),
        (N, float("inf"), "out_of_range"),
        (N, float("-inf"), "out_of_range"),
        (N, np.float64("inf"), "out_of_range"),
        (N, 1e308, "out_of_range"),
        (N, 2**63 - 1, "out_of_range"),
        (N, 10**40, "out_of_range"),
        (N, "1e999", "out_of_range"),
        (N, "100.001", "out_of_range"),
        (WHOLE, 0, "out_of_range"),
        (WHOLE, 10, "out_of_range"),
        (C, "nort", "unknown_value"),
        (C, 5, "unknown_value"),
        (DAY, "31.3.2026", "not_a_date"),
        (DAY, "2026-3-31", "not_a_date"),
        (DAY, "20260331", "not_a_date"),
        (DAY, "2026-W14-2", "not_a_date"),
        (DAY, "2026-02-30", "not_a_date"),
        (DAY, "2026-03-31T23:00:00Z", "not_a_date"),
        (DAY, "2026-03-31 and more", "not_a_date"),
        (DAY, 20260331, "not_a_date"),
        (DAY, "2019-12-31", "out_of_range"),
        (DAY, dt.date(2031, 1, 1), "out_of_range"),
        (YES, "perhaps", "not_a_boolean"),
        (YES, 2, "not_a_boolean"),
    ],
)
def test_a_cell_is_refused_with_its_code(column: Column, value: Any, code: str) -> None:
    with pytest.raises(Refused) as raised:
        column.read(value)
    assert raised.value.reason == f"{code}:{column.name}"
    assert raised.value.message.startswith(f"{column.name}: ")
    assert REFUSALS[code] in raised.value.message
    assert raised.value.message.endswith(f"allowed is {column.allowed}")


def test_a_binary_number_counts_as_the_decimal_next_to_it_and_no_further() -> None:
    assert N.read(12.34 + 5e-8) == 1234  # five millionths of the last place
    with pytest.raises(Refused, match="more decimals"):
        N.read(12.34 + 5e-7)


@pytest.mark.parametrize("text", ["South West", "south-west", " SOUTH_WEST ", "south \t west", "South--West"])
def test_spellings_fold_together(text: str) -> None:
    assert fold(text) == "south_west"


def test_powers_of_ten() -> None:
    column = Column("pn", "integer", minimum=Decimal(0), maximum=Decimal(10**15))
    for text in ("6e11", "6.0E+11", "6x10^11", "6×10¹¹", "6 · 10^11", "6*10**11", "600000000000"):
        assert column.read(text) == 600_000_000_000, text
    for text, code in (("6x1011", "lost_exponent"), ("6 × 10 11", "lost_exponent"), ("six", "not_a_number")):
        with pytest.raises(Refused) as told:
            column.read(text)
        assert told.value.code == code
    assert "6x10^11" in REFUSALS["lost_exponent"]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("San Martín", "san_martin"),
        ("SAN MARTI\u0301N", "san_martin"),  # the accent as a mark of its own
        ("Áncash", "ancash"),
        ("Ñuñoa", "nunoa"),
        ("Ç-ğ ū", "c_g_u"),
        ("Straße", "strasse"),
        ("ø", "ø"),  # a letter of its own, not an o with an accent
        ("北京", "北京"),
    ],
)
def test_accents_do_not_count(text: str, folded: str) -> None:
    assert fold(text) == folded
