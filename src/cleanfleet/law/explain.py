"""How one answer comes about: the steps that a record takes through the rules, with numbers, units and references.

The text of a formula is made from the rule's own tree, never written by hand: names first, then the same with the numbers
put in. Only the branch that was taken is shown, with the conditions that led there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from .cells import Cell
from .grouped import Grouped
from .language import ENGLISH, say
from .program import Program
from .records import Record, answer, shown
from .rules import Variant
from .texts import Texts, heading
from .values import date_number


@dataclass(frozen=True)
class Used:
    """A dated value that a step used: what it is, where it stands, how sure it is, and which exception or overlay applied."""

    name: str
    description: str
    value: str
    unit: str
    applies: str
    known_from: str
    confidence: str
    references: tuple[tuple[str, str], ...]  # (title with section, address)
    note: str = ""
    overlay: str = ""


@dataclass(frozen=True)
class Step:
    """One rule on the record's path. ``result`` is None where it is not determined; ``missing`` then names what is lacking."""

    rule: str
    heading: str
    formula: str
    numbers: str
    result: str | None
    unit: str
    because: tuple[str, ...] = ()
    values: tuple[Used, ...] = ()
    missing: tuple[str, ...] = ()
    language: str = ENGLISH

    def __str__(self) -> str:
        if self.result is None:
            lacking = say(self.language, "not determined, missing {names}", names=", ".join(self.missing))
            return f"{self.rule} = {self.formula} = {lacking}"
        parts = [self.rule]
        if self.formula.strip("'") != self.result:
            parts.append(self.formula)
        if self.numbers != self.formula and self.numbers.strip("'") != self.result:
            parts.append(self.numbers)
        parts.append(f"{self.result} {self.unit}".strip())
        return " = ".join(parts)


@dataclass(frozen=True)
class Explanation:
    """The answer for one record and the steps to it; ``str()`` is a page of plain text."""

    policy: str
    title: str
    known: str
    digest: str
    answer: Mapping[str, Any]
    inputs: Mapping[str, Any]
    steps: tuple[Step, ...]
    refusals: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    flags: tuple[tuple[str, str], ...] = field(default=())
    language: str = ENGLISH
    status: str = ""
    reasons: tuple[tuple[str, str], ...] = ()

    def step(self, rule: str) -> Step:
        """The step of ``rule``; raises KeyError where the record's path doesn't need it."""
        for step in self.steps:
            if step.rule == rule:
                return step
        raise KeyError(rule)

    def as_dict(self) -> dict[str, Any]:
        """All of it as texts, lists and None, for JSON."""
        return {
            "policy": self.policy,
            "known": self.known,
            "values_digest": self.digest,
            "overlays": list(self.overlays),
            "input": {name: None if value is None else str(value) for name, value in self.inputs.items()},
            "answer": {name: None if value is None else str(value) for name, value in self.answer.items()},
            "refusals": list(self.refusals),
            "status_meaning": self.status or None,
            "reasons": [{"reason": reason, "meaning": meaning or None} for reason, meaning in self.reasons],
            "flags": [{"flag": flag, "meaning": meaning} for flag, meaning in self.flags],
            "steps": [
                {
                    "rule": step.rule,
                    "heading": step.heading,
                    "formula": step.formula,
                    "numbers": step.numbers,
                    "result": step.result,
                    "unit": step.unit,
                    "because": list(step.because),
                    "missing": list(step.missing),
                    "values": [
                        {
                            **{key: getattr(used, key) for key in _USED},
                            "references": [{"title": title, "url": url} for title, url in used.references],
                        }
                        for used in step.values
                    ],
                }
                for step in self.steps
            ],
        }

    def __str__(self) -> str:
        told = partial(say, self.language)
        lines = [told("{title}, as known on {known}", title=self.title, known=self.known)]
        lines += [told("refused: {message}", message=message) for message in self.refusals]
        for step in self.steps:
            lines += ["", step.heading, f"  {step}"]
            if step.because:
                lines.append("  " + told("because {reasons}", reasons=f" {told('and')} ".join(step.because)))
            for used in step.values:
                grade = told("grade {grade}", grade=used.confidence)
                lines.append(f"  {used.name} = {used.value} {used.unit}".rstrip() + f" ({used.applies}; {grade})")
                lines += [f"    {title} {url}".rstrip() for title, url in used.references]
                if used.note:
                    lines.append("    " + told("note: {note}", note=used.note))
        lines += ["", *(f"{name}: {'' if value is None else value}" for name, value in self.answer.items())]
        meant = [(self.answer["status"], self.status), *self.reasons]
        lines += [f"{code}: {meaning}" for code, meaning in meant if meaning and ":" not in code]
        return "\n".join(lines)


