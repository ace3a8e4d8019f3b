"""Cells made into plainer steps for engines that read SQL: arithmetic, comparison, truth and choice, nothing else.

Tables of values become choices on the inputs that tell them apart (a value that is the same under every key is a constant, one
that changed once is one comparison of the day), so that no join and no array is needed. Equal steps are one step, whichever
rule wrote them; constants and truths are simplified as far as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from .blocks import Array, Machine
from .cells import Cell
from .steps import FALSE, TRUE, Graph

#: A choice between constants of up to so many branches is looked up branch by branch, a larger one by its value.
BRANCHES = 12


class Axis(NamedTuple):
    """One part of a table's index: how to ask which place a row has."""

    kind: str
    step: int
    size: int
    data: Any = None


class Steps(Graph):
    """The steps that cells come to; ``absent`` names the inputs that the table has no column for."""

    def __init__(self, absent: Collection[str] = ()) -> None:
        super().__init__()
        self._absent = frozenset(absent)

    def lower(self, cells: Sequence[Cell]) -> list[int]:
        """The steps that the cells come to."""
        machine = Machine(cells)
        numbers: list[Any] = []
        for _, cell, needs in machine.steps:
            numbers.append(self._lowered(cell, [numbers[need] for need in needs]))
        return [numbers[result] for result in machine.results]

    def _lowered(self, cell: Cell, args: list[Any]) -> Any:
        op = cell.op
        if op == "input":
            if cell.data.name not in self._absent:
                return self.new("input", data=cell.data.name)
            return self.truth(cell.data.fill) if cell.kind == "truth" else self.number(cell.data.fill)
        if op == "absent":
            return TRUE if cell.data in self._absent else self.new("absent", data=cell.data)
        if op == "const":
            return self.truth(cell.data) if cell.kind == "truth" else self.number(cell.data)
        if op == "period":
            return Axis("period", args[0], len(cell.data) + 1, cell.data)
        if op == "span":
            first, last = cell.data
            return Axis("span", args[0], last - first + 2, first)
        if op == "index":
            places = zip(cell.args, args, strict=True)
            return [n if isinstance(n, Axis) else Axis("code", n, part.high + 1) for part, n in places]
        if op in ("value", "lookup", "take"):
            axes = args[0] if isinstance(args[0], list) else [Axis("code", args[0], cell.args[0].high + 1)]
            table = cell.data.table if op == "value" else cell.data
            shape = tuple(axis.size for axis in axes)
            return self._table(axes, np.array(table, dtype=np.int64).reshape(shape), cell.kind == "truth")
        if op in ("eq", "ne") and cell.args[0].kind == "text":
            found = self._same_text(cell, *args)
            return found if op == "eq" else self.negation(found)
        simple: Callable[..., int] = getattr(self, f"_{op}")
        return simple(cell, *args)

    # -- choices between constants

    def branches(self, a: int) -> list[int] | None:
        """The constants that a choice may come to, with repeats; None where one isn't constant or there are too many."""
        found: list[int] = []
        stack = [a]
        while stack:
            here = stack.pop()
            value = self.constant(here)
            if value is not None:
                found.append(value)
            elif self.all[here].op == "choose":
                stack += self.all[here].args[1:]
            else:
                return None
            if len(found) > BRANCHES:
                return None
        return found

    def mapped(self, a: int, images: Mapping[int, int]) -> int:
        """A choice between constants with each constant replaced."""
        value = self.constant(a)
        if value is not None:
            return images[value]
        condition, then, otherwise = self.all[a].args
        return self.choose(condition, self.mapped(then, images), self.mapped(otherwise, images))

    def words(self, a: int, words: Sequence[str], blank: str | None = None) -> int:
        """A code as a text step; the word ``blank`` is null."""
        texts = {code: self.new("text", data=None if word == blank else word) for code, word in enumerate(words)}
        if self.branches(a) is not None:
            return self.mapped(a, texts)
        *others, last = sorted(texts, key=lambda code: words[code] != blank)
        return reduce(
            lambda found, code: self.choose(self._is_code(a, code, len(words)), texts[code], found),
            reversed(others),
            texts[last],
        )

    def is_word(self, a: int, word: str, words: Sequence[str]) -> int:
        """Whether a code is that of ``word``."""
        return self._is_code(a, words.index(word), len(words))

    def _same_text(self, cell: Cell, a: int, b: int) -> int:
        for one, other in ((a, b), (b, a)):
            code = self.constant(other)
            if code is not None:
                return self._is_code(one, code, len(cell.args[0].words))
        return self.same(a, b)

    def _is_code(self, a: int, code: int, words: int) -> int:
        values = self.branches(a)
        if values is not None:
            return self.mapped(a, {value: self.truth(value == code) for value in values})
        if words == 2 and code == 1:
            return self.negation(self.same(a, self.number(0)))
        return self.same(a, self.number(code))

    # -- tables

    def _table(self, axes: list[Axis], table: Array, truth: bool) -> int:
        """What the table holds at a row's place: the axis that parts it least is asked first."""
        axes, table = list(axes), table
        for place in reversed(range(len(axes))):  # an axis along which nothing changes isn't asked
            first = np.take(table, [0], axis=place)
            if (table == first).all():
                table = np.asarray(np.take(table, 0, axis=place))
                del axes[place]
        if not axes:
            return self.truth(table.item()) if truth else self.number(table.item())
        counts = [len(_groups(table, place)) for place in range(len(axes))]
        place = counts.index(min(counts))
        axis, rest = axes[place], axes[:place] + axes[place + 1 :]
        groups = _groups(table, place)
        found = {members[0]: self._table(rest, np.take(table, members[0], axis=place), truth) for members in groups}
        if axis.kind == "period":
            return self._by_period(axis, groups, found)
        values = self.branches(axis.step) if axis.kind == "code" else None
        if values is not None:
            images = {member: found[members[0]] for members in groups for member in members}
            return self.mapped(axis.step, images)
        groups.sort(key=lambda members: (axis.kind == "span" and 0 in members, len(members)))
        result = found[groups[-1][0]]
        for members in reversed(groups[:-1]):
            result = self.choose(self._among(axis, members), found[members[0]], result)
        return result

    def _by_period(self, axis: Axis, groups: list[list[int]], found: dict[int, int]) -> int:
        at = {member: found[members[0]] for members in groups for member in members}
        result = at[0]
        for place in range(1, axis.size):
            if at[place] != at[place - 1]:
                before = self.less(axis.step, self.number(axis.data[place - 1]))
                result = self.choose(before, result, at[place])
        return result

    def _among(self, axis: Axis, members: list[int]) -> int:
        """Whether a row's place on the axis is one of ``members``."""
        found = FALSE
        start = members[0]
        for place, following in zip(members, [*members[1:], -1], strict=True):
            if following == place + 1:
                continue
            found = self.either(found, self._between(axis, start, place))
            start = following
        return found

    def _between(self, axis: Axis, start: int, stop: int) -> int:
        if axis.kind == "span":  # place 1 is the first period, 0 is every number outside
            start, stop = start + axis.data - 1, stop + axis.data - 1
        elif start == stop:
            return self._is_code(axis.step, start, axis.size)
        if start == stop:
            return self.same(axis.step, self.number(start))
        top = TRUE if axis.kind == "code" and stop == axis.size - 1 else self.less(axis.step, self.number(stop + 1))
        if axis.kind == "code" and start == 0:
            return top
        return self.both(self.negation(self.less(axis.step, self.number(start))), top)

    # -- the other operations, by the name of the cell's

    def _folded(self, op: str, function: Callable[[int, int], int], a: int, b: int) -> int:
        x, y = self.constant(a), self.constant(b)
        return self.number(function(x, y)) if x is not None and y is not None else self.new(op, (a, b))

    def _add(self, _: Cell | None, a: int, b: int) -> int:
        if 0 in (self.constant(a), self.constant(b)):
            return b if self.constant(a) == 0 else a
        return self._folded("add", lambda x, y: x + y, a, b)

    def _sub(self, _: Cell | None, a: int, b: int) -> int:
        return a if self.constant(b) == 0 else self._folded("sub", lambda x, y: x - y, a, b)

    def _mul(self, _: Cell | None, a: int, b: int) -> int:
        if 1 in (self.constant(a), self.constant(b)):
            return b if self.constant(a) == 1 else a
        return self._folded("mul", lambda x, y: x * y, a, b)

    def _scale(self, cell: Cell, a: int) -> int:
        return self._mul(None, a, self.number(cell.data))

    def _min(self, _: Cell, a: int, b: int) -> int:
        return self.choose(self.less(b, a), b, a)

    def _max(self, _: Cell, a: int, b: int) -> int:
        return self.choose(self.less(a, b), b, a)

    def _floor_div(self, _: Cell | None, a: int, b: int) -> int:
        return a if self.constant(b) == 1 else self._folded("floor_div", lambda x, y: x // y, a, b)

    def _truncate_div(self, cell: Cell, a: int, b: int) -> int:
        whole = self._floor_div(None, a, b)
        if cell.args[0].low >= 0 or whole == a:
            return whole
        zero = self.number(0)
        return self.choose(
            self.less(a, zero), self._sub(None, zero, self._floor_div(None, self._sub(None, zero, a), b)), whole
        )

    def _half_up_div(self, _: Cell, a: int, b: int) -> int:
        two = self.number(2)
        return self._floor_div(None, self._add(None, self._mul(None, two, a), b), self._mul(None, two, b))

    def _year(self, _: Cell, a: int) -> int:
        return self._floor_div(None, a, self.number(10000))

    def _add_years(self, _: Cell, a: int, b: int) -> int:
        return self._add(None, a, self._mul(None, b, self.number(10000)))

    def _eq(self, cell: Cell, a: int, b: int) -> int:
        if cell.args[0].kind == "truth":
            return self.choose(a, b, self.negation(b))
        return self.same(a, b)

    def _ne(self, cell: Cell, a: int, b: int) -> int:
        return self.negation(self._eq(cell, a, b))

    def _lt(self, _: Cell, a: int, b: int) -> int:
        return self.less(a, b)

    def _gt(self, _: Cell, a: int, b: int) -> int:
        return self.less(b, a)

    def _le(self, _: Cell, a: int, b: int) -> int:
        return self.negation(self._gt(_, a, b))

    def _ge(self, _: Cell, a: int, b: int) -> int:
        return self.negation(self.less(a, b))

    def _and(self, _: Cell, a: int, b: int) -> int:
        return self.both(a, b)

    def _or(self, _: Cell, a: int, b: int) -> int:
        return self.either(a, b)

    def _not(self, _: Cell, a: int) -> int:
        return self.negation(a)

    def _choose(self, _: Cell, condition: int, then: int, otherwise: int) -> int:
        return self.choose(condition, then, otherwise)


def _groups(table: Array, place: int) -> list[list[int]]:
    """The places along one axis in groups whose slices are equal."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i in range(table.shape[place]):
        groups.setdefault(tuple(np.take(table, i, axis=place).flat), []).append(i)
    return list(groups.values())
