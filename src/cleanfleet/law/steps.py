"""Arithmetic, comparisons, truths and choices as numbered steps: equal steps are one, what is settled is left out.

A step is simplified as it is made, by what is known where it is asked: ``a and (a or b)`` is ``a``, and after a day from 2023 on
nothing asks whether the day lies before 1998.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple


class Step(NamedTuple):
    """One operation on earlier steps. ``data`` holds a constant's number or an input's name."""

    op: str
    args: tuple[int, ...] = ()
    data: Any = None


#: The truths that never change; a step's number in every :class:`Steps`.
FALSE, TRUE = 0, 1
_DUAL = {"and": "or", "or": "and"}
_UNIT = {"and": TRUE, "or": FALSE}


class Graph:
    """Steps in order of need, each once."""

    def __init__(self) -> None:
        self.all: list[Step] = [Step("false"), Step("true")]
        self._known: dict[Step, int] = {step: number for number, step in enumerate(self.all)}
        self._parts: dict[tuple[str, int], frozenset[int]] = {}

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
