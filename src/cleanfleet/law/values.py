"""Dated values of the law: read from YAML, checked, and resolved on two clocks.

A file of ``values/`` maps names of values to their description, unit, kind and dated records::

    annual_target:
      description: annual CO2 target before weight adjustment
      unit: g/km
      decimals: 4
      kind: per_period            # standing | per_period | reading
      period: obligation_year     # per_period: the rule or column that names the period
      keys: [vehicle_type]        # rules or columns with a vocabulary; a record may leave a key out = all of its words
      values:
        - {vehicle_type: A, obligation_year: 2023, value: 145, known_from: "2022-02-22", source: [S48], confidence: H}

* a *standing* record has ``from`` and applies until the next one (or ``until``, half-open);
* a *per-period* record applies to its period only and never carries forward;
* a *reading* is a choice between named readings of the law; it has no dates of application.

``known_from`` is the day from which the value was known. Of several records for the same place the one known last counts;
``withdrawn: true`` takes a coming step out again; ``value: null`` says that the value exists but its number is not known;
``corrected_on`` marks a record that mends a mistake of this file. An overlay (:func:`load_overlay`) adds records that win.

Every scalar is read as text, so that 0.1 stays 0.1. Errors are :class:`~.errors.LawError` and name file, value and record.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import yaml

from .columns import places
from .errors import LawError, near
from .units import Unit, unit_of

ValueKind = Literal["standing", "per_period", "reading"]
ValueType = Literal["number", "text", "truth", "date"]

BEGIN = dt.date(1, 1, 1)


class _Texts(yaml.SafeLoader):
    """Every scalar a text, null a None; duplicate keys refused."""


_Texts.yaml_implicit_resolvers = {}
_Texts.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        if key in found:
            raise LawError(f"{key_node.start_mark.name}, line {key_node.start_mark.line + 1}: {key!r} stands twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Texts.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(path: Path) -> Any:
    """A YAML file with every scalar as text; duplicate keys and broken YAML are a :class:`LawError`."""
    try:
        with path.open(encoding="utf-8") as stream:
            return yaml.load(stream, Loader=_Texts)  # noqa: S506 - a SafeLoader that resolves fewer types
    except OSError as error:
        raise LawError(f"{path}: can't be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LawError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None


@dataclass(frozen=True)
class Reference:
    """Where a value stands: title, address, section; ``tag`` is the source's name in ``values/sources.yaml``."""

    title: str
    url: str
    section: str = ""
    tag: str = ""

    def __str__(self) -> str:
        return self.title if not self.section or self.section in self.title else f"{self.title}, {self.section}"


@dataclass(frozen=True)
class Grade:
    """One step of a policy's scale of confidence, best first; a doubtful one marks the results that used it."""

    grade: str
    meaning: str
    doubtful: bool


@dataclass(frozen=True)
class Record:
    """One dated value. ``value`` is a Decimal, a text, a bool, a date or None (exists, number not known)."""

    keys: tuple[tuple[str, str], ...]
    value: Decimal | str | bool | dt.date | None
    known_from: dt.date
    references: tuple[Reference, ...]
    confidence: str
    applies_from: dt.date | None = None
    until: dt.date | None = None
    period: int | None = None
    withdrawn: bool = False
    corrected_on: dt.date | None = None
    checked_on: dt.date | None = None
    note: str = ""
    overlay: str = ""
    mark: str = ""

    def key(self, name: str) -> str | None:
        return dict(self.keys).get(name)


@dataclass(frozen=True)
class Value:
    """One named value of the law with all of its dated records."""

    name: str
    description: str
    kind: ValueKind
    type: ValueType
    unit: Unit
    unit_text: str
    decimals: int
    keys: tuple[str, ...]
    period: str
    allowed: tuple[str, ...]
    records: tuple[Record, ...]
    where: str = ""

    def scaled(self, value: Decimal | str | bool | dt.date) -> int:
        """A record's value as the integer that rules calculate with."""
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, Decimal):
            return int(value.scaleb(self.decimals))
        if isinstance(value, dt.date):
            return date_number(value)
        return self.allowed.index(value)


