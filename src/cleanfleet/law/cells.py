"""Symbolic cells: what a rule's arguments are while it is traced.

A rule is a plain Python function. It is called once, at load, with cells; each operator makes a new cell, so that the
function's body becomes a tree. From that tree come the whole-table program, the record evaluator, the missing-value flags,
the printed formula and the bounds that prove that nothing overflows (:mod:`.program`, :mod:`.explain`).

Every cell is an integer underneath: numbers are fixed-point (an integer of ``decimals`` places), dates are ``yyyymmdd``,
texts are codes into ``words``, truths are 0 and 1.

What a rule may use: ``+ - *``, comparisons, ``& | ~``, :func:`choose`, :func:`minimum`, :func:`maximum`,
:func:`truncate_div`, :func:`floor_div`, :func:`half_up_div`, :func:`truncate`, :func:`half_up`, :func:`given`,
:func:`needs`, :func:`exactly`, :func:`is_in`, :func:`year_of`, :func:`add_years`. What it may not use is refused at load:
``if``/``and``/``or`` on a cell, ``/``, ``//``, ``%``, ``round``, ``max``/``min``, chained comparisons, floats, words outside
a vocabulary, units that don't fit.
"""

from __future__ import annotations

import weakref
from typing import Any, Literal, NoReturn

from .errors import LawError
from .units import PURE, Unit, unit

CellKind = Literal["number", "text", "truth", "date"]

#: A dividend must stay below this: ``//`` goes through doubles on some engines.
DIVIDEND_LIMIT = 2**52
#: An intermediate result must stay below this.
NUMBER_LIMIT = 2**62


class Cell:
    """One node of a rule's tree: an operation on other cells. Immutable; compared by identity."""

    __slots__ = ("__weakref__", "args", "data", "decimals", "high", "kind", "low", "op", "unit", "words")

    def __init__(
        self,
        op: str,
        args: tuple[Cell, ...] = (),
        *,
        kind: CellKind = "number",
        unit: Unit = PURE,
        decimals: int = 0,
        low: int = 0,
        high: int = 0,
        words: tuple[str, ...] = (),
        data: Any = None,
    ) -> None:
        self.op, self.args, self.kind, self.unit, self.decimals = op, args, kind, unit, decimals
        self.low, self.high, self.words, self.data = low, high, words, data
        if kind == "truth":
            self.high = 1
        if kind == "text":
            self.high = max(len(words) - 1, 0)
        if max(abs(low), abs(high)) >= NUMBER_LIMIT:
            raise LawError(f"{self!r} may reach {max(abs(low), abs(high))}, which is too large to be held exactly")

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        name = self.data if isinstance(self.data, str) else ""
        return f"<{self.op} {name} {self.kind} [{self.low}, {self.high}] {self.unit}>"

    # -- arithmetic
    def __add__(self, other: Operand) -> Cell:
        return _sum("add", self, other)

    def __radd__(self, other: Operand) -> Cell:
        return _sum("add", cell(other, like=self), self)

    def __sub__(self, other: Operand) -> Cell:
        return _sum("sub", self, other)

    def __rsub__(self, other: Operand) -> Cell:
        return _sum("sub", cell(other, like=self), self)

    def __mul__(self, other: Operand) -> Cell:
        a, b = _numbers("*", self, other)
        ends = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
        return Cell("mul", (a, b), unit=a.unit * b.unit, decimals=a.decimals + b.decimals, low=min(ends), high=max(ends))

    __rmul__ = __mul__

    def __neg__(self) -> Cell:
        return 0 - self

    # -- comparison
    def __eq__(self, other: object) -> Cell:  # type: ignore[override]
        return _compare("eq", self, other)

    def __ne__(self, other: object) -> Cell:  # type: ignore[override]
        return _compare("ne", self, other)

    def __lt__(self, other: Operand) -> Cell:
        return _compare("lt", self, other)

    def __le__(self, other: Operand) -> Cell:
        return _compare("le", self, other)

    def __gt__(self, other: Operand) -> Cell:
        return _compare("gt", self, other)

    def __ge__(self, other: Operand) -> Cell:
        return _compare("ge", self, other)

    # -- truth
    def __and__(self, other: Operand) -> Cell:
        return both(self, cell(other, like=self))

    def __or__(self, other: Operand) -> Cell:
        return either(self, cell(other, like=self))

    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self) -> Cell:
        return negation(self)

    # -- refused
    def __bool__(self) -> NoReturn:
        raise LawError(
            "a rule can't decide with if, and, or, not or a chained comparison on a column: "
            "use choose(), &, | and ~ (the rule is read once, for all rows)"
        )

    def _refuse(self, *_: object) -> NoReturn:
        raise LawError(
            "a rule divides by truncate_div(), floor_div() or half_up_div() and rounds by truncate() or half_up()"
        )

    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __round__ = __pow__ = _refuse
    __int__ = __float__ = __index__ = __trunc__ = _refuse


