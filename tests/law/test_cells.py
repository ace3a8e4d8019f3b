"""Symbolic cells: what a rule may not do, what the bounds prove, and that both evaluators come to the exact result."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from cleanfleet.law import cells
from cleanfleet.law.blocks import Machine
from cleanfleet.law.cells import FALSE, TRUE, Cell
from cleanfleet.law.columns import Column
from cleanfleet.law.errors import LawError
from cleanfleet.law.program import _input
from cleanfleet.law.records import Record
from cleanfleet.law.units import unit

# -- what a rule may not do


def number(name: str = "x", of: str = "kg", low: int = 0, high: int = 1000, decimals: int = 0) -> Cell:
    bounds = {"minimum": Decimal(low), "maximum": Decimal(high)}
    return _input(Column(name, "decimal", unit=of, decimals=decimals, **bounds))


def word(name: str, *words: str) -> Cell:
    return _input(Column(name, "choice", choices=dict.fromkeys(words, "")))


X, Y, MG, PLAIN = number("x"), number("y"), number("mg", "mg"), number("plain", "1")
KIND, BODY = word("kind", "a", "b", "c"), word("body", "c", "d")
YES = _input(Column("yes", "boolean"))
DAY = cells.Cell("const", kind="date", low=20240101, high=20240101, data=20240101)

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "if": (lambda: 1 if X > Y else 2, "can't decide with if, and, or, not or a chained comparison"),
    "and": (lambda: YES and X > Y, "use choose\\(\\), &, \\| and ~"),
    "or": (lambda: YES or X > Y, "use choose\\(\\), &, \\| and ~"),
    "not": (lambda: not YES, "use choose\\(\\), &, \\| and ~"),
    "a chained comparison": (lambda: 0 < X < Y, "chained comparison"),
    "in": (lambda: X in [Y], "can't decide"),
    "max": (lambda: max(X, Y), "can't decide"),
    "min": (lambda: min(X, Y), "can't decide"),
    "/": (lambda: X / Y, "divides by truncate_div\\(\\), floor_div\\(\\) or half_up_div\\(\\)"),
    "a literal over a cell": (lambda: 1 / X, "divides by truncate_div"),
    "//": (lambda: X // Y, "divides by truncate_div"),
    "%": (lambda: X % Y, "divides by truncate_div"),
    "**": (lambda: X**2, "divides by truncate_div"),
    "round": (lambda: round(X), "rounds by truncate\\(\\) or half_up\\(\\)"),
    "int": (lambda: int(X), "rounds by truncate"),
    "float": (lambda: float(X), "rounds by truncate"),
    "math.trunc": (lambda: math.trunc(X), "rounds by truncate"),
    "a float": (lambda: X * 0.5, "can't use 0.5: numbers of the law are dated values, and floats are not exact"),
    "a float on the left": (lambda: 0.5 + X, "floats are not exact"),
    "a Decimal": (lambda: X * Decimal("0.5"), "numbers of the law are dated values"),
    "kg + mg": (lambda: X + MG, "\\+ needs one unit, not kg and mg"),
    "kg - mg": (lambda: X - MG, "- needs one unit, not kg and mg"),
    "kg < mg": (lambda: X < MG, "comparison needs one unit, not kg and mg"),
    "kg == 5": (lambda: X == 5, "comparison needs one unit, not kg and a pure number"),
    "5 + kg": (lambda: 5 + X, "needs one unit, not a pure number and kg"),
    "the larger of kg and mg": (lambda: cells.maximum(X, MG), "maximum\\(\\) needs one unit, not kg and mg"),
    "the smaller of kg and mg": (lambda: cells.minimum(MG, X), "minimum\\(\\) needs one unit, not mg and kg"),
    "number + text": (lambda: X + KIND, "\\+ needs numbers, not a text"),
    "number * truth": (lambda: X * YES, "\\* needs numbers, not a truth"),
    "number == text": (lambda: X == "a", "a number can't be compared with a text"),
    "date < number": (lambda: DAY < X, "a date can't be compared with a number"),
    "a word outside the vocabulary": (lambda: KIND == "z", "'z' is not in the vocabulary \\['a', 'b', 'c'\\]"),
    "is_in with such a word": (lambda: cells.is_in(KIND, "a", "z"), "'z' is not in the vocabulary"),
    "an order of texts": (lambda: KIND < BODY, "texts are compared with == and != only"),
    "an order of truths": (lambda: YES < TRUE, "truths are compared with == and != only"),
    "number & truth": (lambda: X & YES, "& needs truths, not a number"),
    "~number": (lambda: ~X, "~ needs truths, not a number"),
    "choose of two": (lambda: cells.choose(YES, X), "takes condition, value, ..., otherwise"),
    "choose of four": (lambda: cells.choose(YES, X, YES, X), "takes condition, value, ..., otherwise"),
    "choose by a number": (lambda: cells.choose(X, X, Y), "choose\\(\\) needs truths, not a number"),
    "choose of kinds": (lambda: cells.choose(YES, X, KIND), "values of different kinds: \\['number', 'text'\\]"),
    "choose of a text and 0": (lambda: cells.choose(YES, KIND, 0), "values of different kinds"),
    "choose of units": (lambda: cells.choose(YES, X, MG), "values of different units: \\['kg', 'mg'\\]"),
    "choose of kg and 5": (lambda: cells.choose(YES, X, 5), "values of different units: \\['1', 'kg'\\]"),
    "a divisor that may be 0": (lambda: cells.floor_div(X, Y), "the divisor may be 0 \\(0 to 1000\\)"),
    "a divisor around 0": (lambda: cells.half_up_div(X, number(low=-1, high=1)), "the divisor may be 0 \\(-1 to 1\\)"),
    "a divisor below 0": (lambda: cells.truncate_div(X, -2), "the divisor must be positive"),
    "given of a rule": (lambda: cells.given(X + Y), "given\\(\\) asks about an input column"),
    "the year of a number": (lambda: cells.year_of(X), "year_of\\(\\) needs a date, not a number"),
    "years that are kg": (lambda: cells.add_years(DAY, X), "needs a date and a whole number of years"),
    "exactly in no unit": (lambda: cells.exactly(100, "k*m"), "is not a unit's name"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_rule_is_refused_that_uses(what: str) -> None:
    attempt, message = REFUSED[what]
    with pytest.raises(LawError, match=message):
        attempt()


# -- bounds


def test_a_dividend_over_2_to_the_52nd_is_refused_and_one_below_is_not() -> None:
    assert cells.floor_div(number(high=2**52 - 1), 2).high >= (2**52 - 1) // 2
    with pytest.raises(LawError, match=r"floor_div: the dividend may reach 4503599627370496, over 2\*\*52"):
        cells.floor_div(number(high=2**52), 2)


def test_half_up_counts_the_doubled_dividend() -> None:
    assert cells.half_up(number(high=2**51 - 1)).high == 2**51 - 1
    with pytest.raises(LawError, match=r"half_up_div: the dividend may reach"):
        cells.half_up(number(high=2**51))


def test_decimals_count_towards_the_dividend() -> None:
    with pytest.raises(LawError, match=r"over 2\*\*52"):
        cells.truncate_div(number(high=2**40), 3, decimals=6)


@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.sub])
def test_a_result_too_large_for_64_bits_is_refused(op: Callable[[Any, Any], Any]) -> None:
    large = number(low=-(2**61), high=2**61)
    with pytest.raises(LawError, match="too large to be held exactly"):
        op(large, large)


def test_aligning_decimals_can_be_too_large() -> None:
    with pytest.raises(LawError, match="too large to be held exactly"):
        number(high=2**60) + number(decimals=3)


# -- what is simplified


def test_units_go_through_the_arithmetic() -> None:
    assert (number(of="g/km/kg") * X).unit == unit("g/km")
    assert cells.floor_div(X, number(low=1)).unit == unit("1")
    assert (X + 0).unit == (0 - X).unit == (-X).unit == cells.maximum(X, 0).unit == unit("kg")
    assert cells.choose(YES, 0, X).unit == unit("kg")
    assert cells.year_of(DAY).unit == unit("year")


def test_decimals_go_through_the_arithmetic() -> None:
    fine = number(decimals=3)
    assert (fine * number(decimals=2)).decimals == 5
    assert (fine + X).decimals == 3
    assert cells.truncate(fine, 1).decimals == 1
    assert cells.choose(YES, X, fine).decimals == 3


def test_constant_truths_disappear() -> None:
    assert (YES & TRUE) is YES
    assert (YES | TRUE) is TRUE
    assert (YES & FALSE) is FALSE
    assert (YES | FALSE) is YES
    assert ~~YES is YES
    assert (YES & ~YES) is FALSE
    assert (YES | ~YES) is TRUE
    assert cells.choose(TRUE, X, Y) is X
    assert cells.choose(FALSE, X, Y) is Y


def test_the_same_truth_is_one_cell() -> None:
    other = _input(Column("other", "boolean"))
    assert (YES & other) is (YES & other)
    assert ((YES & other) | YES) is YES
    assert ((YES | other) & YES) is YES


def test_a_word_chosen_by_a_constant_condition_still_compares() -> None:
    chosen = cells.choose(FALSE, "x", "b")  # "x" is no word of KIND, but it isn't chosen either
    assert evaluate_both(KIND == chosen, [{"kind": "b"}, {"kind": "a"}], [KIND]) == [True, False]


def test_texts_of_different_vocabularies_compare_by_word() -> None:
    rows = [{"kind": kind, "body": body} for kind in "abc" for body in "cd"]
    assert evaluate_both(KIND == BODY, rows, [KIND, BODY]) == [row["kind"] == row["body"] for row in rows]
    assert evaluate_both(KIND != BODY, rows, [KIND, BODY]) == [row["kind"] != row["body"] for row in rows]


# -- the two evaluators against exact arithmetic


def evaluate_both(cell: Cell, rows: list[dict[str, Any]], inputs: list[Cell]) -> list[Any]:
    """The cell in each row, by the record evaluator; the same by the block evaluator, or the test fails."""
    program: Any = SimpleNamespace(
        inputs={one.data.name: one for one in inputs}, definition=SimpleNamespace(zone="Pacific/Auckland", inputs=[])
    )
    read = [Record(program, row) for row in rows]
    assert not any(record.refused for record in read)
    one_by_one = [record.value(cell) for record in read]
    assert all(cell.low <= value <= cell.high for value in one_by_one), f"{cell!r} is not within its bounds"

    def source(wanted: Cell) -> Any:
        column = [record.inputs[wanted.data.name] for record in read]
        return column[0] if len(set(column)) == 1 else np.array(column, dtype=np.int64)

    (together,) = Machine([cell]).run(len(rows), source)
    assert [int(value) for value in together] == one_by_one
    return [shown(cell, value) for value in one_by_one]


def shown(cell: Cell, value: int) -> Any:
    if cell.kind == "number":
        return Fraction(value, 10**cell.decimals)
    return cell.words[value] if cell.kind == "text" else bool(value)


ROUND: dict[str, Callable[[Fraction], int]] = {
    "truncate": math.trunc,
    "floor": math.floor,
    "half_up": lambda exact: math.floor(exact + Fraction(1, 2)),
}
DIVIDE = {"truncate": cells.truncate_div, "floor": cells.floor_div, "half_up": cells.half_up_div}


@pytest.mark.parametrize("how", ROUND)
@pytest.mark.parametrize("divisor", [1, 2, 3, 4, 7, 10])
@pytest.mark.parametrize("decimals", [0, 1, 3])
def test_the_three_divisions_are_exact_around_zero_and_at_halves(how: str, divisor: int, decimals: int) -> None:
    dividend = number("n", "1", low=-5, high=5, decimals=1)
    rows = [{"n": Decimal(tenths) / 10} for tenths in range(-50, 51)]
    expected = [Fraction(ROUND[how](Fraction(row["n"]) / divisor * 10**decimals), 10**decimals) for row in rows]
    assert evaluate_both(DIVIDE[how](dividend, divisor, decimals), rows, [dividend]) == expected


def test_rounding_by_name_at_halves_of_negatives() -> None:
    grams = number("n", "g", low=-5, high=5, decimals=1)
    rows = [{"n": Decimal(text)} for text in ("-2.5", "-1.5", "-0.5", "0.5", "1.5", "-0.6", "-0.4", "0.9", "-0.9")]
    assert evaluate_both(cells.half_up(grams), rows, [grams]) == [-2, -1, 0, 1, 2, -1, 0, 1, -1]
    assert evaluate_both(cells.truncate(grams), rows, [grams]) == [-2, -1, 0, 0, 1, 0, 0, 0, 0]
    assert evaluate_both(cells.floor_div(grams, 1), rows, [grams]) == [-3, -2, -1, 0, 1, -1, -1, 0, -1]


FINE = number("fine", "1", low=-50, high=1000, decimals=2)
SMALL = number("small", "1", low=-20, high=20)
POSITIVE = number("positive", "1", low=1, high=9, decimals=1)
INPUTS = {cell.data.name: cell for cell in (FINE, SMALL, POSITIVE, KIND, BODY, YES)}
ROWS = st.lists(
    st.fixed_dictionaries({
        "fine": st.one_of(st.integers(-5000, 100000), st.integers(-300, 300)).map(lambda n: Decimal(n) / 100),
        "small": st.integers(-20, 20).map(Decimal),
        "positive": st.integers(10, 90).map(lambda n: Decimal(n) / 10),
        "kind": st.sampled_from("abc"),
        "body": st.sampled_from("cd"),
        "yes": st.booleans(),
    }),
    min_size=1,
    max_size=8,
)  # fmt: skip

#: An expression is (operation, parts...); the test evaluates it by itself, knowing nothing of cells.
Expression = tuple[Any, ...]
COMPARE = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}


def numbers(depth: int) -> st.SearchStrategy[Expression]:
    leaf = st.one_of(
        st.sampled_from([("input", "fine"), ("input", "small"), ("input", "positive")]),
        st.tuples(st.just("literal"), st.integers(-30, 30)),
    )
    if not depth:
        return leaf
    part, places = numbers(depth - 1), st.integers(0, 3)
    divisor = st.one_of(
        st.just(("input", "positive")),
        st.tuples(st.just("literal"), st.integers(1, 40)),
        st.tuples(st.just("maximum"), part, st.tuples(st.just("literal"), st.integers(1, 9))),
    )
    return st.one_of(
        leaf,
        st.tuples(st.sampled_from(["add", "sub", "mul", "minimum", "maximum"]), part, part),
        st.tuples(st.just("divide"), st.sampled_from(list(ROUND)), part, divisor, places),
        st.tuples(st.just("round"), st.sampled_from(["truncate", "half_up"]), part, places),
        st.tuples(st.just("choose"), truths(depth - 1), part, truths(depth - 1), part, part),
    )


def truths(depth: int) -> st.SearchStrategy[Expression]:
    leaf = st.just(("input", "yes"))
    if not depth:
        return leaf
    part, text = truths(depth - 1), texts(depth - 1)
    return st.one_of(
        leaf,
        st.tuples(st.sampled_from(list(COMPARE)), numbers(depth - 1), numbers(depth - 1)),
        st.tuples(st.sampled_from(["eq", "ne"]), text, text),
        st.tuples(st.sampled_from(["eq", "ne"]), part, part),
        st.tuples(st.sampled_from(["both", "either"]), part, part),
        st.tuples(st.just("no"), part),
        st.tuples(st.just("choose"), part, part, part, part, part),
    )


def texts(depth: int) -> st.SearchStrategy[Expression]:
    leaf = st.sampled_from([("input", "kind"), ("input", "body")])
    if not depth:
        return leaf
    part = st.one_of(texts(depth - 1), st.tuples(st.just("literal"), st.sampled_from(["a", "d", "e"])))
    return st.one_of(leaf, st.tuples(st.just("choose"), truths(depth - 1), part, truths(depth - 1), part, texts(depth - 1)))


def built(expression: Expression) -> Any:
    """The expression as cells, written as a rule would write it."""
    op, *parts = expression
    if op == "input":
        return INPUTS[parts[0]]
    if op == "literal":
        return parts[0]
    if op == "divide":
        how, dividend, divisor, places = parts
        return DIVIDE[how](built(dividend), built(divisor), places)
    if op == "round":
        how, dividend, places = parts
        return {"truncate": cells.truncate, "half_up": cells.half_up}[how](built(dividend), places)
    made = [built(part) for part in parts]
    if not any(isinstance(one, Cell) for one in made):  # two literals would be Python's own sum
        made[0] = cells.cell(made[0])
    symbols = {
        **COMPARE, "add": operator.add, "sub": operator.sub, "mul": operator.mul, "both": operator.and_,
        "either": operator.or_,
        "no": operator.invert, "minimum": cells.minimum, "maximum": cells.maximum, "choose": cells.choose,
    }  # fmt: skip
    return symbols[op](*made)


def exact(expression: Expression, row: dict[str, Any]) -> Any:
    """The expression in one row, in fractions."""
    op, *parts = expression
    if op == "input":
        return Fraction(row[parts[0]]) if isinstance(row[parts[0]], Decimal) else row[parts[0]]
    if op == "literal":
        return parts[0]
    if op == "divide":
        how, dividend, divisor, places = parts
        return Fraction(ROUND[how](Fraction(exact(dividend, row)) / exact(divisor, row) * 10**places), 10**places)
    if op == "round":
        how, dividend, places = parts
        return Fraction(ROUND[how](Fraction(exact(dividend, row)) * 10**places), 10**places)
    found = [exact(part, row) for part in parts]
    if op == "choose":
        return found[1] if found[0] else found[3] if found[2] else found[4]
    python: dict[str, Callable[..., Any]] = {
        **COMPARE, "add": operator.add, "sub": operator.sub, "mul": operator.mul, "minimum": min, "maximum": max,
        "both": lambda a, b: a and b, "either": lambda a, b: a or b, "no": lambda a: not a,
    }  # fmt: skip
    return python[op](*found)


LEAN = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def agrees(expression: Expression, rows: list[dict[str, Any]]) -> None:
    try:
        cell = built(expression)
    except LawError as error:
        assume("too large" not in str(error) and "over 2**52" not in str(error))
        raise
    assume(isinstance(cell, Cell))  # a literal alone
    assert evaluate_both(cell, rows, list(INPUTS.values())) == [exact(expression, row) for row in rows]


@LEAN
@given(numbers(3), ROWS)
@example(("divide", "truncate", ("input", "fine"), ("input", "positive"), 0), [{
    "fine": Decimal("-0.5"), "small": Decimal(0), "positive": Decimal(1), "kind": "a", "body": "c", "yes": False,
}])  # fmt: skip
def test_random_numbers_are_exact_on_both_evaluators(expression: Expression, rows: list[dict[str, Any]]) -> None:
    agrees(expression, rows)


@LEAN
@given(truths(3), ROWS)
def test_random_truths_are_exact_on_both_evaluators(expression: Expression, rows: list[dict[str, Any]]) -> None:
    agrees(expression, rows)


@LEAN
@given(texts(2), ROWS)
def test_random_texts_are_exact_on_both_evaluators(expression: Expression, rows: list[dict[str, Any]]) -> None:
    agrees(expression, rows)
