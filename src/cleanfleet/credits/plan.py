"""What an operation would consume, before it is done. Everything here reads rows of lots and changes nothing.

A lot counts for a plan where it is in its pools, was earned by that day, has not passed its last day, and fits the other
conditions. What is free of such lots is drawn oldest first: by (last day, earned on, id), whatever order they come in.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .errors import BadInput, NotPermitted, Shortage
from .life import life, open_until
from .lots import Id, Lot, Obligation, whole
from .rules import BankRules, Ratio, Reading


@dataclass(frozen=True, slots=True)
class Take:
    """``amount`` > 0 of ``lot``, whose last day is ``last_day``."""

    lot: Lot
    amount: int
    last_day: dt.date


@dataclass(frozen=True)
class Plan:
    """What would be taken for ``needed`` units of ``pool``.

    ``takes`` come in the order of use and hold what there is, also where it is too little (``shortage`` > 0). ``free`` and
    ``reserved`` are the sums over all lots that count; ``left_out`` says, by reason, how much stands free in lots that don't:
    ``expired``, ``not_yet_earned``, ``not_named``, ``later_vintage``, ``other_kind``, ``acquired_late``, ``not_transferable``.
    ``marks`` are those of the provisions read (a doubtful value, an assumption).
    """

    pool: str
    needed: int
    takes: tuple[Take, ...]
    free: int
    reserved: int
    on: dt.date
    known: dt.date
    account: str = ""
    vintages: tuple[int, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    @property
    def planned(self) -> int:
        """Units that the takes come to."""
        return self.needed - self.shortage

    @property
    def shortage(self) -> int:
        """Units that are lacking; 0 where the plan covers what is needed."""
        return max(0, self.needed - self.free)

    def require(self) -> Plan:
        """This plan, where it covers what is needed; otherwise raises :class:`Shortage`, which names what there is."""
        if self.shortage:
            raise Shortage(
                account=self.account, pool=self.pool, needed=self.needed, free=self.free, reserved=self.reserved,
                on=self.on, vintages=self.vintages,
            )  # fmt: skip
        return self


def plan(
    lots: Iterable[Lot],
    needed: int,
    *,
    pool: str,
    on: dt.date,
    known: dt.date,
    rules: BankRules,
    account: str = "",
    year: int | None = None,
    deferred: bool = False,
    kind: str = "",
    pools: Sequence[str] | None = None,
    vintages: Collection[int] = (),
    only: Collection[Id] | None = None,
    acquired_by: dt.date | None = None,
    for_transfer: bool = False,
) -> Plan:
    """The lots that ``needed`` units (0 or more) of ``pool`` would be taken from on ``on``, by the law as known on ``known``.

    ``lots`` are one account's (``account`` names it where there may be none). With ``year`` it is for an obligation of that
    year (``deferred``: deferral was granted): then the rules say which vintages and, by ``pools``, which other pools may
    serve, drawn pool after pool. ``kind`` is the obligation's. ``vintages`` and ``only`` (lots' ids) are the holder's choice.
    ``acquired_by`` leaves out what was earned or received after that day, ``for_transfer`` what may not go on to another
    account.

    Raises :class:`NotDetermined`, :class:`NotPermitted`, :class:`BadInput`; too little is told by :meth:`Plan.require`.

    >>> from cleanfleet.credits import BankRules, always
    >>> rules = BankRules(pools=("used",), life_years=always(3))
    >>> day = dt.date(2025, 1, 1)
    >>> lots = [Lot(2, "A", "used", 2024, dt.date(2024, 5, 1), 30, reserved=10), Lot(1, "A", "used", 2023, dt.date(2023, 5, 1), 40)]
    >>> found = plan(lots, 50, pool="used", on=day, known=day, rules=rules)
    >>> [(take.lot.id, take.amount) for take in found.takes], found.free, found.reserved
    ([(1, 40), (2, 10)], 60, 10)
    >>> plan(lots, 31, pool="used", on=day, known=day, rules=rules, vintages=[2024]).require()
    Traceback (most recent call last):
    cleanfleet.credits.errors.Shortage: account A, pool used, vintage 2024: 31 needed, 20 free, 10 reserved on 2025-01-01; 11 short
    """
    whole(needed, "amount", 0)
    reading = rules.at(on, known)
    marks: dict[str, None] = {}
    _may_name(reading, pool, kind, vintages, only, marks)
    if for_transfer:
        marks.update(dict.fromkeys(reading.transferable(pool)))
    drawn, more = (
        reading.accepted(pool, kind, year, pools) if year is not None or pools is not None else ((rules.pool(pool),), ())
    )
    marks.update(dict.fromkeys(more))
    latest, later_marks = _latest_vintage(reading, pool, kind, year, deferred)
    rank = {name: number for number, name in enumerate(drawn)}
    named = frozenset(vintages)
    chosen = None if only is None else frozenset(only)
    accounts = {account} if account else set()
    usable: list[tuple[int, dt.date, dt.date, Id, Lot]] = []
    left_out: Counter[str] = Counter()
    for lot in lots:
        accounts.add(lot.account)
        if lot.pool not in rank or not lot.amount:
            continue
        if (named and lot.vintage not in named) or (chosen is not None and lot.id not in chosen):
            left_out["not_named"] += lot.free
            continue
        last, life_marks = life(lot, reading)
        why = _left_out(lot, reading, last, latest, kind, acquired_by, for_transfer, marks)
        if later_marks and year is not None and lot.vintage > year:
            marks.update(dict.fromkeys(later_marks))
        if why:
            left_out[why] += lot.free
            continue
        if year is not None and rules.carry:
            _carried(lot, year)
        if life_marks:
            marks.update(dict.fromkeys(life_marks))
        usable.append((rank[lot.pool], last, lot.earned_on, lot.id, lot))
    if len(accounts) > 1:
        raise BadInput("lots", sorted(accounts), "must be of one account")
    usable.sort(key=lambda found: found[:4])
    takes: list[Take] = []
    missing = needed
    for _, last, _, _, lot in usable:
        if not missing:
            break
        if lot.free:
            amount = min(lot.free, missing)
            takes.append(Take(lot, amount, last))
            missing -= amount
    return Plan(
        pool, needed, tuple(takes),
        free=sum(found[4].free for found in usable), reserved=sum(found[4].reserved for found in usable),
        on=on, known=known, account=next(iter(accounts), ""), vintages=tuple(sorted(named)),
        left_out={why: amount for why, amount in sorted(left_out.items()) if amount}, marks=tuple(marks),
    )  # fmt: skip


def _may_name(
    reading: Reading, pool: str, kind: str, vintages: Collection[int], only: Collection[Id] | None, marks: dict[str, None]
) -> None:
    if vintages or only is not None:
        allowed, more = reading.value("holder_may_name", True, pool, kind)
        marks.update(dict.fromkeys(more))
        if not allowed:
            raise NotPermitted(
                f"pool {pool}: the holder may not name the vintages or lots that are used; the oldest go first"
            )


def _latest_vintage(
    reading: Reading, pool: str, kind: str, year: int | None, deferred: bool
) -> tuple[int | None, tuple[str, ...]]:
    """The latest vintage that an obligation of ``year`` takes (None: any), and the marks of what says so."""
    if year is None:
        return None, ()
    rule, marks = reading.value("vintages_allowed", "any", pool, kind, year)
    if rule == "any":
        return None, marks
    latest, more = open_until(reading, pool, kind, year, deferred)
    return latest, (*marks, *more)


def _left_out(
    lot: Lot,
    reading: Reading,
    last: dt.date,
    latest: int | None,
    kind: str,
    acquired_by: dt.date | None,
    for_transfer: bool,
    marks: dict[str, None],
) -> str:
    """Why a lot of these pools, named where any are, doesn't count; '' where it does."""
    if lot.earned_on > reading.on:
        return "not_yet_earned"
    if last < reading.on:
        return "expired"
    if latest is not None and lot.vintage > latest:
        return "later_vintage"
    if lot.kind != kind and lot.kind and kind:
        shared, more = reading.value("kinds_share_pool", True, lot.pool)
        marks.update(dict.fromkeys(more))
        if not shared:
            return "other_kind"
    if acquired_by is not None and (lot.received_on or lot.earned_on) > acquired_by:
        return "acquired_late"
    if (
        for_transfer
        and lot.received_on is not None
        and lot.via != "pool"
        and not reading.value("onward_transfer", True, lot.pool, lot.kind)[0]
    ):
        return "not_transferable"
    return ""


