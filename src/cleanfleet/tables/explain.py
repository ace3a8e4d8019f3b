"""Refusals in the user's words: which field, which value, what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..law.columns import REFUSALS, Column, fold
from ..law.language import ENGLISH, say
from ..law.texts import Texts

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
    texts: Texts | None = None,
) -> str:
    """One sentence for each of ``reasons`` (``code:column`` joined by ``; ``), joined by a blank.

    ``originals`` are the record's cells as they stand, by the file's column names; ``sources`` tells which of them is which
    of ours (our column -> the file's; without it the names are compared). ``first_row`` is the record that a ``duplicate``
    repeats. ``texts`` gives the language (English without it) and what the scheme's own checks say. An unknown reason is
    named as it is.
    """
    one = _Sentence({column.name: column for column in columns}, originals, sources or {}, first_row, texts)
    return " ".join(one(reason.strip()) for reason in reasons.split(";") if reason.strip())


class _Sentence:
    """What is said of one reason, about one record."""

    def __init__(
        self,
        columns: Mapping[str, Column],
        originals: Mapping[str, object],
        sources: Mapping[str, str],
        first_row: int | None,
        texts: Texts | None,
    ) -> None:
        self.columns, self.originals, self.sources, self.first_row = columns, originals, sources, first_row
        self.checks = {} if texts is None else texts.checks
        self.language = ENGLISH if texts is None else texts.language

    def say(self, text: str, **parts: object) -> str:
        return say(self.language, text, **parts)

    def __call__(self, reason: str) -> str:
        code, _, name = reason.partition(":")
        if reason in RECORD_REASONS:
            return f"{_capital(self.say(RECORD_REASONS[reason]))}."
        column = self.columns.get(name)
        theirs = self.sources.get(name) or _same_name(name, self.originals)
        cell = None if theirs is None else self.originals.get(theirs)
        value = "" if cell is None else f" {_short(cell)}"
        field = name if theirs in (None, name) else f"{name} ({self.say('column {name}', name=theirs)})"
        if self.checks.get(reason):
            return f"{field}:{value} {self.checks[reason]}."
        if code == "duplicate":
            where = self.say("record {row}" if self.first_row is not None else "an earlier record", row=self.first_row)
            return f"{field}:{value} {self.say('stands in {where} already; each may be given once.', where=where)}"
        if column is not None and code in REFUSALS and not (code == "not_a_number" and _maybe_thousands(cell)):
            return f"{field}:{value} {column.why(code, cell, self.language)}."
        allowed = ""
        if column is not None:
            allowed = f"; {self.say('allowed is {allowed}', allowed=column.allowed_in(self.language))}"
        if code == "not_a_number" and column is not None:
            return f"{field}:{value} {self.say(_UNCERTAIN_MARK)}{allowed}."
        said = REFUSALS.get(code) or CELL_REASONS.get(code)
        if said is None:
            return f"{field}:{value} {self.say('is refused ({code})', code=code)}{allowed}."
        return f"{field}:{value} {self.say(said)}{allowed}."


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