@dataclass(frozen=True)
class GroupExplanation:
    """The answer for a group of rows: each row's explanation, then what comes of them together."""

    answer: Mapping[str, Any]
    rows: tuple[Explanation, ...]
    flags: tuple[tuple[str, str], ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    language: str = ENGLISH

    def as_dict(self) -> dict[str, Any]:
        """All of it as texts, lists and None, for JSON."""
        return {
            "answer": {name: None if value is None else str(value) for name, value in self.answer.items()},
            "flags": [{"flag": flag, "meaning": meaning} for flag, meaning in self.flags],
            "reasons": [{"reason": reason, "meaning": meaning} for reason, meaning in self.reasons],
            "rows": [row.as_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        of = partial(say, self.language, "row {number} of {rows}", rows=len(self.rows))
        parts = [f"{of(number=number)}\n{row}" for number, row in enumerate(self.rows, 1)]
        lines = [f"{name}: {'' if value is None else value}" for name, value in self.answer.items()]
        return "\n\n".join([*parts, "\n".join([say(self.language, "together"), *lines])])


_USED = ("name", "description", "value", "unit", "applies", "known_from", "confidence", "note", "overlay")


def explain(program: Program, record: Mapping[str, Any], texts: Texts) -> Explanation:
    """The steps for one record, in the language of ``texts``; see :meth:`~.policy.Policy.explain`."""
    read = Record(program, record)
    d = program.definition
    found = answer(read)
    walk = _Walk(read, texts)
    if not read.refused:
        walk.visit(program.rules[d.outcome.rule])
        if read.value(program.flags.missing(program.rules[d.outcome.rule])) or found["status"] in (
            *d.outcome.answered,
            d.outcome.undetermined,
        ):
            for output in d.outputs:
                if output.where:
                    there = program.rules[output.where]
                    walk.visit(there)
                    if read.value(program.flags.missing(there)) or not read.value(there):
                        continue
                walk.visit(program.output_cells[output.name])
    flags = tuple((flag, texts.flag(flag)) for flag in (found["flags"] or "").split("; ") if flag)
    reasons = tuple((reason, texts.reason(reason)) for reason in (found["reason"] or "").split("; ") if reason)
    checks = tuple(
        f"{name}: {texts.checks[name]}"
        for name, cell in program.check_cells.items()
        if not read.refused and read.value(cell)
    )
    return Explanation(
        policy=d.id,
        title=texts.title,
        known=program.known.isoformat(),
        digest=program.digest(),
        answer=found,
        inputs={name: value for name, value in record.items() if value not in (None, "")},
        steps=tuple(walk.steps),
        refusals=tuple(refused.told(texts.language) for refused in read.refused) + checks,
        overlays=tuple(overlay.title for overlay in program.overlays),
        flags=flags,
        language=texts.language,
        status=texts.status(found["status"]),
        reasons=reasons,
    )


def explain_group(grouped: Grouped, records: Sequence[Mapping[str, Any]], texts: Texts) -> GroupExplanation:
    """The steps for the rows of one group; see :meth:`~.policy.Policy.explain`."""
    rows = tuple(explain(grouped.program, record, texts) for record in grouped.filled_records(records))
    found = grouped.one(records)
    told = [flag for flag in (found["flags"] or "").split("; ") if flag]
    why = [reason for reason in (found["reason"] or "").split("; ") if reason]
    return GroupExplanation(
        found,
        rows,
        tuple((flag, texts.flag(flag)) for flag in told),
        tuple((code, texts.reason(code)) for code in why),
        texts.language,
    )


class _Walk:
    """Visits the rules that a record's path needs, each after those that it needs."""

    def __init__(self, read: Record, texts: Texts) -> None:
        self.read, self.texts = read, texts
        self.flags = read.program.flags
        self.steps: list[Step] = []
        self._seen: set[int] = set()

    def visit(self, cell: Cell) -> None:
        if id(cell) in self._seen:
            return
        self._seen.add(id(cell))
        if cell.op == "choose":
            self.visit(cell.args[0])
            if not self._lacks(cell.args[0]):
                self.visit(cell.args[1] if self.read.value(cell.args[0]) else cell.args[2])
            return
        for argument in cell.args:
            self.visit(argument)
        if cell.op == "rule":
            self._step(cell)

    def _lacks(self, cell: Cell) -> bool:
        return bool(self.read.value(self.flags.missing(cell)))

    def _step(self, cell: Cell) -> None:
        (body,) = cell.args
        name: str = cell.data
        variant = self._variant(name)
        said = self.texts.rules.get(name) or name
        if variant.reference:  # a dated formula has a heading of its own, in the scheme's first language
            said = f"{heading(variant.function) if self.texts.language == ENGLISH else said} ({variant.reference})"
        lacking = self._lacks(cell)
        because: list[str] = []
        taken = self._taken(body, because)
        used: dict[str, Used] = {}
        self._used(body, used)
        value = None if lacking else _number(cell, self.read.value(cell))
        self.steps.append(
            Step(
                rule=name,
                heading=said,
                formula=_text(taken, self, False),
                numbers="" if lacking else _text(taken, self, True),
                result=value,
                unit=str(cell.unit) if cell.kind == "number" else "",
                because=tuple(because),
                values=tuple(used.values()),
                missing=tuple(n for n, here in self.flags.names(cell).items() if self.read.value(here)) if lacking else (),
                language=self.texts.language,
            )
        )

    def _variant(self, name: str) -> Variant:
        """The formula of a rule that applies on the record's day; the first where the day isn't known."""
        program = self.read.program
        found, *later = sorted(
            program.variants[name], key=lambda v: (v.applies_from or dt.date.min, v.known_from or dt.date.min)
        )
        if later:
            date = program.definition.date
            day = program.rules[date] if date in program.rules else program.inputs[date]
            if not self._lacks(day):
                today = self.read.value(day)
                for variant in later:
                    if variant.applies_from is not None and date_number(variant.applies_from) <= today:
                        found = variant
        return found

    def _taken(self, cell: Cell, because: list[str]) -> Cell:
        while cell.op in ("choose", "needs", "as_words", "take"):
            if cell.op == "choose":
                condition = cell.args[0]
                if self._lacks(condition):
                    return condition
                if self.read.value(condition):
                    because.append(_text(condition, self, False))
                    cell = cell.args[1]
                else:
                    cell = cell.args[2]
            elif cell.op == "needs" and self._lacks(cell.args[1]):
                cell = cell.args[1]
            else:
                cell = cell.args[0]
        return cell

    def _used(self, cell: Cell, used: dict[str, Used]) -> None:
        if cell.op == "choose":
            self._used(cell.args[0], used)
            if not self._lacks(cell.args[0]):
                self._used(cell.args[1] if self.read.value(cell.args[0]) else cell.args[2], used)
            return
        if cell.op == "value" and not self._lacks(cell):
            ref = cell.data
            record = ref.records[self.read.value(cell.args[0])]
            if record is not None:
                applies = ", ".join(
                    [
                        *(self.texts.say("from {day}", day=record.applies_from) for _ in [0] if record.applies_from),
                        *(f"{ref.value.period} {record.period}" for _ in [0] if record.period is not None),
                        *(f"{key} {word}" for key, word in record.keys),
                    ]
                )
                used[ref.name] = Used(
                    name=ref.name,
                    description=self.texts.values.get(ref.name, ref.value.description),
                    value=_number(cell, self.read.value(cell)),
                    unit=ref.value.unit_text if ref.value.type == "number" else "",
                    applies=applies or self.texts.say("always"),
                    known_from=record.known_from.isoformat() if record.known_from.year > 1 else "",
                    confidence=record.confidence,
                    references=tuple((str(r), r.url) for r in record.references),
                    note=record.note,
                    overlay=record.overlay,
                )
        if cell.op != "rule":
            for argument in cell.args:
                if argument.op != "rule":
                    self._used(argument, used)


def _number(cell: Cell, value: int) -> str:
    out = shown(cell, value)
    if isinstance(out, Decimal):
        text = f"{out:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(out, bool):
        return "true" if out else "false"
    return str(out)


_SIGN = {"add": "+", "sub": "-", "mul": "x", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
         "and": "and", "or": "or"}  # fmt: skip
_RANK = {"or": 1, "and": 2, "not": 3, "eq": 4, "ne": 4, "lt": 4, "le": 4, "gt": 4, "ge": 4, "add": 5, "sub": 5, "mul": 6}


def _text(cell: Cell, walk: _Walk, numbers: bool, rank: int = 0) -> str:
    """A formula as text: names, or the numbers put in; brackets where the order of the operations needs them."""
    op, args = cell.op, cell.args
    if op in ("scale", "needs", "as_words", "take"):
        return _text(args[0], walk, numbers, rank)
    if op == "choose":
        return _text(walk._taken(cell, []), walk, numbers, rank)
    if op in ("rule", "input", "value"):
        if numbers:
            text = _number(cell, walk.read.value(cell))
            text = f"'{text}'" if cell.kind == "text" else text
            return f"({text})" if text.startswith("-") and rank else text
        return str(cell.data if op == "rule" else cell.data.name)
    if op == "const":
        text = _number(cell, cell.data)
        return f"'{text}'" if cell.kind == "text" else text
    if op == "absent":
        return _truth(walk.read.value(cell)) if numbers else f"{cell.data} is empty"
    if op == "not":
        (inner,) = args
        if inner.op == "absent":
            return _truth(not walk.read.value(inner)) if numbers else f"{inner.data} is given"
        return _bracket(f"not {_text(inner, walk, numbers, 3)}", 3, rank)
    if op in _SIGN:
        mine = _RANK[op]
        left = _text(args[0], walk, numbers, mine)
        right = _text(args[1], walk, numbers, mine + (op in ("sub", "eq", "ne", "lt", "le", "gt", "ge")))
        return _bracket(f"{left} {_SIGN[op]} {right}", mine, rank)
    if op in ("min", "max"):
        return f"{op}({_text(args[0], walk, numbers)}, {_text(args[1], walk, numbers)})"
    if op in ("truncate_div", "floor_div", "half_up_div"):
        name = op.removesuffix("_div")
        divided = _text(args[0], walk, numbers, 0 if _is_one(args[1]) else 6)
        if not _is_one(args[1]):
            divided = f"{divided} / {_text(args[1], walk, numbers, 7)}"
        return f"{name}({divided}{f', {cell.decimals}' if cell.decimals else ''})"
    if op == "year":
        return f"year({_text(args[0], walk, numbers)})"
    if op == "add_years":
        return f"{_text(args[0], walk, numbers, 5)} + {_text(args[1], walk, numbers, 5)} years"
    raise AssertionError(f"{op} stands in no formula")


def _is_one(cell: Cell) -> bool:
    return cell.op == "const" and bool(cell.data == 10**cell.decimals) and str(cell.unit) == ""


def _bracket(text: str, mine: int, rank: int) -> str:
    return f"({text})" if mine < rank else text


def _truth(value: object) -> str:
    return "true" if value else "false"
