"""Whole tables on any engine that Narwhals knows: DuckDB, Ibis, and natively Polars and PyArrow (PySpark: :mod:`.spark`).

The same answers as :mod:`.frames`, as one chain of column expressions: no join, no rounding, no cast that could lose
anything. So the rows keep their order wherever the engine keeps one (DuckDB does unless ``preserve_insertion_order`` is off),
and lazy frames stay lazy. Numbers are exact decimals of 18 digits; engines that have none in Narwhals
(:data:`.portable_doors.INEXACT`) give Float64. Words, reasons and flags are plain texts.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import narwhals.stable.v2 as nw

from .cells import Cell
from .errors import InputError, near
from .lowered import Steps
from .portable_doors import Engine, Expr, check_types, column_of, enter, integer, named, texts
from .portable_duckdb import with_columns
from .program import Program
from .steps import FALSE

#: A step that nests others deeper than this becomes a column of its own: compilers of expressions have an end of their stack.
DEEPEST = 12


def assess_portable(program: Program, frame: Any, also: Sequence[str] = (), refusal: str | None = None) -> Any:
    """``frame`` (native) with the answer columns added, of the same kind; see :meth:`.policy.Policy.assess`.

    Raises :class:`InputError` where the table as a whole can't be used.
    """
    return _Assessment(program, nw.from_native(frame), also, refusal).run()


class _Assessment:
    """The way of one frame: in by the doors, through the steps layer by layer, out as answers."""

    def __init__(self, program: Program, frame: Any, also: Sequence[str], refusal: str | None) -> None:
        self.program, self.frame, self.refusal = program, frame, refusal
        for name in also:
            if name not in program.rules:
                raise InputError(f"{program.definition.id} has no rule {name!r}; {near(name, list(program.rules))}")
        schema = dict(frame.collect_schema())
        self.given = list(schema)
        prefix = "cleanfleet_"
        while any(name.lower().startswith(prefix) for name in schema):
            prefix = "_" + prefix
        for name in [name for name, dtype in schema.items() if dtype == nw.Unknown and _holds_nothing(frame, name)]:
            del schema[name]
        check_types(schema, program.definition.inputs, program.definition.id)
        if refusal is not None and refusal not in self.given:
            raise InputError(f"the table has no column {refusal}; {near(refusal, self.given)}")
        self.engine = Engine(frame.implementation.value, schema, prefix)
        self.inputs = {name: cell for name, cell in program.inputs.items() if name in schema}
        self.steps = Steps(set(program.inputs) - set(self.inputs))
        self.answers = _Answers(program, {name: program.rules[name] for name in also}, self.steps)
        self.held: dict[int, str] = {}

    def run(self) -> Any:
        self._enter()
        self._compute()
        leaving = self.answers.columns(self.expr, nw.col(f"{self.engine.prefix}told"), self._told(), self.engine)
        return self.frame.select(*self.given, **leaving).to_native()

    def _layer(self, keep: Sequence[str], new: Mapping[str, Expr]) -> list[str]:
        """One layer: the table's own columns, the helpers still needed and the new ones; yields the helpers."""
        self.frame = self.frame.select(*self.given, *keep, **new)
        return [*keep, *new]

    def _told(self) -> list[Expr]:
        return [nw.col(self.refusal).cast(nw.String)] if self.refusal else []

    def _enter(self) -> None:
        doors = {name: enter(cell, self.engine, self.program.definition.zone) for name, cell in self.inputs.items()}
        native = {name: expr for door in doors.values() for name, expr in door.native.items()}
        if native:
            self.frame = nw.from_native(with_columns(self.frame.to_native(), native))
        helpers = list(native)
        for number in range(max((len(door.stages) for door in doors.values()), default=0)):
            stages = [door.stages[number] for door in doors.values() if number < len(door.stages)]
            helpers = self._layer(helpers, {name: expr for stage in stages for name, expr in stage.items()})
        prefix = self.engine.prefix
        refusals = [(f"{code}:{name}", where) for name, door in doors.items() for code, where in door.refusals]
        entered = {f"{prefix}in_{name}": door.value for name, door in doors.items()}
        entered.update({f"{prefix}not_{name}": door.absent for name, door in doors.items()})
        stopped = reduce(operator.or_, [door.refused for door in doors.values()], nw.lit(value=False))
        helpers = self._layer(helpers, {f"{prefix}stopped": stopped, **entered})
        stopped = nw.col(f"{prefix}stopped")
        refused = reduce(operator.or_, [~told.is_null() for told in self._told()], stopped)
        told = nw.when(stopped).then(texts(named(refusals) or [nw.lit("")]))
        self._layer(list(entered), {f"{prefix}not_": refused, f"{prefix}told": told})

    def _compute(self) -> None:
        """The steps that are used more than once as columns, those that need no other in one layer, and so on."""
        prefix = self.engine.prefix
        for number, step in enumerate(self.steps.all):
            if step.op in ("input", "absent"):
                self.held[number] = prefix + ("in_" if step.op == "input" else "not_") + step.data
        for layer, kept in _layers(self.steps, self.answers.roots):
            new = {f"{prefix}{number}": self.expr(number) for number in layer}
            self._layer([f"{prefix}told", *(self.held[number] for number in kept)], new)
            self.held.update({number: f"{prefix}{number}" for number in layer})

    def expr(self, number: int) -> Expr:
        """A step as an expression on the columns that are there."""
        if number in self.held:
            return nw.col(self.held[number])
        step = self.steps.all[number]
        if step.op == "const":
            return integer(step.data)
        if step.op == "text":
            return nw.lit(step.data, nw.String)
        if step.op in ("false", "true"):
            return nw.lit(step.op == "true")
        args = [self.expr(argument) for argument in step.args]
        if step.op == "choose":
            return nw.when(args[0]).then(args[1]).otherwise(args[2])
        if step.op == "not":
            return ~args[0]
        result: Expr = _OPERATORS[step.op](*args)
        return result


