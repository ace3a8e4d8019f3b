"""The input columns of a policy: name, kind, unit, range, allowed values; and the door for one cell.

A column is declared once, in the policy's ``policy.yaml``; the reader of files, the whole-table door, the one-record
door, the command line's help and the forms of the pages are all drawn from it.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Literal

from .errors import LawError, near
from .language import ENGLISH, say
from .units import unit_of

Kind = Literal["text", "choice", "integer", "decimal", "date", "boolean"]

#: Reason codes with which the door refuses a cell; a refusal is ``code:column``.
REFUSALS = {
    "not_a_number": "is not a number",
    "lost_exponent": "looks like a power of ten whose exponent is no longer marked (write it as 6e11 or 6x10^11)",
    "not_whole": "must be a whole number",
    "too_many_decimals": "has more decimals than are counted",
    "out_of_range": "is outside the allowed range",
    "not_a_date": "is not a date (write it as 2026-03-31)",
    "not_a_boolean": "is neither true nor false",
    "unknown_value": "is not one of the allowed values",
}

TRUE = frozenset({"true", "yes", "y", "1", "si", "sí", "是"})
FALSE = frozenset({"false", "no", "n", "0", "否"})

#: How far a binary floating-point number may lie from a decimal of the kept places, in units of the last place.
FLOAT_NOISE = Decimal("0.00001")

#: A number written as an upper bound.
LESS_THAN = r"\s*<\s*(\S.*?)\s*"

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")

#: A power of ten as people write it: 6x10^11, 6 × 10¹¹, 6*10**11. Groups: the factor, the exponent, the raised exponent.
POWER = r"^([^\sxX×*·⋅]+)\s*[xX×*·⋅]\s*10\s*(?:(?:\^|\*\*)\s*([+-]?[0-9]{1,3})|([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}))$"
#: The same after the exponent's mark was lost: 6x1011 may be 6 x 10^11 or 6 x 1011, which nobody may guess.
LOST_EXPONENT = r"^[+-]?[0-9]+(?:[.,][0-9]*)?\s*[xX×*·⋅]\s*10\s*[0-9]+$"
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))


class Refused(Exception):
    """One cell was refused; ``code`` is a key of :data:`REFUSALS`, ``message`` says so in English."""

    def __init__(self, code: str, column: Column, value: object) -> None:
        self.code, self.column, self._column, self._value = code, column.name, column, value
        self.message = self.told(ENGLISH)
        super().__init__(self.message)

    def told(self, language: str) -> str:
        """The message in a language."""
        return f"{self.column}: {self._value!r} {self._column.why(self.code, self._value, language)}"

    @property
    def reason(self) -> str:
        return f"{self.code}:{self.column}"


def _accented() -> dict[str, str]:
    """Each Latin letter with the small letters that are it with accents: a -> àáâ..."""
    found: dict[str, str] = {}
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        parts = unicodedata.normalize("NFD", chr(code))
        if "a" <= parts[0] <= "z" and len(parts) > 1:
            found[parts[0]] = found.get(parts[0], "") + chr(code)
    return found


#: What :func:`fold` leaves out: accents on letters, and those that stand as marks of their own behind a letter.
ACCENTED, MARKS = _accented(), "\u0300-\u036f"
_PLAIN = str.maketrans({accented: letter for letter, group in ACCENTED.items() for accented in group})


def fold(text: str) -> str:
    """The form in which choices are compared: no outer space, case and accents ignored, blanks and hyphens as underscores.

    >>> fold(" San-Martín ")
    'san_martin'
    """
    plain = re.sub(f"[{MARKS}]", "", text.strip().casefold().translate(_PLAIN))
    return re.sub(r"[\s_\-]+", "_", plain)


@dataclass(frozen=True)
class Column:
    """One input column.

    ``decimals`` is the number of decimal places that are kept; a number is held as an integer of that many places.
    ``minimum`` and ``maximum`` are inclusive, in the column's own unit (or dates). ``choices`` maps each allowed value to
    its meaning, ``aliases`` other spellings to an allowed value; both are compared with :func:`fold`. ``below`` names the
    boolean column that is set where a number is written as an upper bound: ``<1`` for 'below the quantification limit of 1'.
    ``names`` are other names that a file may give the column, such as the term in the law's own language.
    """

    name: str
    kind: Kind
    description: str = ""
    unit: str = ""
    decimals: int = 0
    minimum: Decimal | dt.date | None = None
    maximum: Decimal | dt.date | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    required: bool = False
    default: str | None = None
    below: str = ""
    names: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "decimal")

    @property
    def allowed(self) -> str:
        """What is allowed, in words, for messages and help."""
        return self.allowed_in(ENGLISH)

    def allowed_in(self, language: str) -> str:
        """What is allowed, in a language."""
        if self.kind == "choice":
            return say(language, "one of {words}", words=", ".join(self.choices))
        if self.kind in ("boolean", "text"):
            return say(language, "true or false" if self.kind == "boolean" else "any text")
        what = {"integer": "a whole number", "decimal": "a number with up to {decimals} decimals", "date": "a date"}[
            self.kind
        ]
        unit = f" {self.unit}" if self.unit not in ("", "1") else ""
        span = say(language, "from {low} to {high}", low=self.minimum, high=self.maximum)
        return f"{say(language, what, decimals=self.decimals)} {span}{unit}"

    def close(self, value: object) -> list[str]:
        """The allowed words that are spelt much like ``value``, the nearest first; none for another kind than a choice."""
        spellings = self.folded()
        found = difflib.get_close_matches(fold(str(value)), list(spellings), n=6, cutoff=0.6)
        return list(dict.fromkeys(spellings[spelling] for spelling in found))[:3]

    def why(self, code: str, value: object, language: str = ENGLISH) -> str:
        """Why ``value`` is refused and what is allowed, as the rest of a sentence that begins with the value."""
        close = self.close(value) if code == "unknown_value" else []
        meant = f" ({say(language, 'did you mean {words}?', words=', '.join(close))})" if close else ""
        return f"{say(language, REFUSALS[code])}{meant}; {say(language, 'allowed is {allowed}', allowed=self.allowed_in(language))}"

    def folded(self) -> dict[str, str]:
        """Every accepted spelling, folded, with the allowed value it stands for."""
        known = {fold(value): value for value in self.choices}
        known.update({fold(alias): value for alias, value in self.aliases.items()})
        return known

    def refuse(self, code: str, value: object) -> Refused:
        return Refused(code, self, value)

    def scaled(self, number: Decimal) -> int:
        """``number`` as an integer of ``decimals`` places; raises :class:`Refused` where it doesn't fit."""
        low, high = self.minimum, self.maximum
        assert isinstance(low, Decimal)
        assert isinstance(high, Decimal)
        if not low <= number <= high:
            raise self.refuse("out_of_range", str(number))
        shifted = Fraction(number) * 10**self.decimals  # exact, where Decimal keeps 28 digits
        if shifted.denominator != 1:
            raise self.refuse("not_whole" if self.decimals == 0 else "too_many_decimals", str(number))
        return int(shifted)

    def bounded(self, value: object) -> tuple[object, bool]:
        """A cell without its 'less than' sign, and whether it had one; only a column with ``below`` may have it.

        >>> Column("sulfur", "decimal", below="sulfur_is_below").bounded("< 1.5")
        ('1.5', True)
        """
        if not self.below or not isinstance(value, str) or not (found := re.fullmatch(LESS_THAN, value)):
            return value, False
        return found[1], True

    def read(self, value: object) -> Any:
        """One cell, typed: an integer of ``decimals`` places, an allowed value, a date, a bool, a text; None where empty.

        Text is accepted for every kind, with a decimal point. Raises :class:`Refused`.

        >>> Column("tare_kg", "integer", unit="kg", minimum=Decimal(100), maximum=Decimal(9999)).read("1482")
        1482
        """
        if value is None:
            return None
        if isinstance(value, float | dt.datetime) and value != value:  # not a number, or pandas' not a time
            return None
        if isinstance(value, str):
            value = value.strip()
            if not value:
                return None
        if self.kind == "text":
            return str(value)
        if self.kind == "choice":
            found = self.folded().get(fold(str(value)))
            if found is None:
                raise self.refuse("unknown_value", value)
            return found
        if self.kind == "boolean":
            word = str(value).casefold()
            if word in TRUE or word in FALSE:
                return word in TRUE
            raise self.refuse("not_a_boolean", value)
        if self.kind == "date":
            return self._date(value)
        return self.scaled(self._number(value))

    def _number(self, value: object) -> Decimal:
        if isinstance(value, bool):
            raise self.refuse("not_a_number", value)
        if isinstance(value, float):
            if math.isinf(value):
                raise self.refuse("out_of_range", value)
            # A binary number stands for the decimal next to it: 120.30000000000001 is 120.3, as in the whole-table door.
            near = Decimal(repr(float(value))).scaleb(self.decimals)
            whole = near.to_integral_value()
            value = (whole if abs(near - whole) < FLOAT_NOISE else near).scaleb(-self.decimals)
        text = str(value)
        if not _NUMBER.fullmatch(text):
            if re.match(LOST_EXPONENT, text):
                raise self.refuse("lost_exponent", value)
            text = with_exponent(text)
        if not _NUMBER.fullmatch(text):
            raise self.refuse("not_a_number", value)
        try:
            return Decimal(text)
        except InvalidOperation:  # the pattern admits only what Decimal reads
            raise self.refuse("not_a_number", value) from None

    def _date(self, value: object) -> dt.date:
        if isinstance(value, dt.datetime):
            value = value.date()
        if not isinstance(value, dt.date):
            try:
                if not _DATE.fullmatch(str(value)):
                    raise ValueError
                value = dt.date.fromisoformat(str(value))
            except ValueError:
                raise self.refuse("not_a_date", value) from None
        low, high = self.minimum, self.maximum
        assert isinstance(low, dt.date)
        assert isinstance(high, dt.date)
        if not low <= value <= high:
            raise self.refuse("out_of_range", value.isoformat())
        return value