Operand = Cell | int | str | bool

TRUE = Cell("const", kind="truth", low=1, high=1, data=1)
FALSE = Cell("const", kind="truth", data=0)
FALSE.high = 0


def cell(value: object, *, like: Cell | None = None) -> Cell:
    """A literal as a cell; a bare 0 takes the unit of ``like``, any other bare number is a pure number."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, int):
        of = like if like is not None and value == 0 else None
        return Cell(
            "const", unit=of.unit if of is not None else PURE, decimals=of.decimals if of is not None else 0,
            low=value, high=value, data=value,
        )  # fmt: skip
    if isinstance(value, str):
        return Cell("const", kind="text", words=(value,), data=0)
    raise LawError(f"a rule can't use {value!r}: numbers of the law are dated values, and floats are not exact")


def aligned(a: Cell, decimals: int) -> Cell:
    """``a`` with more decimal places (exact)."""
    if a.decimals == decimals:
        return a
    factor = 10 ** (decimals - a.decimals)
    if a.op == "const":
        return Cell("const", unit=a.unit, decimals=decimals, low=a.data * factor, high=a.data * factor, data=a.data * factor)
    return Cell("scale", (a,), unit=a.unit, decimals=decimals, low=a.low * factor, high=a.high * factor, data=factor)


def _numbers(sign: str, a: Cell, b: object) -> tuple[Cell, Cell]:
    other = cell(b, like=a)
    for one in (a, other):
        if one.kind != "number":
            raise LawError(f"{sign} needs numbers, not a {one.kind}")
    return a, other


def _same_unit(sign: str, a: Cell, b: object) -> tuple[Cell, Cell]:
    a, other = _numbers(sign, a, b)
    if a.op == "const" and a.data == 0:
        a = cell(0, like=other)
    if a.unit != other.unit:
        raise LawError(
            f"{sign} needs one unit, not {str(a.unit) or 'a pure number'} and {str(other.unit) or 'a pure number'}"
        )
    decimals = max(a.decimals, other.decimals)
    return aligned(a, decimals), aligned(other, decimals)


def _sum(op: str, left: Cell, right: object) -> Cell:
    a, b = _same_unit("+" if op == "add" else "-", left, right)
    low, high = (a.low + b.low, a.high + b.high) if op == "add" else (a.low - b.high, a.high - b.low)
    return Cell(op, (a, b), unit=a.unit, decimals=a.decimals, low=low, high=high)


def _compare(op: str, a: Cell, other: object) -> Cell:
    b = cell(other, like=a)
    if a.kind != b.kind:
        raise LawError(f"a {a.kind} can't be compared with a {b.kind}")
    if a.kind == "text":
        if op not in ("eq", "ne"):
            raise LawError("texts are compared with == and != only")
        if b.op == "const" and b.words[b.data] not in a.words:
            raise LawError(f"{b.words[b.data]!r} is not in the vocabulary {list(a.words)}")
        words = a.words if b.op == "const" else union(a.words, b.words)
        a, b = recoded(a, words), recoded(b, words)
    elif a.kind == "number":
        a, b = _same_unit("comparison", a, b)
    elif a.kind == "truth" and op not in ("eq", "ne"):
        raise LawError("truths are compared with == and != only")
    return Cell(op, (a, b), kind="truth")


# -- truth, simplified where one side is constant so that flags stay small


_interned: weakref.WeakValueDictionary[tuple[Any, ...], Cell] = weakref.WeakValueDictionary()


def _truth(op: str, *args: Cell) -> Cell:
    """One cell for each operation on the same truths, so that equal flags are recognised as equal."""
    key = (op, *(id(argument) for argument in args))
    found = _interned.get(key)
    if found is None:
        found = _interned[key] = Cell(op, args, kind="truth")
    return found


def both(a: Cell, b: Cell) -> Cell:
    _truths("&", a, b)
    if a is FALSE or b is FALSE or _opposite(a, b):
        return FALSE
    if a is TRUE or _holds(b, "and", a):
        return b
    if b is TRUE or b is a or _holds(a, "and", b):
        return a
    if _holds(a, "or", b):
        return b
    return a if _holds(b, "or", a) else _truth("and", a, b)


def either(a: Cell, b: Cell) -> Cell:
    _truths("|", a, b)
    if a is TRUE or b is TRUE or _opposite(a, b):
        return TRUE
    if a is FALSE or _holds(b, "or", a):
        return b
    if b is FALSE or b is a or _holds(a, "or", b):
        return a
    if _holds(a, "and", b):
        return b
    return a if _holds(b, "and", a) else _truth("or", a, b)


def negation(a: Cell) -> Cell:
    _truths("~", a)
    if a is TRUE or a is FALSE:
        return FALSE if a is TRUE else TRUE
    return a.args[0] if a.op == "not" else _truth("not", a)


def _opposite(a: Cell, b: Cell) -> bool:
    return (a.op == "not" and a.args[0] is b) or (b.op == "not" and b.args[0] is a)


def _holds(a: Cell, op: str, b: Cell) -> bool:
    return a.op == op and any(argument is b for argument in a.args)


def _truths(sign: str, *cells: Cell) -> None:
    for one in cells:
        if one.kind != "truth":
            raise LawError(f"{sign} needs truths, not a {one.kind}")


# -- texts


def union(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    return a + tuple(word for word in b if word not in a)


def recoded(a: Cell, words: tuple[str, ...]) -> Cell:
    """The text ``a`` as codes into ``words``, which must hold all of its words."""
    if a.words == words:
        return a
    if a.op == "const":
        return Cell("const", kind="text", words=words, data=words.index(a.words[a.data]))
    table = tuple(words.index(word) for word in a.words)
    if table == tuple(range(len(table))):
        return Cell("as_words", (a,), kind="text", words=words)
    return Cell("take", (a,), kind="text", words=words, data=table)


# -- what rules call


def choose(*cases: Operand) -> Cell:
    """``choose(condition, value, condition, value, ..., otherwise)``: the value of the first condition that holds.

    Only the branch that is taken counts for what is missing.
    """
    if len(cases) < 3 or len(cases) % 2 == 0:
        raise LawError("choose() takes condition, value, ..., otherwise")
    *pairs, last = cases
    values = [cell(value) for value in (*pairs[1::2], last)]
    shape = next((value for value in values if not (value.op == "const" and value.kind == "number")), values[0])
    values = [cell(0, like=shape) if v.op == "const" and v.kind == "number" and v.data == 0 else v for v in values]
    kinds = {value.kind for value in values}
    if len(kinds) > 1:
        raise LawError(f"choose() has values of different kinds: {sorted(kinds)}")
    if shape.kind == "number":
        if len({value.unit for value in values}) > 1:
            raise LawError(f"choose() has values of different units: {sorted({str(v.unit) or '1' for v in values})}")
        decimals = max(value.decimals for value in values)
        values = [aligned(value, decimals) for value in values]
    words: tuple[str, ...] = ()
    if shape.kind == "text":
        for value in values:
            words = union(words, value.words)
        values = [recoded(value, words) for value in values]
    result = values[-1]
    for condition, value in zip(reversed(pairs[0::2]), reversed(values[:-1]), strict=True):
        result = _chosen(cell(condition), value, result)
    return result


def picked(condition: Cell, a: Cell, b: Cell) -> Cell:
    """One choice between two truths that are never missing (flags), simplified as far as it goes."""
    if a is b:
        return a
    if condition is not TRUE and condition is not FALSE:
        if a is TRUE and b is FALSE:
            return condition
        if a is FALSE:
            return both(negation(condition), b)
        if b is FALSE:
            return both(condition, a)
        if a is TRUE:
            return either(condition, b)
    return _chosen(condition, a, b)


def _chosen(condition: Cell, a: Cell, b: Cell) -> Cell:
    _truths("choose()", condition)
    if condition is TRUE:
        return a
    if condition is FALSE:
        return b
    return Cell(
        "choose",
        (condition, a, b),
        kind=a.kind,
        unit=a.unit,
        decimals=a.decimals,
        low=min(a.low, b.low),
        high=max(a.high, b.high),
        words=a.words,
    )


def minimum(a: Operand, b: Operand) -> Cell:
    """The smaller of two numbers of one unit."""
    x, y = _same_unit("minimum()", cell(a), b)
    return Cell("min", (x, y), unit=x.unit, decimals=x.decimals, low=min(x.low, y.low), high=min(x.high, y.high))


def maximum(a: Operand, b: Operand) -> Cell:
    """The larger of two numbers of one unit."""
    x, y = _same_unit("maximum()", cell(a), b)
    return Cell("max", (x, y), unit=x.unit, decimals=x.decimals, low=max(x.low, y.low), high=max(x.high, y.high))


def _divide(op: str, dividend: Operand, divisor: Operand, decimals: int) -> Cell:
    a, b = _numbers(op, cell(dividend), divisor)
    if b.low <= 0 <= b.high:
        raise LawError(f"{op}: the divisor may be 0 ({b.low} to {b.high})")
    if b.low < 0:
        raise LawError(f"{op}: the divisor must be positive ({b.low} to {b.high})")
    shift = decimals - (a.decimals - b.decimals)
    if shift > 0:
        a = aligned(a, a.decimals + shift)
    elif shift < 0:
        b = aligned(b, b.decimals - shift)
    largest = max(abs(a.low), abs(a.high)) * (2 if op == "half_up_div" else 1) + (b.high if op == "half_up_div" else 0)
    if largest >= DIVIDEND_LIMIT:
        raise LawError(f"{op}: the dividend may reach {largest}, over 2**52; the bounds of the inputs are too wide")
    if op == "half_up_div":
        ends = [(2 * x + y) // (2 * y) for x in (a.low, a.high) for y in (b.low, b.high)]
    else:
        ends = [q for x in (a.low, a.high) for y in (b.low, b.high) for q in (x // y, -(-x // y))]
    return Cell(op, (a, b), unit=a.unit / b.unit, decimals=decimals, low=min(ends), high=max(ends))


def truncate_div(dividend: Operand, divisor: Operand, decimals: int = 0) -> Cell:
    """The quotient cut toward zero at ``decimals`` places."""
    return _divide("truncate_div", dividend, divisor, decimals)


def floor_div(dividend: Operand, divisor: Operand, decimals: int = 0) -> Cell:
    """The quotient rounded down (toward minus infinity) at ``decimals`` places."""
    return _divide("floor_div", dividend, divisor, decimals)


def half_up_div(dividend: Operand, divisor: Operand, decimals: int = 0) -> Cell:
    """The quotient rounded to the nearest, a half upward, at ``decimals`` places."""
    return _divide("half_up_div", dividend, divisor, decimals)


def truncate(a: Operand, decimals: int = 0) -> Cell:
    """``a`` cut toward zero at ``decimals`` places."""
    return truncate_div(a, 1, decimals)


def half_up(a: Operand, decimals: int = 0) -> Cell:
    """``a`` rounded to the nearest, a half upward, at ``decimals`` places."""
    return half_up_div(a, 1, decimals)


def given(a: Cell) -> Cell:
    """Whether an input column has a value in this row; never missing itself."""
    if a.op != "input":
        raise LawError("given() asks about an input column")
    return negation(a.data.absent)


def needs(a: Cell, value: Operand) -> Cell:
    """``value``, but missing where ``a`` is missing: for an answer that can't be given without ``a``."""
    a, b = cell(a), cell(value)
    return Cell(
        "needs", (b, a), kind=b.kind, unit=b.unit, decimals=b.decimals, low=b.low, high=b.high, words=b.words
    )  # fmt: skip


def exactly(number: int, unit_text: str) -> Cell:
    """A number that is so by definition, with its unit, such as 100 km/hkm; never a number of the law."""
    return Cell("const", unit=unit(unit_text), low=number, high=number, data=number)


def is_in(a: Cell, *words: str) -> Cell:
    """Whether the text ``a`` is one of ``words``."""
    result = FALSE
    for word in words:
        result = either(result, a == word)
    return result


def year_of(a: Cell) -> Cell:
    """The calendar year of a date."""
    if a.kind != "date":
        raise LawError(f"year_of() needs a date, not a {a.kind}")
    return Cell("year", (a,), unit=YEAR, low=a.low // 10000, high=a.high // 10000)


def add_years(a: Cell, years: Cell) -> Cell:
    """The same day and month, ``years`` later, for comparison (29 February may name a day that year hasn't)."""
    if a.kind != "date" or years.unit != YEAR or years.decimals:
        raise LawError("add_years() needs a date and a whole number of years (unit: year)")
    return Cell("add_years", (a, years), kind="date", low=a.low + years.low * 10000, high=a.high + years.high * 10000)


YEAR = Unit((("year", 1),))
