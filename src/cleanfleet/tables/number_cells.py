"""Numbers written as text, read exactly, a whole column at a time."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, InvalidOperation
from typing import Literal

import polars as pl

from ..law.columns import LOST_EXPONENT, POWER, RAISED

Mark = Literal[".", ","]

#: Decimal places that are kept of a number in text form.
PLACES = 12

#: The type of a number that was read from text: 26 digits before the point, :data:`PLACES` after it.
NUMBER = pl.Decimal(38, PLACES)

#: A cell that can't have more than :data:`PLACES` decimals, as it has no more bytes than '.' and the decimals.
_SHORT = PLACES + 1

_LIMIT = Decimal(10) ** (38 - PLACES)
_LAST_PLACE = Decimal(1).scaleb(-PLACES)
_WIDE = Context(prec=80)

# One mark with digits on at least one side. Three digits behind one to three that don't begin with 0 may also be thousands:
# such a cell says nothing about the mark.
_THOUSANDS = r"^[+-]?[1-9][0-9]{0,2}\{mark}[0-9]{3}$"
_MARKED = r"^[+-]?(?:[0-9]+\{mark}[0-9]*|\{mark}[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"


def decide_mark(samples: Iterable[pl.Series]) -> tuple[Mark, int, int]:
    """The decimal mark of a file, and how many cells of its number columns (text) speak for comma and for point.

    A cell like 12,5 speaks; one like 1,234 does not, for it may be a thousand. The majority decides; a tie, and a file
    without any, has the point.
    """
    votes = {",": 0, ".": 0}
    for cells in samples:
        cells = cells.drop_nulls().str.strip_chars()
        for mark in votes:
            speaks = cells.str.contains(_MARKED.replace("{mark}", mark)) & ~cells.str.contains(
                _THOUSANDS.replace("{mark}", mark)
            )
            votes[mark] += int(speaks.sum())
    return ("," if votes[","] > votes["."] else "."), votes[","], votes["."]


def read_numbers(cells: pl.Series, mark: Mark = ".") -> tuple[pl.Series, pl.Series | None]:
    """Text cells (stripped, empty ones null) as :data:`NUMBER`, and the code of each refused cell (None where all are read).

    Accepted are an optional sign, digits with the decimal ``mark``, and an exponent (1.2e2, 1.2x10^2, 1.2×10²). Codes:
    ``not_a_number``, ``lost_exponent`` (6x1011), ``mixed_decimal_marks`` (a number with the other mark),
    ``too_many_decimals`` (it can't be held exactly), ``out_of_range`` (it has more than 26 digits before the mark).
    """
    text = cells
    if mark == ",":
        # a point becomes a sign that no number has, so that cells with the other mark fail
        text = text.str.replace_many([",", "."], [".", "!"])
    numbers = text.cast(NUMBER, strict=False)
    codes: pl.Series | None = None
    unread = cells.is_not_null() & numbers.is_null()
    if unread.any():
        text = _with_exponent(text)
    # Polars rounds what has too many decimals; only long cells and those with an exponent can have them.
    doubtful = (text.str.len_bytes() > _SHORT) | text.str.contains_any(["e", "E"])
    if unread.any() or doubtful.any():
        numbers, codes = _second_look(cells, text, numbers, unread, doubtful.fill_null(value=False), mark)
    return numbers, codes


def _second_look(
    cells: pl.Series, text: pl.Series, numbers: pl.Series, unread: pl.Series, doubtful: pl.Series, mark: Mark
) -> tuple[pl.Series, pl.Series | None]:
    frame = pl.DataFrame({"cell": cells, "text": text, "number": numbers, "unread": unread, "doubtful": doubtful})
    other = "." if mark == "," else ","
    plain = pl.col("text").str.contains(r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$")
    exponent = pl.col("text").str.contains(r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][+-]?[0-9]{1,3}$")
    mixed = pl.col("cell").str.contains(_MARKED.replace("{mark}", other)) & ~pl.col("cell").str.contains(
        _THOUSANDS.replace("{mark}", other)
    )
    long = pl.col("text").str.contains(rf"\.[0-9]{{{PLACES}}}[0-9]*[1-9]")
    frame = frame.with_columns(
        pl.when(exponent).then(pl.lit("exponent"))
        .when(pl.col("doubtful") & plain & long).then(pl.lit("too_many_decimals"))
        .when(~pl.col("unread") & plain).then(None)
        .when(pl.col("unread") & plain).then(pl.lit("out_of_range"))
        .when(pl.col("unread") & pl.col("cell").str.contains(LOST_EXPONENT)).then(pl.lit("lost_exponent"))
        .when(pl.col("unread") & mixed).then(pl.lit("mixed_decimal_marks"))
        .when(pl.col("unread") | pl.col("doubtful")).then(pl.lit("not_a_number"))
        .alias("code")
    )  # fmt: skip
    codes = frame["code"]
    written = codes == "exponent"
    if written.any():
        places = written.arg_true()
        read = [_exact(word) for word in text.gather(places)]
        codes = codes.scatter(places, [code for _, code in read])
        frame = frame.with_columns(frame["number"].scatter(places, pl.Series([value for value, _ in read], dtype=NUMBER)))
    numbers = frame.select(pl.when(codes.is_null()).then("number").alias(cells.name)).to_series()
    return numbers, codes if codes.null_count() < len(codes) else None


def _with_exponent(text: pl.Series) -> pl.Series:
    """Powers of ten (6 × 10¹¹) in their plain spelling (6e11), other cells as they are."""
    power = text.str.contains(POWER).fill_null(value=False)
    if not power.any():
        return text
    plain = text.str.replace(POWER, "${1}e${2}${3}").str.replace_many(RAISED)
    return plain.zip_with(power, text)


def _exact(word: str) -> tuple[Decimal | None, str | None]:
    """One number with an exponent, or the code of its refusal."""
    try:
        value = Decimal(word)
    except InvalidOperation:
        return None, "not_a_number"
    if abs(value) >= _LIMIT:
        return None, "out_of_range"
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # no NaN fits the pattern
    # not normalize(): it rounds to the context's precision
    zeros = len(digits) - len(str(int("".join(map(str, digits)))).rstrip("0"))
    if value and -exponent - zeros > PLACES:
        return None, "too_many_decimals"
    return value.quantize(_LAST_PLACE, context=_WIDE), None
