"""Exact least squares: sums are integers, results fractions, rounding comes last and is half up. No float anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

#: Fewest pairs that are fitted: a line through two points leaves no residual to judge it by.
FEWEST = 3


class NoFit(Exception):
    """The pairs of a group can't be fitted; ``code`` is a reason code, the text says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Sums:
    """What a least-squares fit needs of its pairs (x, y), as exact integers: n, the sums of x, y, x² and xy.

    Sums of parts of a table add up to those of the whole, in any order.

    >>> Sums.of([(1, 2), (3, 5)]) + Sums(1, 2, 4, 4, 8)
    Sums(n=3, x=6, y=11, xx=14, xy=25)
    """

    n: int = 0
    x: int = 0
    y: int = 0
    xx: int = 0
    xy: int = 0

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Sums:
        n = x = y = xx = xy = 0
        for a, b in pairs:
            n, x, y, xx, xy = n + 1, x + a, y + b, xx + a * a, xy + a * b
        return cls(n, x, y, xx, xy)

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.n + other.n, self.x + other.x, self.y + other.y, self.xx + other.xx, self.xy + other.xy)


def factor_of(sums: Sums) -> Fraction:
    """The factor of y = factor × x with the least squares of y: Σxy / Σx², exact, in units of y per unit of x.

    Raises :class:`NoFit` for fewer than three pairs (``too_few_pairs``) and where every x is 0 (``no_spread``).

    >>> factor_of(Sums.of([(100, 110), (200, 220), (300, 330)]))
    Fraction(11, 10)
    """
    _enough(sums)
    if sums.xx == 0:
        raise NoFit("no_spread", "every value is 0")
    return Fraction(sums.xy, sums.xx)


def line_of(sums: Sums) -> tuple[Fraction, Fraction]:
    """Slope and intercept of y = slope × x + intercept with the least squares of y, exact.

    slope = (n Σxy - Σx Σy) / (n Σx² - (Σx)²), intercept = (Σy - slope Σx) / n: the residuals' sum is 0.
    Raises :class:`NoFit` for fewer than three pairs (``too_few_pairs``) and where all x are the same (``no_spread``).

    >>> line_of(Sums.of([(1, 3), (2, 5), (4, 9)]))
    (Fraction(2, 1), Fraction(1, 1))
    """
    _enough(sums)
    spread = sums.n * sums.xx - sums.x**2
    if spread == 0:
        raise NoFit("no_spread", f"all {sums.n} have the same value, so a slope can't be told")
    slope = Fraction(sums.n * sums.xy - sums.x * sums.y, spread)
    return slope, (sums.y - slope * sums.x) / sums.n


def _enough(sums: Sums) -> None:
    if sums.n < FEWEST:
        raise NoFit("too_few_pairs", f"{sums.n} of them; at least {FEWEST} are needed")


def half_up(number: Fraction, places: int) -> Decimal:
    """``number`` at ``places`` decimals, a half away from zero; exact whatever the size.

    >>> half_up(Fraction(25, 1000), 2), half_up(Fraction(-25, 1000), 2), half_up(Fraction(2, 3), 12)
    (Decimal('0.03'), Decimal('-0.03'), Decimal('0.666666666667'))
    """
    whole = (2 * abs(number.numerator) * 10**places + number.denominator) // (2 * number.denominator)
    return Decimal((int(number < 0 and whole > 0), tuple(int(digit) for digit in str(whole)), -places))


def root_half_up(number: Fraction, places: int) -> Decimal:
    """The square root of ``number`` (0 or more) at ``places`` decimals, half up, by integer arithmetic.

    >>> root_half_up(Fraction(2), 4), root_half_up(Fraction(1, 16), 1)
    (Decimal('1.4142'), Decimal('0.3'))
    """
    scaled = 4 * number * 100**places  # floor(sqrt(v) + 1/2) = (isqrt(4 v) + 1) // 2
    return half_up(Fraction((math.isqrt(scaled.numerator // scaled.denominator) + 1) // 2, 10**places), places)
