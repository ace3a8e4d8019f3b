"""Whole columns through the cells, as NumPy integers, a block of rows at a time.

Blocks that stay in the processor's cache are several times faster than whole-column expressions, hold no temporary column
of the whole table, and keep the order of the rows. What is measured stands in ``benchmarks/README.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cells import Cell

Array = NDArray[Any]
#: Rows in a block.
BLOCK = 16_384


class Machine:
    """The wanted cells as a list of steps in order of need, each computed once per block and dropped after its last use."""

    def __init__(self, wanted: Sequence[Cell]) -> None:
        self.wanted = list(wanted)
        self.steps: list[tuple[int, Cell, tuple[int, ...]]] = []
        self._number: dict[int, int] = {}
        self._same: dict[tuple[Any, ...], int] = {}
        for cell in self.wanted:
            self._visit(cell)
        last: dict[int, int] = {}
        for position, (_, _, needs) in enumerate(self.steps):
            for need in needs:
                last[need] = position
        keep = {self._number[id(cell)] for cell in self.wanted}
        self.drops: list[list[int]] = [[] for _ in self.steps]
        for need, position in last.items():
            if need not in keep:
                self.drops[position].append(need)
        self.results = [self._number[id(cell)] for cell in self.wanted]

    def _visit(self, cell: Cell) -> int:
        stack: list[tuple[Cell, bool]] = [(cell, False)]
        while stack:
            here, ready = stack.pop()
            if id(here) in self._number:
                continue
            if here.op in _SAME:
                inner = here.args[0]
                if id(inner) in self._number:
                    self._number[id(here)] = self._number[id(inner)]
                else:
                    stack += [(here, False), (inner, False)]
                continue
            if ready:
                needs = tuple(self._number[id(argument)] for argument in here.args)
                # The same operation on the same cells is one step, wherever the rules write it.
                same = (here.op, needs, _identity(here))
                if same not in self._same:
                    self._same[same] = len(self.steps)
                    self.steps.append((len(self.steps), here, needs))
                self._number[id(here)] = self._same[same]
            else:
                stack.append((here, True))
                stack += [(argument, False) for argument in here.args if id(argument) not in self._number]
        return self._number[id(cell)]

    def run(self, rows: int, source: Callable[[Cell], Array | int]) -> list[Array]:
        """The wanted cells for ``rows`` rows; ``source`` yields arrays of inputs and of absence (or one integer for all)."""
        held: dict[int, Any] = {}
        for (number, cell, needs), drops in zip(self.steps, self.drops, strict=True):
            op = cell.op
            if op == "const":
                held[number] = cell.data
            elif op in ("input", "absent"):
                held[number] = source(cell)
            else:
                held[number] = _OPS[op](cell, *[held[need] for need in needs])
            for need in drops:
                del held[need]
        return [_full(held[result], rows, cell.kind) for result, cell in zip(self.results, self.wanted, strict=True)]


def _identity(cell: Cell) -> Any:
    if cell.op == "input":
        return cell.data.name
    if cell.op == "const":  # 0 and False are two steps
        return cell.kind == "truth", cell.data
    return id(cell.data) if cell.op == "value" else cell.data


def _full(value: Any, rows: int, kind: str) -> Array:
    if isinstance(value, np.ndarray) and value.ndim:
        return value
    return np.full(rows, value, dtype=bool if kind == "truth" else np.int64)


def _truncated(cell: Cell, a: Any, b: Any) -> Any:
    if cell.args[0].low >= 0:
        return a // b
    return np.where(a < 0, -(-a // b), a // b)


_tables: dict[tuple[int, str], tuple[Any, Array]] = {}


def _table(data: tuple[int, ...], kind: str) -> Array:
    """The table of a cell as an array, made once; the tuple is kept beside it so that its identity stays its own."""
    key = (id(data), kind)
    found = _tables.get(key)
    if found is None or found[0] is not data:
        if len(_tables) > 4096:
            _tables.clear()
        found = _tables[key] = (data, np.array(data, dtype=bool if kind == "truth" else np.int64))
    return found[1]


# A truth that is one for all rows of the block (a reading, a column that isn't there) decides without touching them.


def _and(_: Cell, a: Any, b: Any) -> Any:
    if not isinstance(a, np.ndarray):
        return b if a else False
    if not isinstance(b, np.ndarray):
        return a if b else False
    return np.logical_and(a, b)


def _or(_: Cell, a: Any, b: Any) -> Any:
    if not isinstance(a, np.ndarray):
        return True if a else b
    if not isinstance(b, np.ndarray):
        return True if b else a
    return np.logical_or(a, b)


def _choose(_: Cell, condition: Any, a: Any, b: Any) -> Any:
    if not isinstance(condition, np.ndarray):
        return a if condition else b
    if not condition.any():
        return b
    if condition.all():
        return a
    return np.where(condition, a, b)


def _value(cell: Cell, index: Any) -> Any:
    if cell.low == cell.high:
        return cell.low
    return _table(cell.data.table, cell.kind)[index]


def _lookup(cell: Cell, index: Any) -> Any:
    return _table(cell.data, cell.kind)[index]


def _index(cell: Cell, *parts: Any) -> Any:
    total: Any = 0
    for part, stride, argument in zip(parts, cell.data, cell.args, strict=True):
        if argument.high == 0:
            continue
        total = total + (part if stride == 1 else part * stride)
    return total


def _period(cell: Cell, day: Any) -> Any:
    cuts = _table(cell.data, "number")
    return np.searchsorted(cuts, day, side="right")


def _span(cell: Cell, number: Any) -> Any:
    first, last = cell.data
    place = number - (first - 1)
    return np.where((place < 1) | (place > last - first + 1), 0, place)


_SAME = frozenset({"rule", "needs", "as_words"})

_OPS: dict[str, Callable[..., Any]] = {
    "scale": lambda c, a: a * c.data,
    "add": lambda c, a, b: a + b,
    "sub": lambda c, a, b: a - b,
    "mul": lambda c, a, b: a * b,
    "min": lambda c, a, b: np.minimum(a, b),
    "max": lambda c, a, b: np.maximum(a, b),
    "truncate_div": _truncated,
    "floor_div": lambda c, a, b: a // b,
    "half_up_div": lambda c, a, b: (2 * a + b) // (2 * b),
    "eq": lambda c, a, b: np.equal(a, b),
    "ne": lambda c, a, b: np.not_equal(a, b),
    "lt": lambda c, a, b: np.less(a, b),
    "le": lambda c, a, b: np.less_equal(a, b),
    "gt": lambda c, a, b: np.greater(a, b),
    "ge": lambda c, a, b: np.greater_equal(a, b),
    "and": _and,
    "or": _or,
    "not": lambda c, a: np.logical_not(a) if isinstance(a, np.ndarray) else not a,
    "choose": _choose,
    "take": _lookup,
    "lookup": _lookup,
    "value": _value,
    "year": lambda c, a: a // 10000,
    "add_years": lambda c, a, b: a + b * 10000,
    "period": _period,
    "span": _span,
    "index": _index,
}
