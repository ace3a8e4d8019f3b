"""From a definition to a program: the rules traced, the values laid out, the flags derived.

A :class:`Program` is one reading of a policy: the law as known on a day, with its overlays, readings and least grade. It
holds cells only (:mod:`.cells`); :mod:`.records` evaluates them for one record, :mod:`.blocks` for arrays,
:mod:`.portable` as expressions for any table engine.
"""

from __future__ import annotations

import bisect
import datetime as dt
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from .cells import FALSE, TRUE, Cell, both, cell, choose, either, negation
from .columns import Column
from .definition import Definition
from .errors import LawError, UnknownName, near
from .flags import Flags, any_of
from .rules import Variant
from .units import unit
from .values import Overlay, Record, Value, date_number, effective, slots

_BLANK: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class InputRef:
    """What an input's cell points at."""

    name: str
    column: Column
    absent: Cell
    fill: int


@dataclass(frozen=True)
class ValueRef:
    """What a value's cell points at: the value laid out as a table, one place for each period and key."""

    name: str
    value: Value
    keys: tuple[Cell, ...]
    index: Cell
    table: tuple[int, ...]
    records: tuple[Record | None, ...]
    missing_cell: Cell
    mark_cells: Mapping[str, Cell]

    def laid_out(self) -> list[Any]:
        """Each place that has a value: from which day or in which period, for which keys; runs of the same are joined."""
        width = math.prod(len(key.words) for key in self.keys)
        starts: list[int] = [0]
        if self.value.kind == "standing":
            starts += self.index.args[0].data
        elif self.value.kind == "per_period":
            first, last = self.index.args[0].data
            starts += range(first, last + 1)
        rows: list[Any] = []
        for i, start in enumerate(starts):
            places = self.records[i * width : (i + 1) * width]
            here = [None if r is None or r.value is None else self.value.scaled(r.value) for r in places]
            if self.value.kind == "standing" and rows and rows[-1][1] == here:
                continue
            rows.append([start, here])
        return [self.value.allowed, [key.words for key in self.keys], rows]


