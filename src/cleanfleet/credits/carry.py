"""The turn of a year: what is carried over it, at which factor, and what isn't."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from .errors import BadInput, NotDetermined
from .life import life
from .lots import Id, Lot
from .rules import BankRules
from .words import rounded

#: The credits of one balance: account, pool, vintage, kind.
Balance = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class Carried:
    """What becomes of one lot's free amount: ``kept`` + ``discounted`` + ``expired``."""

    lot: Lot
    kept: int
    discounted: int
    expired: int


@dataclass(frozen=True)
class CarryPlan:
    """The turn from ``year`` to the next. ``parts`` fractions: what each balance is exactly, less its whole units."""

    year: int
    carried: tuple[Carried, ...]
    parts: Mapping[Balance, Fraction]
    marks: tuple[str, ...]


def balance_of(lot: Lot) -> Balance:
    """The balance that a lot is rounded in."""
    return (lot.account, lot.pool, lot.vintage, lot.kind)


def plan_carry(
    lots: Iterable[Lot],
    year: int,
    *,
    known: dt.date,
    rules: BankRules,
    facts: Mapping[str, bool | None] | None = None,
    parts: Mapping[Balance, Fraction] | None = None,
) -> CarryPlan:
    """What the end of ``year`` leaves of each lot, by the law in force on the day after it, as known on ``known``.

    ``facts`` are those of the accounts' year that rules of carrying may ask for; ``parts`` the fractions left by the last
    turn (each factor is applied to the exact balance; a balance is rounded once, and shared out over its lots in whole
    units, the oldest first). Lots of a later vintage, and those carried over this year's end already, are left alone.
    A lot with something reserved, or one that wasn't carried over an earlier year's end, is :class:`BadInput`.
    Raises :class:`NotDetermined` where the rule, its factor or a fact that it needs isn't known.

    >>> from cleanfleet.credits import BankRules, Carry, always
    >>> rules = BankRules(pools=("a",), carry=always(Carry(Fraction(1, 2))))
    >>> lot = Lot(1, "A", "a", 2020, dt.date(2020, 12, 31), 1001)
    >>> turn = plan_carry([lot], 2020, known=dt.date(2021, 1, 1), rules=rules)
    >>> turn.carried[0].kept, turn.carried[0].discounted, turn.parts
    (501, 500, {('A', 'a', 2020, ''): Fraction(-1, 2)})
    """
    if not rules.carry:
        return CarryPlan(year, (), dict(parts or {}), ())
    start = dt.date(year + 1, 1, 1)
    reading = rules.at(start, known)
    marks: dict[str, None] = {}
    balances: dict[Balance, list[tuple[dt.date, dt.date, Id, Lot]]] = {}
    lots = list(lots)
    for lot in lots:
        if lot.vintage > year or lot.via == "pool" or not lot.amount or (lot.carried_through or lot.vintage - 1) >= year:
            continue
        _may_turn(lot, year)
        last, more = life(lot, reading)
        marks.update(dict.fromkeys(more))
        balances.setdefault(balance_of(lot), []).append((last, lot.earned_on, lot.id, lot))
    carried: list[Carried] = []
    left = dict(parts or {})
    _drop_empty(left, lots)
    for balance in sorted(balances):
        found = sorted(balances[balance], key=lambda one: one[:3])
        living = [lot for last, _, _, lot in found if last >= start]
        carried += [Carried(lot, 0, 0, lot.amount) for last, _, _, lot in found if last < start]
        if not living:
            continue
        _, pool, vintage, kind = balance
        rule, more = reading.needed("carry", pool, kind, vintage)
        marks.update(dict.fromkeys(more))
        try:
            admitted = rule.admitted(facts or {})
        except NotDetermined as why:
            raise NotDetermined(
                why.missing, f"account {balance[0]}, pool {pool}, vintage {vintage}, end of {year}"
            ) from None
        if not admitted:
            carried += [Carried(lot, 0, 0, lot.amount) for lot in living]
            left.pop(balance, None)
            continue
        how, more = reading.value("carry_rounding", "half_up", pool, kind, vintage)
        marks.update(dict.fromkeys(more))
        before = sum(lot.amount for lot in living)
        exact = (before + left.get(balance, Fraction(0))) * rule.factor
        after = rounded(exact, how)
        left[balance] = exact - after
        kept = so_far = 0
        for lot in living:  # shared out by cumulation: whole units, none gains, and they add up to the rounded balance
            so_far += lot.amount
            share = after * so_far // before - kept
            kept += share
            carried.append(Carried(lot, share, lot.amount - share, 0))
    return CarryPlan(year, tuple(carried), {key: part for key, part in left.items() if part}, tuple(marks))


def _drop_empty(parts: dict[Balance, Fraction], lots: list[Lot]) -> None:
    """A balance of which nothing whole is left has no fraction either."""
    accounts, present = {lot.account for lot in lots}, {balance_of(lot) for lot in lots if lot.amount}
    for balance in list(parts):
        if balance[0] in accounts and balance not in present:
            del parts[balance]


def _may_turn(lot: Lot, year: int) -> None:
    through = lot.vintage - 1 if lot.carried_through is None else lot.carried_through
    if through < year - 1:
        raise BadInput("year", year, f"lot {lot.id} must be carried over the end of {through + 1} first")
    if lot.reserved:
        raise BadInput("lot", lot.id, f"has {lot.reserved} reserved over the end of {year}; post or void that first")