def date_number(day: dt.date) -> int:
    """A date as the integer ``yyyymmdd``."""
    return day.year * 10000 + day.month * 100 + day.day


def number_date(number: int) -> dt.date:
    return dt.date(number // 10000, number // 100 % 100, number % 100)


_VALUE_KEYS = {"description", "unit", "decimals", "kind", "type", "keys", "period", "allowed", "defaults", "values"}
_RECORD_KEYS = {
    "value", "from", "until", "known_from", "source", "reference", "section", "confidence", "withdrawn",
    "corrected_on", "checked_on", "note", "mark",
}  # fmt: skip
_REFERENCE_KEYS = {"title", "url", "section"}


def _date(text: object, where: str) -> dt.date:
    try:
        if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise LawError(f"{where}: {text!r} is not a date; write it as '2026-03-31'") from None


def parse_number(text: str, decimals: int, where: str) -> Decimal:
    """A number of the law: a decimal text, or a fraction ``n/d`` that is exact at ``decimals`` places."""
    try:
        if "/" in text:
            exact = Fraction(text)
            shifted = exact * 10**decimals
            if shifted.denominator != 1:
                raise LawError(f"{where}: {text!r} is not exact at {decimals} decimals")
            return Decimal(shifted.numerator).scaleb(-decimals)
        number = Decimal(text)
    except (InvalidOperation, ValueError, ZeroDivisionError):
        raise LawError(f"{where}: value {text!r} is not a number") from None
    if not number.is_finite():
        raise LawError(f"{where}: value {text!r} is not a number")
    if Fraction(number) * 10**decimals % 1:
        raise LawError(f"{where}: value {text} has more than {decimals} decimals")
    return number


@dataclass
class Reader:
    """Reads records with the sources and grades of one policy."""

    sources: Mapping[str, Reference]
    grades: Sequence[Grade]
    overlay: str = ""
    overlay_mark: str = ""

    def value(self, name: str, entry: Any, where: str) -> Value:
        where = f"{where}: {name}"
        if not isinstance(entry, dict):
            raise LawError(f"{where}: needs description, unit, kind and values")
        _unknown(entry, _VALUE_KEYS, where)
        kind = entry.get("kind")
        if kind not in ("standing", "per_period", "reading"):
            raise LawError(f"{where}: kind {kind!r} is not standing, per_period or reading")
        type_ = entry.get("type", "text" if kind == "reading" else "number")
        if type_ not in ("number", "text", "truth", "date"):
            raise LawError(f"{where}: type {type_!r} is not number, text, truth or date")
        if not entry.get("description"):
            raise LawError(f"{where}: has no description")
        if type_ == "number" and "unit" not in entry:
            raise LawError(f"{where}: has no unit; write '1' for a pure number")
        if (kind == "per_period") != ("period" in entry):
            raise LawError(f"{where}: a per_period value, and only that, names its period")
        for key in ("keys", "allowed"):
            if not isinstance(entry.get(key) or [], list):
                raise LawError(f"{where}: {key} is not a list")
        allowed = tuple(entry.get("allowed") or ())
        if (type_ == "text") != bool(allowed):
            raise LawError(f"{where}: a text value, and only that, lists what is allowed")
        if not entry.get("values"):
            raise LawError(f"{where}: has no values")
        bare = Value(
            name=name,
            description=entry["description"],
            kind=kind,
            type=type_,
            unit=unit_of(entry, where),
            unit_text="" if entry.get("unit", "1") == "1" else entry["unit"],
            decimals=places(entry, where),
            keys=tuple(entry.get("keys") or ()),
            period=entry.get("period", ""),
            allowed=allowed,
            records=(),
            where=where,
        )
        records = self.records(bare, entry["values"], entry.get("defaults") or {}, where)
        return replace(bare, records=records)

    def records(self, value: Value, entries: Any, defaults: Mapping[str, Any], where: str) -> tuple[Record, ...]:
        if not isinstance(entries, list):
            raise LawError(f"{where}: values is not a list")
        for i, entry in enumerate(entries, 1):
            if not isinstance(entry, dict):
                raise LawError(f"{where}, record {i}: is not a mapping")
        found = tuple(
            self.record(value, {**defaults, **entry}, f"{where}, record {i}") for i, entry in enumerate(entries, 1)
        )
        _no_overlap(found, where)
        return found

    def record(self, value: Value, entry: Mapping[str, Any], where: str) -> Record:
        allowed = _RECORD_KEYS | set(value.keys) | ({value.period} if value.period else set())
        _unknown(entry, allowed, where)
        if "value" not in entry and entry.get("withdrawn") != "true":
            raise LawError(f"{where}: has no value; write null where the number is not known")
        references = self._references(entry, where)
        confidence = entry.get("confidence")
        if confidence not in {grade.grade for grade in self.grades}:
            raise LawError(f"{where}: confidence {confidence!r} is not one of {[grade.grade for grade in self.grades]}")
        applies_from = _date(entry["from"], where) if "from" in entry else None
        if value.kind == "standing" and applies_from is None:
            raise LawError(f"{where}: a standing value needs from")
        if value.kind != "standing" and ("from" in entry or "until" in entry):
            raise LawError(f"{where}: only a standing value has from and until")
        period: int | None = None
        if value.period:
            text = entry.get(value.period)
            if not isinstance(text, str) or not re.fullmatch(r"\d{1,6}", text):
                raise LawError(f"{where}: {value.period} {text!r} is not a year or number")
            period = int(text)
        if "known_from" in entry:
            known_from = _date(entry["known_from"], where)
        elif self.overlay or value.kind == "reading":
            known_from = BEGIN
        else:
            raise LawError(f"{where}: has no known_from (the day from which it was known)")
        until = _date(entry["until"], where) if "until" in entry else None
        if until and applies_from and until <= applies_from:
            raise LawError(f"{where}: until {until} is not after from {applies_from}")
        return Record(
            keys=tuple((key, str(entry[key])) for key in value.keys if entry.get(key) is not None),
            value=self._typed(value, entry.get("value"), where),
            known_from=known_from,
            references=references,
            confidence=str(confidence),
            applies_from=applies_from,
            until=until,
            period=period,
            withdrawn=entry.get("withdrawn") == "true",
            corrected_on=_date(entry["corrected_on"], where) if "corrected_on" in entry else None,
            checked_on=_date(entry["checked_on"], where) if "checked_on" in entry else None,
            note=str(entry.get("note") or ""),
            overlay=self.overlay,
            mark=str(entry.get("mark") or (self.overlay_mark if self.overlay else "")),
        )

    def _typed(self, value: Value, text: Any, where: str) -> Decimal | str | bool | dt.date | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise LawError(f"{where}: value {text!r} is not a single value")
        if value.type == "number":
            return parse_number(text, value.decimals, where)
        if value.type == "date":
            return _date(text, where)
        if value.type == "truth":
            if text not in ("true", "false"):
                raise LawError(f"{where}: value {text!r} is not true or false")
            return text == "true"
        if text not in value.allowed:
            raise LawError(f"{where}: value {text!r} is not one of {list(value.allowed)}")
        return text

    def _references(self, entry: Mapping[str, Any], where: str) -> tuple[Reference, ...]:
        found: list[Reference] = []
        tags = entry.get("source") or []
        section = str(entry.get("section") or "")
        for tag in [tags] if isinstance(tags, str) else tags:
            if tag not in self.sources:
                raise LawError(f"{where}: source {tag!r} is not in sources.yaml")
            found.append(replace(self.sources[tag], section=section))
        inline = entry.get("reference")
        for one in [inline] if isinstance(inline, dict) else inline or []:
            if not isinstance(one, dict) or not one.get("title"):
                raise LawError(f"{where}: a reference needs a title")
            _unknown(one, _REFERENCE_KEYS, where)
            found.append(Reference(one["title"], str(one.get("url") or ""), str(one.get("section") or "")))
        if not found:
            raise LawError(f"{where}: has no reference (source: [tag], or reference: {{title, url, section}})")
        return tuple(found)


def _unknown(entry: Mapping[str, Any], allowed: set[str], where: str) -> None:
    for key in entry:
        if key not in allowed:
            raise LawError(f"{where}: unknown key {key!r}; {near(key, sorted(allowed))}")


def _place(record: Record) -> tuple[Any, ...]:
    return (record.keys, record.applies_from, record.period, record.known_from, record.corrected_on)


def _no_overlap(records: tuple[Record, ...], where: str) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    for i, record in enumerate(records, 1):
        if _place(record) in seen:
            raise LawError(f"{where}: records {seen[_place(record)]} and {i} overlap: same keys, dates and known_from")
        seen[_place(record)] = i
    for i, a in enumerate(records, 1):
        for j, b in enumerate(records, 1):
            if (
                a.until
                and a is not b
                and a.keys == b.keys
                and (a.known_from, a.corrected_on) == (b.known_from, b.corrected_on)
                and a.applies_from
                and b.applies_from
                and a.applies_from < b.applies_from < a.until
            ):
                raise LawError(f"{where}: record {i} until {a.until} overlaps record {j} from {b.applies_from}")


def load_sources(path: Path) -> dict[str, Reference]:
    """The sources of a policy by tag: ``S15: {title, url}``."""
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise LawError(f"{path}: is not a mapping of tags to sources")
    found = {}
    for tag, entry in raw.items():
        if not isinstance(entry, dict) or not entry.get("title"):
            raise LawError(f"{path}: source {tag} needs a title")
        _unknown(entry, _REFERENCE_KEYS, f"{path}: source {tag}")
        found[tag] = Reference(entry["title"], str(entry.get("url") or ""), str(entry.get("section") or ""), tag)
    return found


def load_values(folder: Path, grades: Sequence[Grade]) -> dict[str, Value]:
    """All values of ``folder/*.yaml``, by name; raises :class:`LawError`."""
    sources = load_sources(folder / "sources.yaml") if (folder / "sources.yaml").exists() else {}
    reader = Reader(sources, grades)
    found: dict[str, Value] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.name == "sources.yaml":
            continue
        raw = read_yaml(path)
        if not isinstance(raw, dict):
            raise LawError(f"{path}: is not a mapping of names to values")
        for name, entry in raw.items():
            if name in found:
                raise LawError(f"{path}: {name} stands in {found[name].where.split(':')[0]} too")
            found[name] = reader.value(name, entry, str(path))
    return found


@dataclass(frozen=True)
class Overlay:
    """Values that somebody lays over the law: a named assumption, a fit, a value of their own."""

    id: str
    title: str
    records: Mapping[str, tuple[Record, ...]]
    fictitious: bool = False
    path: str = ""


_OVERLAY_KEYS = {"overlay", "title", "fictitious", "mark", "defaults", "values"}


def load_overlay(
    path: Path, values: Mapping[str, Value], grades: Sequence[Grade], sources: Mapping[str, Reference]
) -> Overlay:
    """An overlay file: ``overlay`` (its id), ``title``, ``values`` (name -> list of records); raises :class:`LawError`."""
    raw = read_yaml(path)
    if not isinstance(raw, dict) or not raw.get("overlay"):
        raise LawError(f"{path}: an overlay begins with 'overlay: <its id>' and has title and values")
    _unknown(raw, _OVERLAY_KEYS, str(path))
    id_ = str(raw["overlay"])
    reader = Reader(sources, grades, overlay=id_, overlay_mark=str(raw.get("mark") or f"overlay:{id_}"))
    records: dict[str, tuple[Record, ...]] = {}
    for name, entries in (raw.get("values") or {}).items():
        if name not in values:
            raise LawError(f"{path}: {name!r} is not a value of this policy; {near(name, sorted(values))}")
        records[name] = reader.records(values[name], entries, raw.get("defaults") or {}, f"{path}: {name}")
    if not records:
        raise LawError(f"{path}: has no values")
    return Overlay(id_, str(raw.get("title") or id_), records, raw.get("fictitious") == "true", str(path))


def effective(
    value: Value,
    *,
    known: dt.date,
    overlays: Iterable[Overlay] = (),
    grades: Sequence[Grade] = (),
    min_grade: str | None = None,
) -> list[Record]:
    """The records that count as known on ``known``: one for each place (keys, from or period), the one known last.

    Where that one is graded below ``min_grade`` its place has no value: what it replaced is not law any more, so neither an
    older record nor an earlier step may stand in. An overlay's record wins over the law's, a later overlay's over an
    earlier one's; an overlay's record below ``min_grade`` doesn't count at all.
    """
    order = [grade.grade for grade in grades]
    limit = order.index(min_grade) if min_grade else len(order)
    best: dict[tuple[Any, ...], tuple[tuple[Any, ...], Record]] = {}
    layers = [value.records, *(overlay.records.get(value.name, ()) for overlay in overlays)]
    for layer, records in enumerate(layers):
        for record in records:
            weak = bool(min_grade) and order.index(record.confidence) > limit
            if record.known_from > known or (weak and layer):
                continue
            place = (record.keys, record.applies_from, record.period)
            rank = (layer, record.known_from, record.corrected_on or BEGIN)
            if place not in best or rank > best[place][0]:
                if weak:
                    note = f"left out: its grade {record.confidence} is below {min_grade}"
                    record = replace(record, value=None, withdrawn=False, note=note)
                best[place] = (rank, record)
    return [record for _, record in best.values() if not record.withdrawn]


def _rank(record: Record) -> tuple[Any, ...]:
    """Between records for the same place: the one known last, then the more specific one."""
    return (record.known_from, record.corrected_on or BEGIN, len(record.keys))


@dataclass
class Slots:
    """The value at each place of its table: ``records[i]`` for the i-th combination of periods and keys, None = missing."""

    cuts: tuple[int, ...]  # standing: the dates (yyyymmdd) at which something changes
    periods: tuple[int, int]  # per period: first and last period that has a record
    records: list[Record | None] = field(default_factory=list)


def slots(
    value: Value, records: Sequence[Record], vocabularies: Sequence[tuple[str, ...]], overlays: Sequence[Overlay] = ()
) -> Slots:
    """Lay ``records`` out over (period, key 1, key 2, ...), row-major.

    The first period slot is 'before the first date' (standing) or 'outside the known periods' (per period): always missing.
    A record that leaves a key out stands for all its words.
    """
    layers = {overlay.id: i for i, overlay in enumerate(overlays, 1)}
    for record in records:
        for key, word in record.keys:
            vocabulary = vocabularies[value.keys.index(key)]
            if word not in vocabulary:
                raise LawError(f"{value.where}: {key} {word!r} is not in the vocabulary; {near(word, list(vocabulary))}")
    cuts: list[dt.date] = []
    span = (0, -1)
    if value.kind == "standing":
        cuts = sorted({day for r in records for day in (r.applies_from, r.until) if day})
        count = len(cuts) + 1
    elif value.kind == "per_period":
        years = [record.period for record in records if record.period is not None]
        span = (min(years), max(years)) if years else (0, -1)
        count = span[1] - span[0] + 2
    else:
        count = 1
    combos: list[tuple[str, ...]] = [()]
    for vocabulary in vocabularies:
        combos = [(*combo, word) for combo in combos for word in vocabulary]
    table: list[Record | None] = []
    for period in range(count):
        if value.kind == "reading":
            here = list(records)
        elif period == 0:
            here = []
        elif value.kind == "per_period":
            here = [r for r in records if r.period == span[0] + period - 1]
        else:
            day = cuts[period - 1]
            here = [r for r in records if r.applies_from and r.applies_from <= day and not (r.until and r.until <= day)]
        for combo in combos:
            words = dict(zip(value.keys, combo, strict=True))
            fits = [r for r in here if all(words[key] == word for key, word in r.keys)]
            if fits:
                top = max(layers.get(r.overlay, 0) for r in fits)
                fits = [r for r in fits if layers.get(r.overlay, 0) == top]
            if value.kind == "standing" and fits:
                latest = max(r.applies_from for r in fits if r.applies_from)
                fits = [r for r in fits if r.applies_from == latest]
            table.append(max(fits, key=_rank) if fits else None)
    return Slots(tuple(date_number(day) for day in cuts), span, table)