def with_exponent(text: str) -> str:
    """A power of ten in its plain spelling, any other text as it is.

    >>> with_exponent("6 × 10¹¹"), with_exponent("6.0x10^11"), with_exponent("12")
    ('6e11', '6.0e11', '12')
    """
    found = re.match(POWER, text)
    if found is None:
        return text
    exponent = found[2] or "".join(RAISED[sign] for sign in found[3])
    return f"{found[1]}e{exponent}"


#: The days that the whole-table door can read.
FIRST_DAY, LAST_DAY = dt.date(1600, 1, 1), dt.date(2500, 12, 31)

_KEYS = {
    "name",
    "type",
    "description",
    "unit",
    "decimals",
    "min",
    "max",
    "choices",
    "aliases",
    "required",
    "default",
    "below",
    "names",
}


def places(entry: Mapping[str, Any], where: str) -> int:
    """The number of ``decimals`` that an entry states, 0 where it states none."""
    text = str(entry.get("decimals", "0"))
    if not re.fullmatch(r"[0-9]|1[0-8]", text):
        raise LawError(f"{where}: decimals {text!r} is not a whole number from 0 to 18")
    return int(text)


def column_from(entry: Mapping[str, Any], where: str) -> Column:
    """A :class:`Column` from its entry in ``policy.yaml`` (all scalars are texts); raises :class:`LawError`."""
    name = str(entry.get("name") or "")
    if not name:
        raise LawError(f"{where}: an input has no name")
    where = f"{where}: input {name}"
    for key in entry:
        if key not in _KEYS:
            raise LawError(f"{where}: unknown key {key!r}; {near(key, sorted(_KEYS))}")
    kind = entry.get("type")
    if kind not in ("text", "choice", "integer", "decimal", "date", "boolean"):
        raise LawError(f"{where}: type {kind!r} is not text, choice, integer, decimal, date or boolean")
    decimals = places(entry, where)
    if decimals and kind != "decimal":
        raise LawError(f"{where}: only a decimal has decimals")
    unit_of(entry, where)
    low, high = entry.get("min"), entry.get("max")
    minimum: Decimal | dt.date | None = None
    maximum: Decimal | dt.date | None = None
    if kind in ("integer", "decimal", "date"):
        if low is None or high is None:
            raise LawError(
                f"{where}: {'an' if kind == 'integer' else 'a'} {kind} needs min and max, so that nothing can overflow"
            )
        try:
            if kind == "date":
                minimum, maximum = dt.date.fromisoformat(low), dt.date.fromisoformat(high)
            else:
                minimum, maximum = Decimal(low), Decimal(high)
        except (ValueError, InvalidOperation):
            raise LawError(f"{where}: min {low!r} or max {high!r} is not a {kind}") from None
        _check_range(minimum, maximum, decimals, where)
    choices = entry.get("choices") or {}
    aliases = entry.get("aliases") or {}
    if not isinstance(choices, dict) or not isinstance(aliases, dict):
        raise LawError(f"{where}: choices and aliases map each word to its meaning")
    if kind == "choice" and not choices:
        raise LawError(f"{where}: a choice needs its choices")
    for alias, target in aliases.items():
        if target not in choices:
            raise LawError(
                f"{where}: alias {alias!r} stands for {target!r}, which is not a choice; {near(target, list(choices))}"
            )
    meant: dict[str, str] = {}
    for word, target in [*((choice, choice) for choice in choices), *aliases.items()]:
        if meant.setdefault(fold(word), target) != target:
            raise LawError(
                f"{where}: {word!r} could be {meant[fold(word)]!r} or {target!r}; case, accents, blanks and hyphens don't count"
            )
    names = entry.get("names") or []
    if not isinstance(names, list) or not all(isinstance(other, str) and other for other in names):
        raise LawError(f"{where}: names is not a list of texts")
    column = Column(
        name=name,
        kind=kind,
        description=str(entry.get("description", "")),
        unit=str(entry.get("unit", "")),
        decimals=decimals,
        minimum=minimum,
        maximum=maximum,
        choices=dict(choices),
        aliases=dict(aliases),
        required=entry.get("required") in (True, "true"),
        default=entry.get("default"),
        below=str(entry.get("below") or ""),
        names=tuple(names),
    )
    if column.below and not column.is_number:
        raise LawError(f"{where}: only a number can be below a limit of quantification")
    if column.default is not None:
        try:
            column.read(column.default)
        except Refused as refused:
            raise LawError(f"{where}: default: {refused.message}") from None
    return column


def _check_range(low: Decimal | dt.date, high: Decimal | dt.date, decimals: int, where: str) -> None:
    for end in (low, high):
        if isinstance(end, Decimal):
            if not end.is_finite() or Fraction(end) * 10**decimals % 1:
                raise LawError(f"{where}: min or max {end} is not a number with at most {decimals} decimals")
        elif not FIRST_DAY <= end <= LAST_DAY:
            raise LawError(f"{where}: min or max {end} is not from {FIRST_DAY} to {LAST_DAY}")
    if low > high:  # type: ignore[operator]  # both are of one kind
        raise LawError(f"{where}: min {low} is above max {high}")