def _carried(lot: Lot, year: int) -> None:
    """Refuse a credit of an earlier year that should have been carried into ``year`` first, and wasn't."""
    if lot.free and lot.vintage < year and lot.via != "pool":
        through = lot.vintage - 1 if lot.carried_through is None else lot.carried_through
        if through < year - 1:
            raise BadInput(
                "lot",
                lot.id,
                f"of vintage {lot.vintage} must be carried over the end of {through + 1} before it serves {year}",
            )


def plan_offset(
    obligation: Obligation,
    lots: Iterable[Lot],
    *,
    on: dt.date,
    known: dt.date,
    rules: BankRules,
    amount: int | None = None,
    pools: Sequence[str] | None = None,
    vintages: Collection[int] = (),
    only: Collection[Id] | None = None,
    acquired_by: dt.date | None = None,
) -> Plan:
    """:func:`plan` for an obligation, or for ``amount`` of it; raises :class:`BadInput` for more than is owed."""
    if amount is not None and whole(amount) > obligation.amount:
        raise BadInput("amount", amount, f"must not be more than the {obligation.amount} owed")
    return plan(
        lots, obligation.amount if amount is None else amount,
        pool=obligation.pool, on=on, known=known, rules=rules, year=obligation.year, deferred=obligation.deferred,
        kind=obligation.kind, account=obligation.account, pools=pools, vintages=vintages, only=only, acquired_by=acquired_by,
    )  # fmt: skip