_OPERATORS: dict[str, Callable[..., Any]] = {
    "and": operator.and_,
    "or": operator.or_,
    "eq": operator.eq,
    "lt": operator.lt,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floor_div": operator.floordiv,
}
_INLINE = frozenset({"false", "true", "const", "text", "not"})


def _layers(steps: Steps, roots: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """For each layer the steps that become columns, and those made before that are still needed."""

    def plain(number: int) -> int:
        return steps.all[number].args[0] if steps.all[number].op == "not" else number

    uses = Counter(plain(root) for root in roots)
    for number in range(max(uses, default=0), -1, -1):  # a step's parts have lower numbers
        if uses[number]:
            uses.update(plain(argument) for argument in steps.all[number].args)
    level: dict[int, int] = {}
    nested: dict[int, int] = {}
    layers: dict[int, list[int]] = {}
    last: dict[int, int] = {}

    def seen(number: int, by: int) -> None:
        """The columns under a step are needed by the layer ``by``."""
        for argument in map(plain, steps.all[number].args):
            if argument in last:
                last[argument] = max(last[argument], by)
            else:
                seen(argument, by)

    for number in sorted(uses):
        op, args = steps.all[number].op, [plain(argument) for argument in steps.all[number].args]
        level[number] = max((level[argument] for argument in args), default=0)
        nested[number] = 1 + max((nested[argument] for argument in args), default=-1)
        if op in ("input", "absent"):
            last[number] = 0
        elif op not in _INLINE and (uses[number] > 1 or nested[number] > DEEPEST):
            level[number] += 1
            nested[number] = 0
            seen(number, level[number])
            layers.setdefault(level[number], []).append(number)
            last[number] = level[number]
    top = max(layers, default=0)
    for root in map(plain, roots):
        if root in last:
            last[root] = top + 1
        else:
            seen(root, top + 1)
    return [
        (layers[here], [number for number, until in last.items() if level[number] < here <= until])
        for here in range(1, top + 1)
    ]  # fmt: skip


class _Answers:
    """What leaves, as steps and the columns that come of them."""

    def __init__(self, program: Program, also: Mapping[str, Cell], steps: Steps) -> None:
        p, d = program, program.definition
        self.cells = {output.name: (p.output_cells[output.name], output.decimals) for output in d.outputs}
        self.cells.update({name: (cell, cell.decimals) for name, cell in also.items()})
        shows = [*p.shows_cells.values(), *(p.flags.missing(cell) for cell in also.values())]
        wanted = [p.status_cell, p.reason_cell, p.refused_cell, *p.check_cells.values(), *p.missing_cells.values()]
        wanted += [*p.flag_cells.values(), *(cell for cell, _ in self.cells.values()), *shows, p.open_cell]
        found = iter(steps.lower(wanted))
        status, reason, self.refused = next(found), next(found), next(found)
        self.status = steps.words(status, p.status_cell.words)
        self.reason = steps.words(reason, p.reason_cell.words, blank="")
        self.checks = {name: next(found) for name in p.check_cells}
        missing = {f"missing:{name}": step for name in p.missing_cells if (step := next(found)) != FALSE}
        self.flags = {name: step for name in p.flag_cells if (step := next(found)) != FALSE}
        self.values = {name: next(found) for name in self.cells}
        self.shows = {name: next(found) for name in p.shows_cells}
        self.shows.update({name: steps.negation(next(found)) for name in also})
        # Rows that lack something are asked for once: in most rows the names needn't be worked out.
        # The status tells which they are, unless the scheme's own verdict says 'not determined' too.
        self.open = next(found)
        if missing and d.outcome.undetermined not in p.rules[d.outcome.rule].words:
            self.open = steps.is_word(status, d.outcome.undetermined, p.status_cell.words)
        facts = steps.literals(self.open, holds=True)
        self.missing = {name: steps.under(step, facts) for name, step in missing.items()}
        self.flagged = steps.either(*self.flags.values())
        for name, (cell, _) in self.cells.items():
            if cell.kind == "text":
                self.values[name] = steps.words(self.values[name], cell.words)

    @property
    def roots(self) -> list[int]:
        """Each step that leaves, as often as it is written."""
        once = [self.status, self.reason, self.refused, self.open, self.flagged]
        for group in (self.checks, self.missing, self.flags, self.shows, self.values):
            once += group.values()
        return once + [self.values[name] for name, (cell, _) in self.cells.items() if cell.kind == "date"]

    def columns(self, expr: Callable[[int], Expr], refusals: Expr, told: list[Expr], engine: Engine) -> dict[str, Expr]:
        """The answer columns; ``told`` and ``refusals`` are the reasons that a row was refused for at the door."""

        def of(steps: Mapping[str, int]) -> list[Expr]:
            return named([(name, expr(step)) for name, step in steps.items()])

        reason = expr(self.reason)
        if self.missing:
            reason = nw.when(expr(self.open)).then(texts(of(self.missing))).otherwise(reason)
        reason = nw.when(expr(self.refused)).then(texts([*told, refusals, *of(self.checks)])).otherwise(reason)
        flags = nw.when(expr(self.flagged)).then(texts(of(self.flags) or [nw.lit("")]))
        result = {"status": expr(self.status), "reason": reason, "flags": flags}
        for name, (cell, places) in self.cells.items():
            result[name] = column_of(cell, expr(self.values[name]), expr(self.shows[name]), places, engine)
        return result


def _holds_nothing(frame: Any, name: str) -> bool:
    """Whether the column is of the engine's own type for nothing but nulls."""
    native = frame.to_native()
    types = getattr(native, "types", None)
    if types is not None and hasattr(native, "columns"):  # DuckDB
        kind: object = dict(zip(native.columns, types, strict=True)).get(name)
    else:
        schema = native.collect_schema() if hasattr(native, "collect_schema") else native.schema
        field = schema.field(name) if hasattr(schema, "field") else schema[name]
        kind = getattr(field, "dataType", None) or getattr(field, "type", field)
    return str(kind).strip('"').lower() in {"null", "void", "voidtype()", "nulltype()"}
