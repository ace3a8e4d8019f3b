"""How one answer comes about: the steps that a record takes through the rules, with numbers, units and references.

The text of a formula is made from the rule's own tree, never written by hand: names first, then the same with the numbers
put in. Only the branch that was taken is shown, with the conditions that led there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .cells import Cell
from .program import Program
from .records import Record, answer, shown


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

    def __str__(self) -> str:
        if self.result is None:
            return f"{self.rule} = {self.formula} = not determined, missing {', '.join(self.missing)}"
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
        lines = [f"{self.title}, as known on {self.known}"]
        lines += [f"refused: {message}" for message in self.refusals]
        for step in self.steps:
            lines += ["", step.heading, f"  {step}"]
            if step.because:
                lines.append(f"  because {' and '.join(step.because)}")
            for used in step.values:
                lines.append(
                    f"  {used.name} = {used.value} {used.unit}".rstrip() + f" ({used.applies}; grade {used.confidence})"
                )
                lines += [f"    {title} {url}".rstrip() for title, url in used.references]
                if used.note:
                    lines.append(f"    note: {used.note}")
        lines += ["", *(f"{name}: {'' if value is None else value}" for name, value in self.answer.items())]
        return "\n".join(lines)


_USED = ("name", "description", "value", "unit", "applies", "known_from", "confidence", "note", "overlay")


def explain(program: Program, record: Mapping[str, Any]) -> Explanation:
    """The steps for one record; see :meth:`~.policy.Policy.explain`."""
    read = Record(program, record)
    d = program.definition
    found = answer(read)
    walk = _Walk(read)
    if not read.refused:
        walk.visit(program.rules[d.outcome.rule])
        if read.value(program.flags.missing(program.rules[d.outcome.rule])) or found["status"] in (
            *d.outcome.answered,
            d.outcome.undetermined,
        ):
            for name, cell in program.output_cells.items():
                applies = program.applies_cells[name]
                if not read.value(program.flags.missing(applies)) and read.value(applies):
                    walk.visit(cell)
    meanings = {flag.name: flag.description for flag in (*d.flags, *d.checks)}
    flags = tuple((flag, meanings.get(flag, _mark(flag))) for flag in (found["flags"] or "").split("; ") if flag)
    checks = tuple(
        f"{name}: {meanings[name]}" for name, cell in program.check_cells.items() if not read.refused and read.value(cell)
    )
    return Explanation(
        policy=d.id,
        title=d.title,
        known=program.known.isoformat(),
        digest=program.digest(),
        answer=found,
        inputs={name: value for name, value in record.items() if value not in (None, "")},
        steps=tuple(walk.steps),
        refusals=tuple(refused.message for refused in read.refused) + checks,
        overlays=tuple(overlay.title for overlay in program.overlays),
        flags=flags,
    )


def _mark(mark: str) -> str:
    kind, _, name = mark.partition(":")
    return {
        "doubtful": f"{name} is inferred or comes from a single weak source",
        "overlay": f"values of the overlay {name} were used, which are not the law as read here",
        "reading": f"not the default reading: {name}",
    }.get(kind, mark)


class _Walk:
    """Visits the rules that a record's path needs, each after those that it needs."""

    def __init__(self, read: Record) -> None:
        self.read = read
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
        variant = self.read.program.variants[name]
        heading = " ".join((variant[0].function.__doc__ or name).split())
        lacking = self._lacks(cell)
        because: list[str] = []
        taken = self._taken(body, because)
        used: dict[str, Used] = {}
        self._used(body, used)
        value = None if lacking else _number(cell, self.read.value(cell))
        self.steps.append(
            Step(
                rule=name,
                heading=heading,
                formula=_text(taken, self, False),
                numbers="" if lacking else _text(taken, self, True),
                result=value,
                unit=str(cell.unit) if cell.kind == "number" else "",
                because=tuple(because),
                values=tuple(used.values()),
                missing=tuple(n for n, here in self.flags.names(cell).items() if self.read.value(here)) if lacking else (),
            )
        )

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
                        *(f"from {record.applies_from}" for _ in [0] if record.applies_from),
                        *(f"{ref.value.period} {record.period}" for _ in [0] if record.period is not None),
                        *(f"{key} {word}" for key, word in record.keys),
                    ]
                )
                used[ref.name] = Used(
                    name=ref.name,
                    description=ref.value.description,
                    value=_number(cell, self.read.value(cell)),
                    unit=ref.value.unit_text if ref.value.type == "number" else "",
                    applies=applies or "always",
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