@dataclass
class Program:
    """A policy compiled for one reading of the law. All attributes that end in ``_cell(s)`` are cells."""

    definition: Definition
    known: dt.date
    overlays: tuple[Overlay, ...]
    readings: Mapping[str, str]
    min_grade: str | None
    inputs: dict[str, Cell] = field(default_factory=dict)
    rules: dict[str, Cell] = field(default_factory=dict)
    values: dict[str, ValueRef] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    variants: dict[str, tuple[Variant, ...]] = field(default_factory=dict)
    flags: Flags = field(default_factory=Flags)

    status_cell: Cell = FALSE
    reason_cell: Cell = FALSE
    shows_cells: dict[str, Cell] = field(default_factory=dict)
    applies_cells: dict[str, Cell] = field(default_factory=dict)
    output_cells: dict[str, Cell] = field(default_factory=dict)
    missing_cells: dict[str, Cell] = field(default_factory=dict)
    flag_cells: dict[str, Cell] = field(default_factory=dict)
    check_cells: dict[str, Cell] = field(default_factory=dict)
    refused_cell: Cell = FALSE

    @property
    def fictitious(self) -> bool:
        return any(overlay.fictitious for overlay in self.overlays)

    def digest(self) -> str:
        """A digest of every value that this program calculates with and of the dated formulas known, by when they apply."""
        values = {name: [ref.value.decimals, *ref.laid_out()] for name, ref in self.values.items()}
        formulas = {
            name: sorted([str(variant.applies_from), str(variant.known_from)] for variant in variants)
            for name, variants in self.variants.items()
            if variants[0].applies_from is not None
        }
        content = json.dumps([self.definition.id, values, formulas], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def references(self) -> list[Record]:
        """Every record that stands in some place of some value's table."""
        return [record for ref in self.values.values() for record in dict.fromkeys(ref.records) if record is not None]


def compile_program(
    definition: Definition,
    *,
    known: dt.date,
    overlays: Sequence[Overlay] = (),
    readings: Mapping[str, str] | None = None,
    min_grade: str | None = None,
) -> Program:
    """Trace the rules of ``definition`` for the law as known on ``known``; raises :class:`LawError`."""
    grades = [grade.grade for grade in definition.grades]
    if min_grade is not None and min_grade not in grades:
        raise UnknownName(f"grade {min_grade!r} is not one of {', '.join(grades)}")
    program = Program(definition, known, tuple(overlays), dict(readings or {}), min_grade)
    for name in program.readings:
        value = definition.values.get(name)
        names = [v.name for v in definition.values.values() if v.kind == "reading"]
        if value is None or value.kind != "reading":
            raise UnknownName(f"{name!r} is not a reading of {definition.id}; {near(name, names)}")
        if program.readings[name] not in value.allowed:
            raise UnknownName(f"reading {name}: {program.readings[name]!r} is not one of {', '.join(value.allowed)}")
    _Tracer(program).run()
    _Outcome(program).run()
    return program


class _Tracer:
    """Traces every rule once, in the order of need."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.definition = program.definition
        self.open: list[str] = []
        self.period: Cell | None = None
        self.value_cells: dict[str, Cell] = {}
        self.effective = {
            name: effective(
                value,
                known=program.known,
                overlays=program.overlays,
                grades=self.definition.grades,
                min_grade=program.min_grade,
            )
            for name, value in self.definition.values.items()
        }
        days = {
            date_number(day)
            for name, records in self.effective.items()
            if self.definition.values[name].kind == "standing"
            for record in records
            for day in (record.applies_from, record.until)
            if day
        }
        self.cuts = tuple(sorted(days))

    def run(self) -> None:
        d = self.definition
        names: dict[str, str] = {}
        for kind, group in (("input", [c.name for c in d.inputs]), ("value", list(d.values)), ("rule", list(d.rules))):
            for name in group:
                if name in names:
                    raise LawError(f"{d.id}: {name} is both {names[name]} and {kind}")
                names[name] = kind
        for column in d.inputs:
            if column.kind != "text":
                self.program.inputs[column.name] = _input(column)
        for name in d.rules:
            self.resolve(name, "the policy")
        for name in d.values:
            self.resolve(name, "the policy")

    def resolve(self, name: str, wanted_by: str) -> Cell:
        program, d = self.program, self.definition
        if name in program.inputs:
            program.used.add(name)
            return program.inputs[name]
        if name in program.rules:
            return program.rules[name]
        if name in program.values:
            return self.value_cells[name]
        if name in self.open:
            circle = [*self.open[self.open.index(name) :], name]
            raise LawError(f"{d.id}: {' needs '.join(circle)}: a circle")
        self.open.append(name)
        try:
            if name in d.values:
                self.value_cells[name] = found = self._value(d.values[name])
            elif name in d.rules:
                found = self.program.rules[name] = self._rule(name)
            else:
                if name in {column.name for column in d.inputs}:
                    raise LawError(f"{d.id}: {wanted_by} needs {name}, a text without a vocabulary; a rule can't use it")
                known = [*program.inputs, *d.values, *d.rules]
                raise LawError(f"{d.id}: {wanted_by} needs {name!r}, which is no input, value or rule; {near(name, known)}")
        finally:
            self.open.pop()
        return found

    def _rule(self, name: str) -> Cell:
        variants = [v for v in self.definition.rules[name] if v.known_from is None or v.known_from <= self.program.known]
        if not variants:
            raise LawError(f"{self.definition.id}: no formula of {name} was known on {self.program.known}")
        self.program.variants[name] = tuple(variants)
        if variants[0].applies_from is None:
            body = self._trace(name, variants[0])
        else:
            latest: dict[dt.date, Variant] = {}
            for v in sorted(variants, key=lambda v: v.known_from or dt.date.min):
                assert v.applies_from is not None
                latest[v.applies_from] = v
            days = sorted(latest)
            today = self.resolve(self.definition.date, name)
            cases: list[Any] = []
            for day in reversed(days[1:]):
                limit = Cell("const", kind="date", low=date_number(day), high=date_number(day), data=date_number(day))
                cases += [today >= limit, self._trace(name, latest[day])]
            first = self._trace(name, latest[days[0]])
            body = choose(*cases, first) if cases else first
        return Cell(
            "rule", (body,), kind=body.kind, unit=body.unit, decimals=body.decimals, low=body.low, high=body.high,
            words=body.words, data=name,
        )  # fmt: skip

    def _trace(self, name: str, variant: Variant) -> Cell:
        arguments = [self.resolve(argument, name) for argument in inspect.signature(variant.function).parameters]
        try:
            body = variant.function(*arguments)
        except LawError as error:
            raise LawError(f"{self.definition.id}: rule {name}: {error}") from None
        except Exception as error:
            raise LawError(f"{self.definition.id}: rule {name}: {type(error).__name__}: {error}") from error
        if isinstance(body, bool | int | str):
            body = cell(body)
        if not isinstance(body, Cell):
            raise LawError(f"{self.definition.id}: rule {name} yields {body!r}, not a cell")
        return body

    def _value(self, value: Value) -> Cell:
        keys = tuple(self.resolve(key, value.name) for key in value.keys)
        for name, key in zip(value.keys, keys, strict=True):
            if key.kind != "text":
                raise LawError(f"{value.where}: key {name} is a {key.kind}; a key needs a vocabulary")
        records = self.effective[value.name]
        if value.kind == "reading":
            records = self._reading(value, records)
        table = slots(value, records, [key.words for key in keys], self.program.overlays)
        parts: list[Cell] = []
        places = list(table.records)
        width = 1
        for key in keys:
            width *= len(key.words)
        if value.kind == "standing":
            if not self.definition.date:
                raise LawError(f"{self.definition.id}: has standing values, but policy.yaml names no date")
            parts.append(self._period())
            own = [bisect.bisect_right(table.cuts, cut) for cut in (0, *self.cuts)]
            places = [places[period * width + i] for period in own for i in range(width)]
        elif value.kind == "per_period":
            number = self.resolve(value.period, value.name)
            if number.kind != "number" or number.decimals:
                raise LawError(f"{value.where}: period {value.period} is not a whole number")
            count = len(places) // width
            parts.append(Cell("span", (number,), high=count - 1, data=table.periods))
        parts += keys
        return self._cell(value, keys, self._index(parts), places)

    def _reading(self, value: Value, records: list[Record]) -> list[Record]:
        chosen = self.program.readings.get(value.name)
        if chosen is None:
            return records
        if records and all(record.value == chosen for record in records):
            return records
        default = records[-1] if records else value.records[0]
        return [replace(default, keys=(), value=chosen, mark=f"reading:{value.name}={chosen}")]

    def _period(self) -> Cell:
        if self.period is None:
            day = self.resolve(self.definition.date, "the dated values")
            if day.kind != "date":
                raise LawError(f"{self.definition.id}: {self.definition.date} is a {day.kind}, not a date")
            self.period = Cell("period", (day,), high=len(self.cuts), data=self.cuts)
        return self.period

    @staticmethod
    def _index(parts: list[Cell]) -> Cell:
        strides, size = [], 1
        for part in reversed(parts):
            strides.append(size)
            size *= part.high + 1
        return Cell("index", tuple(parts), high=size - 1, data=tuple(reversed(strides)))

    def _cell(self, value: Value, keys: tuple[Cell, ...], index: Cell, places: list[Record | None]) -> Cell:
        doubtful = {grade.grade for grade in self.definition.grades if grade.doubtful}
        table: list[int | None] = []
        marks: dict[str, list[int]] = {}
        for i, record in enumerate(places):
            known = None if record is None or record.value is None else record.value
            table.append(None if known is None else value.scaled(known))
            if record is None or known is None:
                continue
            told = [record.mark] if record.mark else []
            if record.confidence in doubtful:
                told.append(f"doubtful:{value.name}")
            for mark in told:
                marks.setdefault(mark, [0] * len(places))[i] = 1
        present = [number for number in table if number is not None]
        fill = present[0] if present else (0 if value.type == "text" else 1)
        filled = tuple(fill if number is None else number for number in table)
        kind = value.type
        found = Cell(
            "value", (index,), kind=kind, unit=value.unit, decimals=value.decimals, words=value.allowed,
            low=min(filled), high=max(filled),
        )  # fmt: skip

        def lookup(bits: Sequence[int]) -> Cell:
            if all(bits):
                return negation(FALSE)
            return Cell("lookup", (index,), kind="truth", data=tuple(bits)) if any(bits) else FALSE

        found.data = self.program.values[value.name] = ValueRef(
            value.name,
            value,
            keys,
            index,
            filled,
            tuple(places),
            lookup([int(number is None) for number in table]),
            {mark: lookup(bits) for mark, bits in marks.items()},
        )
        return found


def _input(column: Column) -> Cell:
    absent = FALSE if column.default is not None else Cell("absent", kind="truth", data=column.name)
    low = high = 0
    kind: Any = column.kind
    words: tuple[str, ...] = ()
    unit_text = ""
    if column.is_number:
        assert isinstance(column.minimum, Decimal)
        assert isinstance(column.maximum, Decimal)
        low, high = int(column.minimum.scaleb(column.decimals)), int(column.maximum.scaleb(column.decimals))
        kind, unit_text = "number", column.unit
    elif column.kind == "date":
        assert isinstance(column.minimum, dt.date)
        assert isinstance(column.maximum, dt.date)
        low, high = date_number(column.minimum), date_number(column.maximum)
    elif column.kind == "boolean":
        kind = "truth"
    else:
        kind, words = "text", tuple(column.choices)
    fill = low
    if column.default is not None:
        value = column.read(column.default)
        fill = words.index(value) if kind == "text" else date_number(value) if kind == "date" else int(value)
    found = Cell("input", kind=kind, unit=unit(unit_text), decimals=column.decimals, low=low, high=high, words=words)
    found.data = InputRef(column.name, column, absent, fill)
    return found


class _Outcome:
    """Status, reason, which figures are shown, names of what is missing, flags and marks: all as cells."""

    def __init__(self, program: Program) -> None:
        self.p = program

    def rule(self, name: str, wanted_by: str) -> Cell:
        if name not in self.p.rules:
            raise LawError(f"{self.p.definition.id}: {wanted_by} names rule {name!r}; {near(name, list(self.p.rules))}")
        return self.p.rules[name]

    def applies(self, column: str, name: str) -> Cell:
        """Whether an output applies to a row: the truth of the rule that its ``when`` names; without one it always does."""
        if not name:
            return TRUE
        found = self.rule(name, f"output {column}: when")
        if found.kind != "truth":
            raise LawError(f"{self.p.definition.id}: output {column}: when names {name}, a {found.kind}, not a truth")
        return found

    def within(self, applies: Cell, missing: Cell) -> Cell:
        """What is missing for an output: whether it applies, or, where it does, its figure."""
        unknown = self.p.flags.missing(applies)
        return either(unknown, both(both(applies, negation(unknown)), missing))

    def of_column(self, applies: Cell, told: Callable[[Cell], dict[str, Cell]], output: Cell) -> Iterator[tuple[str, Cell]]:
        """Names (or marks) of an output, each with the rows in which it counts."""
        yield from told(applies).items()
        here = both(applies, negation(self.p.flags.missing(applies)))
        for name, counts in told(output).items():
            yield name, both(here, counts)

    def run(self) -> None:
        p, d = self.p, self.p.definition
        flags = p.flags
        verdict = self.rule(d.outcome.rule, "outcome")
        if verdict.kind != "text":
            raise LawError(f"{d.id}: the outcome's rule {d.outcome.rule} is a {verdict.kind}, not a text")
        outputs = {output.name: self.rule(output.rule, f"output {output.name}") for output in d.outputs}
        for output in d.outputs:
            shown = outputs[output.name]
            if shown.kind == "number" and shown.decimals > output.decimals:
                raise LawError(
                    f"{d.id}: output {output.name} shows {output.decimals} decimals, but {output.rule} has {shown.decimals}"
                )
            if shown.kind == "number" and max(-shown.low, shown.high) * 10 ** (output.decimals - shown.decimals) >= 10**18:
                raise LawError(
                    f"{d.id}: output {output.name} may have more than 18 digits; the bounds of the inputs are too wide"
                )
        for check in d.checks:
            rule = self.rule(check.rule, f"check {check.name}")
            p.check_cells[check.name] = both(rule, negation(flags.missing(rule)))
        door = Cell("absent", kind="truth", data="")  # set where the door refused a cell of the row
        refused = either(door, any_of(list(p.check_cells.values())))
        undecided = flags.missing(verdict)
        answered = FALSE
        for word in d.outcome.answered:
            if word not in verdict.words:
                raise LawError(f"{d.id}: outcome {word!r} is not a word of {d.outcome.rule}: {list(verdict.words)}")
            answered = either(answered, verdict == word)
        answered = both(negation(undecided), answered)
        applies = {output.name: self.applies(output.name, output.when) for output in d.outputs}
        p.applies_cells = applies
        lacks = {name: self.within(applies[name], flags.missing(cell)) for name, cell in outputs.items()}
        lacking = any_of(list(lacks.values()))
        open_ = both(negation(refused), either(undecided, both(answered, lacking)))
        p.status_cell = choose(refused, d.outcome.refused, open_, d.outcome.undetermined, verdict)
        if d.outcome.reason:
            reason = self.rule(d.outcome.reason, "outcome.reason")
            told = both(both(negation(refused), negation(open_)), negation(flags.missing(reason)))
            if "none" in reason.words:
                told = both(told, reason != "none")
            p.reason_cell = choose(told, reason, "")
        else:
            p.reason_cell = Cell("const", kind="text", words=_BLANK, data=0)
        flagged = both(negation(refused), either(undecided, answered))
        for name, output_cell in outputs.items():
            p.output_cells[name] = output_cell
            wanted = both(applies[name], negation(flags.missing(applies[name])))
            p.shows_cells[name] = both(flagged, both(wanted, negation(flags.missing(output_cell))))
        names = dict(flags.names(verdict))
        for column, output_cell in outputs.items():
            for name, here in self.of_column(applies[column], flags.names, output_cell):
                names[name] = either(names.get(name, FALSE), both(answered, here))
        order = [*p.inputs, *d.values]
        p.missing_cells = {name: both(open_, names[name]) for name in order if names.get(name, FALSE) is not FALSE}
        for flag in d.flags:
            rule = self.rule(flag.rule, f"flag {flag.name}")
            p.flag_cells[flag.name] = both(flagged, both(rule, negation(flags.missing(rule))))
        complete = both(negation(refused), both(answered, negation(lacking)))
        marks = dict(flags.marks(verdict))
        for column, output_cell in outputs.items():
            for mark, here in self.of_column(applies[column], flags.marks, output_cell):
                marks[mark] = either(marks.get(mark, FALSE), here)
        for mark in sorted(marks):
            p.flag_cells[mark] = both(complete, marks[mark])
        p.refused_cell = refused


__all__ = ["InputRef", "Program", "ValueRef", "compile_program"]
