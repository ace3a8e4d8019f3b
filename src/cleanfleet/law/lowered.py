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

#: A choice between constants of up to so many branches is looked up branch by branch, a larger one by its value.
BRANCHES = 12


class Step(NamedTuple):
    """One operation on earlier steps. ``data`` holds a constant's number or an input's name."""

    op: str
    args: tuple[int, ...] = ()
    data: Any = None


class Axis(NamedTuple):
    """One part of a table's index: how to ask which place a row has."""

    kind: str
    step: int
    size: int
    data: Any = None


#: The truths that never change; a step's number in every :class:`Steps`.
FALSE, TRUE = 0, 1
_DUAL = {"and": "or", "or": "and"}
_UNIT = {"and": TRUE, "or": FALSE}


class Steps:
    """Steps in order of need, each once; ``absent`` names the inputs that the table has no column for."""

    def __init__(self, absent: Collection[str] = ()) -> None:
        self.all: list[Step] = [Step("false"), Step("true")]
        self._absent = frozenset(absent)
        self._known: dict[Step, int] = {step: number for number, step in enumerate(self.all)}
        self._parts: dict[tuple[str, int], frozenset[int]] = {}

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

    # -- making steps

    def new(self, op: str, args: tuple[int, ...] = (), data: Any = None) -> int:
        step = Step(op, args, data)
        found = self._known.get(step)
        if found is None:
            found = self._known[step] = len(self.all)
            self.all.append(step)
        return found

    def number(self, value: int) -> int:
        return self.new("const", data=int(value))

    @staticmethod
    def truth(value: Any) -> int:
        return TRUE if value else FALSE

    def constant(self, step: int) -> int | None:
        """The integer of a constant step, None for any other."""
        if step in (FALSE, TRUE):
            return step
        found = self.all[step]
        return int(found.data) if found.op == "const" else None

    def negation(self, a: int) -> int:
        if a in (FALSE, TRUE):
            return TRUE - a
        step = self.all[a]
        return step.args[0] if step.op == "not" else self.new("not", (a,))

    def both(self, *truths: int) -> int:
        return reduce(lambda a, b: self._junction("and", a, b), truths, TRUE)

    def either(self, *truths: int) -> int:
        return reduce(lambda a, b: self._junction("or", a, b), truths, FALSE)

    def parts(self, op: str, a: int) -> frozenset[int]:
        """The truths that ``a`` joins by ``op`` (itself, where it is no such join)."""
        found = self._parts.get((op, a))
        if found is None:
            step = self.all[a]
            found = frozenset((a,)) if step.op != op else self.parts(op, step.args[0]) | self.parts(op, step.args[1])
            self._parts[op, a] = found
        return found

    def _junction(self, op: str, a: int, b: int) -> int:
        """``a and b`` or ``a or b``; what is written for ``and`` holds for ``or`` with all truths turned round."""
        dual, unit = _DUAL[op], _UNIT[op]
        zero = TRUE - unit
        if zero in (a, b) or self._clash(op, a, b):
            return zero
        if a == unit or self.parts(op, a) <= self.parts(op, b):
            return b
        if b == unit or self.parts(op, b) <= self.parts(op, a):
            return a
        for one, other in ((a, b), (b, a)):
            simpler = self.under(other, self.literals(one, op == "and"))
            if simpler != other:
                return self._junction(op, one, simpler)
            known = self.parts(op, one)
            terms = self.parts(dual, other)
            if len(terms) > 1:
                if known & terms:
                    return one
                left = [term for term in sorted(terms) if self.negation(term) not in known]
                if len(left) < len(terms):
                    return self._junction(op, one, reduce(lambda x, y: self._junction(dual, x, y), left, zero))
            step = self.all[other]
            if step.op == "choose":
                condition, then, otherwise = step.args
                for part in known:
                    if part == condition or part == self.negation(condition):
                        holds = (part == condition) == (op == "and")
                        return self._junction(op, one, then if holds else otherwise)
        return self.new(op, (min(a, b), max(a, b)))

    def literals(self, a: int, holds: bool) -> dict[int, bool]:
        """What is known to hold, or not to hold, where ``a`` holds (or where it doesn't)."""
        found: dict[int, bool] = {}
        for part in self.parts("and" if holds else "or", a):
            step = self.all[part]
            if step.op == "not":
                found[step.args[0]] = not holds
            else:
                found[part] = holds
        return found

    def under(self, a: int, facts: Mapping[int, bool], depth: int = 6) -> int:
        """``a`` as it may be written where the facts hold."""
        if a in facts:
            return self.truth(facts[a])
        step = self.all[a]
        if step.op in ("lt", "eq"):
            told = self._implied(step, facts)
            return a if told is None else self.truth(told)
        if depth == 0 or step.op not in ("and", "or", "not", "choose"):
            return a
        args = tuple(self.under(argument, facts, depth - 1) for argument in step.args)
        if args == step.args:
            return a
        if step.op == "not":
            return self.negation(args[0])
        return self.choose(*args) if step.op == "choose" else self._junction(step.op, *args)

    def _implied(self, step: Step, facts: Mapping[int, bool]) -> bool | None:
        """Whether a comparison with a constant is settled by facts about the same number."""
        bound = self.constant(step.args[1])
        if bound is None:
            return None
        for fact, holds in facts.items():
            other = self.all[fact]
            if other.op not in ("lt", "eq") or other.args[0] != step.args[0]:
                continue
            value = self.constant(other.args[1])
            if value is None:
                continue
            if other.op == "eq" and holds:
                return value < bound if step.op == "lt" else value == bound
            if other.op == "lt" and holds and bound >= value:
                return step.op == "lt"
            if other.op == "lt" and not holds and (bound <= value if step.op == "lt" else bound < value):
                return False
        return None

    def _clash(self, op: str, a: int, b: int) -> bool:
        ours, theirs = self.parts(op, a), self.parts(op, b)
        fewer, more = (ours, theirs) if len(ours) < len(theirs) else (theirs, ours)
        return any(self.negation(part) in more for part in fewer)

    def choose(self, condition: int, then: int, otherwise: int) -> int:
        step = self.all[condition]
        if step.op == "not":
            return self.choose(step.args[0], otherwise, then)
        if condition in (FALSE, TRUE) or then == otherwise:
            return then if condition == TRUE or then == otherwise else otherwise
        then = self.under(then, self.literals(condition, holds=True))
        otherwise = self.under(otherwise, self.literals(condition, holds=False))
        if then == otherwise:
            return then
        if FALSE in (then, otherwise) or TRUE in (then, otherwise):
            if then == TRUE:
                return self.either(condition, otherwise)
            if then == FALSE:
                return self.both(self.negation(condition), otherwise)
            if otherwise == FALSE:
                return self.both(condition, then)
            return self.either(self.negation(condition), then)
        inner = self.all[otherwise]
        if inner.op == "choose" and inner.args[1] == then:
            return self.choose(self.either(condition, inner.args[0]), then, inner.args[2])
        inner = self.all[then]
        if inner.op == "choose" and inner.args[2] == otherwise:
            return self.choose(self.both(condition, inner.args[0]), inner.args[1], otherwise)
        return self.new("choose", (condition, then, otherwise))

    def less(self, a: int, b: int) -> int:
        x, y = self.constant(a), self.constant(b)
        if x is not None and y is not None:
            return self.truth(x < y)
        if x is not None:  # x < b is not b < x + 1
            return self.negation(self.new("lt", (b, self.number(x + 1))))
        return FALSE if a == b else self.new("lt", (a, b))

    def same(self, a: int, b: int) -> int:
        x, y = self.constant(a), self.constant(b)
        if x is not None and y is not None:
            return self.truth(x == y)
        return TRUE if a == b else self.new("eq", (max(a, b), min(a, b)) if x is not None else (a, b))

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
