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
BLOCK = 32_768


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
                given = source(cell)
                held[number] = given.astype(dtype_of(cell), copy=False) if isinstance(given, np.ndarray) else given
            else:
                held[number] = _OPS[op](cell, *[held[need] for need in needs])
            for need in drops:
                del held[need]
        return [_full(held[result], rows, dtype_of(cell)) for result, cell in zip(self.results, self.wanted, strict=True)]


def _identity(cell: Cell) -> Any:
    if cell.op == "input":
        return cell.data.name
    if cell.op == "const":  # 0 and False are two steps
        return cell.kind == "truth", cell.data
    return id(cell.data) if cell.op == "value" else cell.data


def dtype_of(cell: Cell) -> Any:
    """The narrowest type that holds the cell: truths as bool, codes of words in a byte where they fit, else int64."""
    if cell.kind == "truth":
        return np.bool_
    if cell.kind == "text" and len(cell.words) <= 256:
        return np.uint8
    return np.int64


def _full(value: Any, rows: int, dtype: Any) -> Array:
    if isinstance(value, np.ndarray) and value.ndim:
        return value
    return np.full(rows, value, dtype=dtype)


def _truncated(cell: Cell, a: Any, b: Any) -> Any:
    if cell.args[0].low >= 0:
        return a // b
    return np.where(a < 0, -(-a // b), a // b)


_tables: dict[tuple[int, Any], tuple[Any, Array]] = {}


def _table(data: tuple[int, ...], dtype: Any) -> Array:
    """The table of a cell as an array, made once; the tuple is kept beside it so that its identity stays its own."""
    key = (id(data), dtype)
    found = _tables.get(key)
    if found is None or found[0] is not data:
        if len(_tables) > 4096:
            _tables.clear()
        found = _tables[key] = (data, np.array(data, dtype=dtype))
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


def _choose(cell: Cell, condition: Any, a: Any, b: Any) -> Any:
    """Without a branch for each row: ``b + (a - b) x condition``, which a processor does several rows at a time."""
    if not isinstance(condition, np.ndarray):
        return a if condition else b
    if cell.kind == "truth":
        return _or(cell, _and(cell, condition, a), _and(cell, np.logical_not(condition), b))
    ones = condition.view(np.uint8)
    if dtype_of(cell) is np.uint8:
        first, second = _bytes(a), _bytes(b)
        return np.bitwise_xor(np.multiply(ones, np.bitwise_xor(first, second)), second)
    gap = a - b if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else np.int64(a - b)
    return gap * ones + b


def _bytes(codes: Any) -> Any:
    return codes.astype(np.uint8, copy=False) if isinstance(codes, np.ndarray) else np.uint8(codes)


def _value(cell: Cell, index: Any) -> Any:
    if cell.low == cell.high:
        return cell.low
    return _taken(_table(cell.data.table, dtype_of(cell)), index)


def _lookup(cell: Cell, index: Any) -> Any:
    return _taken(_table(cell.data, dtype_of(cell)), index)


def _taken(table: Array, index: Any) -> Any:
    return table.take(index) if isinstance(index, np.ndarray) else table[index]


def _index(cell: Cell, *parts: Any) -> Any:
    narrow: Any = np.uint8 if cell.high < 1 << 8 else np.uint16 if cell.high < 1 << 16 else np.int64
    total: Any = None
    for part, stride, argument in zip(parts, cell.data, cell.args, strict=True):
        if argument.high == 0:
            continue
        placed = part.astype(narrow, copy=False) if isinstance(part, np.ndarray) else narrow(part)
        placed = placed if stride == 1 else placed * narrow(stride)
        total = placed if total is None else total + placed
    return 0 if total is None else total


def _period(cell: Cell, day: Any) -> Any:
    if not isinstance(day, np.ndarray) or len(cell.data) > 24:
        return np.searchsorted(_table(cell.data, np.int64), day, side="right")
    passed = np.zeros(day.shape, dtype=np.uint8)
    for cut in cell.data:
        passed += (day >= cut).view(np.uint8)
    return passed


def _span(cell: Cell, number: Any) -> Any:
    first, last = cell.data
    place = number - (first - 1)
    inside = (place >= 1) & (place <= last - first + 1)
    return place * inside.view(np.uint8) if isinstance(inside, np.ndarray) else int(place * inside)


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
