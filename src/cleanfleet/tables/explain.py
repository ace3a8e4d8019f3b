"""Refusals in the user's words: which field, which value, what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..law.columns import REFUSALS, Column, fold

#: Reasons for which a record as a whole, not a cell, is refused.
RECORD_REASONS = {
    "ragged_row": "the line has more or fewer cells than the header; it is kept as it stands",
    "broken_line": "the line is not a JSON object; it is kept as it stands",
}

#: Reasons for single cells that the reader of files gives besides those of :data:`REFUSALS`.
CELL_REASONS = {
    "mixed_decimal_marks": (
        "has not the decimal mark that most numbers of the file have; the file's mark is not guessed cell by cell "
        "(a layout can say which it is)"
    ),
    "too_many_decimals": "has more decimals than are counted",
    "out_of_range": "is outside the allowed range",
    "not_a_text": "is a list, an object or bytes, not a text",
    "cell_error": "holds an error of the spreadsheet",
}

_UNCERTAIN_MARK = "may have a mark of thousands or of decimals, which is not guessed (a layout can say it)"

_LONGEST = 80


def explain_refusal(
    reasons: str,
    columns: Sequence[Column],
    originals: Mapping[str, object],
    *,
    sources: Mapping[str, str] | None = None,
    first_row: int | None = None,
    meanings: Mapping[str, str] | None = None,
) -> str:
    """One sentence for each of ``reasons`` (``code:column`` joined by ``; ``), joined by a blank.

    ``originals`` are the record's cells as they stand, by the file's column names; ``sources`` tells which of them is which
    of ours (our column -> the file's; without it the names are compared). ``first_row`` is the record that a ``duplicate``
    repeats. ``meanings`` says in words what the policy's own reasons mean. An unknown reason is named as it is.
    """
    by_name = {column.name: column for column in columns}
    return " ".join(
        _sentence(reason.strip(), by_name, originals, sources or {}, first_row, meanings or {})
        for reason in reasons.split(";")
        if reason.strip()
    )


def _sentence(
    reason: str,
    columns: Mapping[str, Column],
    originals: Mapping[str, object],
    sources: Mapping[str, str],
    first_row: int | None,
    meanings: Mapping[str, str],
) -> str:
    code, _, name = reason.partition(":")
    if reason in RECORD_REASONS:
        return f"{_capital(RECORD_REASONS[reason])}."
    column = columns.get(name)
    theirs = sources.get(name) or _same_name(name, originals)
    value = "" if theirs is None or originals.get(theirs) is None else f" {_short(originals[theirs])}"
    field = name if theirs in (None, name) else f"{name} (column {theirs})"
    if meanings.get(reason):
        return f"{field}:{value} is refused: {meanings[reason]}."
    if code == "duplicate":
        where = f"record {first_row}" if first_row is not None else "an earlier record"
        return f"{field}:{value} stands in {where} already; each may be given once."
    allowed = f"; allowed is {column.allowed}" if column is not None else ""
    if code == "not_a_number" and column is not None and _maybe_thousands(originals.get(theirs or "")):
        return f"{field}:{value} {_UNCERTAIN_MARK}{allowed}."
    said = REFUSALS.get(code) or CELL_REASONS.get(code)
    if said is None:
        return f"{field}:{value} is refused ({code}){allowed}."
    return f"{field}:{value} {said}{allowed}."


def _same_name(name: str, originals: Mapping[str, object]) -> str | None:
    if name in originals:
        return name
    alike = [theirs for theirs in originals if fold(theirs) == fold(name)]
    return alike[0] if len(alike) == 1 else None


def _maybe_thousands(value: object) -> bool:
    digits = str(value).strip().lstrip("+-") if isinstance(value, str) else ""
    for mark in ",.":
        head, _, tail = digits.partition(mark)
        if head.isdecimal() and tail.isdecimal() and len(head) <= 3 and len(tail) == 3 and not head.startswith("0"):
            return True
    return False


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