def oldest_first(obligations: Iterable[Obligation]) -> list[Obligation]:
    """Obligations in the order in which they are met: by year, then id."""
    return sorted(obligations, key=lambda one: (one.year, one.id))


@dataclass(frozen=True)
class ExchangePlan:
    """What an exchange would take and give: ``receipts`` has for each take what is received for it (0 or more).

    A set that spans two lots is received with the older one's vintage, so that no credit gains life by it.
    """

    plan: Plan
    ratio: Ratio
    receipts: tuple[int, ...]

    @property
    def received(self) -> int:
        """Units of the target pool."""
        return sum(self.receipts)


def plan_exchange(
    lots: Iterable[Lot],
    amount: int,
    *,
    source: str,
    target: str,
    on: dt.date,
    known: dt.date,
    rules: BankRules,
    account: str = "",
    vintages: Collection[int] = (),
    only: Collection[Id] | None = None,
    for_transfer: bool = False,
) -> ExchangePlan:
    """What it takes to exchange ``amount`` credits of ``source`` into ``target`` on ``on``.

    Raises :class:`NotPermitted` where there is no exchange that day, :class:`BadInput` for an amount that isn't whole sets;
    too little is told by ``.plan.require()``.
    """
    reading = rules.at(on, known)
    ratio, marks = reading.ratio(source, target)
    ratio.received(whole(amount))
    found = plan(
        lots, amount, pool=source, on=on, known=known, rules=rules, account=account, vintages=vintages, only=only,
        for_transfer=for_transfer,
    )  # fmt: skip
    receipts, so_far = [], 0
    for take in found.takes:
        before, so_far = so_far, so_far + take.amount
        receipts.append((-(-so_far // ratio.give) - -(-before // ratio.give)) * ratio.receive)
    return ExchangePlan(_with_marks(found, marks), ratio, tuple(receipts))


def _with_marks(found: Plan, marks: tuple[str, ...]) -> Plan:
    return replace(found, marks=tuple(dict.fromkeys((*found.marks, *marks)))) if marks else found
