"""Everything in which one scheme's bank differs from another's, as data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, get_args

from .dated import Dated, Series, in_force
from .errors import BadInput, NotDetermined, NotPermitted
from .words import LifeBasis, ReceivedLife, Rounding, VintageRule


@dataclass(frozen=True, slots=True)
class Ratio:
    """``give`` credits of pool ``source`` are received as ``receive`` credits of pool ``target``, in whole sets only.

    >>> Ratio("new", "used", 1, 2).received(7), Ratio("used", "new", 2, 1).received(6)
    (14, 3)
    >>> Ratio("used", "new", 2, 1).received(7)
    Traceback (most recent call last):
    cleanfleet.credits.errors.BadInput: amount 7: each set of 2 used becomes 1 new; 6 or 8 can be exchanged, 7 can't
    """

    source: str
    target: str
    give: int
    receive: int

    def __post_init__(self) -> None:
        for name in ("give", "receive"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise BadInput(name, getattr(self, name), "must be a whole number, 1 or more")
        if self.source == self.target:
            raise BadInput("target", self.target, "must be another pool than the source")

    def received(self, amount: int) -> int:
        """What ``amount`` of the source comes to; raises :class:`BadInput` where it isn't whole sets."""
        if amount % self.give:
            low = amount - amount % self.give
            near = f"{low} or {low + self.give}" if low else f"{self.give}"
            raise BadInput(
                "amount", amount,
                f"each set of {self.give} {self.source} becomes {self.receive} {self.target}; "
                f"{near} can be exchanged, {amount} can't",
            )  # fmt: skip
        return amount // self.give * self.receive


@dataclass(frozen=True, slots=True)
class Carry:
    """What is left of a credit when it is carried over the end of a year: ``factor`` of it, 0 to 1.

    ``any_of`` names facts about the account's year; where it names any, one of them must be true, otherwise the credit
    isn't carried and expires with the year.
    """

    factor: Fraction
    any_of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.factor, Fraction | int) or not 0 <= self.factor <= 1:
            raise BadInput("factor", self.factor, "must be a fraction from 0 to 1")

    def admitted(self, facts: Mapping[str, bool | None]) -> bool:
        """Whether the facts let the credit be carried; raises :class:`NotDetermined` where that hangs on one not known."""
        if not self.any_of or any(facts.get(name) for name in self.any_of):
            return True
        unknown = [name for name in self.any_of if facts.get(name) is None]
        if unknown:
            raise NotDetermined(unknown, "whether the credits may be carried depends on it")
        return False


@dataclass(frozen=True, kw_only=True)
class BankRules:
    """The rules of one bank. Every field but ``pools``, ``known`` and ``deferral_on_application`` is a series of dated
    provisions, read on two clocks: the day an operation is dated, and the day up to which the law is read.

    A provision whose value is None exists, but isn't known: whoever needs it is told 'not determined' with its name. What
    an empty series means stands with each field.
    """

    #: The pools there are; the unit of each is its own, and only an exchange leads from one to another.
    pools: tuple[str, ...]
    #: The last day up to which the series were read; a later ``known`` is refused. None: nothing was left out.
    known: dt.date | None = None

    #: Years of life of a credit, by pool and vintage. Empty: credits don't expire. None in force: not determined.
    life_years: Series[int] = ()
    #: From when they count: :data:`LifeBasis`. Empty: day.
    life_basis: Series[LifeBasis] = ()
    #: No lot's last day lies before this day.
    none_expires_before: Series[dt.date] = ()
    #: Life of what came from another account: :data:`ReceivedLife`. Empty: own.
    received_life: Series[ReceivedLife] = ()

    #: Whether the holder may say of which vintages (or lots) to take. Empty: yes.
    holder_may_name: Series[bool] = ()
    #: Whether credits of one kind may be used for another kind's obligation. Empty: yes.
    kinds_share_pool: Series[bool] = ()
    #: Pools whose credits settle an obligation of a pool one to one, in the order in which they are drawn. Empty: its own.
    accepts: Series[tuple[str, ...]] = ()
    #: Which vintages an obligation of year Y takes: :data:`VintageRule`. Empty: any.
    vintages_allowed: Series[VintageRule] = ()

    #: Whether credits of a pool may go to another account. Empty: yes.
    transferable: Series[bool] = ()
    #: Whether what came from another account may go on to a third one. Empty: yes.
    onward_transfer: Series[bool] = ()
    #: Exchange between pools (``Dated.pools`` names the source; the ratio both). None in force: not permitted.
    exchange: Series[Ratio] = ()

    #: What the end of a year leaves of a credit, by pool and vintage. Empty: all of it.
    carry: Series[Carry] = ()
    #: How a year's balance becomes whole, once for all credits of an account, pool and vintage: :data:`Rounding`. Empty: half up.
    carry_rounding: Series[Rounding] = ()

    #: For how many years after its own an obligation may still be met with credits, by pool, kind and year. None in force: 0.
    deferral_years: Series[int] = ()
    #: Whether that must be granted for the obligation (:attr:`Obligation.deferred`); otherwise it holds of itself.
    deferral_on_application: bool = False

    #: Years that a credit may lie in the common pool. None in force: there is no common pool.
    common_pool_years: Series[int] = ()

    _readings: dict[tuple[dt.date, dt.date], Reading] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        if not self.pools or len(set(self.pools)) != len(self.pools):
            raise BadInput("pools", self.pools, "must be one or more different names")
        for name, words in _WORDS.items():
            for one in getattr(self, name):
                if one.value is not None and one.value not in words:
                    raise BadInput(name, one.value, f"must be one of {', '.join(words)}")
        for name in ("life_years", "deferral_years", "common_pool_years"):
            for one in getattr(self, name):
                if one.value is not None and (not isinstance(one.value, int) or one.value < 0):
                    raise BadInput(name, one.value, "must be a whole number of years, 0 or more")
        for name in SERIES:
            for one in getattr(self, name):
                for pool in one.pools:
                    self.pool(pool)
        for one in self.exchange:
            if one.value is not None:
                self.pool(one.value.source)
                self.pool(one.value.target)
        for accepted in self.accepts:
            for pool in accepted.value or ():
                self.pool(pool)

    def pool(self, pool: str) -> str:
        """``pool`` as it is, where there is one of that name; raises :class:`BadInput`."""
        if pool not in self.pools:
            raise BadInput("pool", pool, f"must be one of {', '.join(self.pools)}")
        return pool

    def at(self, on: dt.date, known: dt.date) -> Reading:
        """The rules as they apply on ``on``, as known on ``known``; raises :class:`BadInput` for a ``known`` beyond them."""
        found = self._readings.get((on, known))
        if found is None:
            if self.known is not None and known > self.known:
                raise BadInput(
                    "known", known.isoformat(), f"must not be after {self.known}, up to which these rules were read"
                )
            if len(self._readings) >= 4096:
                self._readings.clear()
            found = self._readings[on, known] = Reading(self, on, known)
        return found


SERIES = tuple(f.name for f in fields(BankRules) if str(f.type).startswith("Series"))
_WORDS: dict[str, tuple[str, ...]] = {
    "life_basis": get_args(LifeBasis),
    "received_life": get_args(ReceivedLife),
    "vintages_allowed": get_args(VintageRule),
    "carry_rounding": get_args(Rounding),
}


class Reading:
    """A bank's rules on one day, as known on one day. Made by :meth:`BankRules.at`; answers are kept."""

    def __init__(self, rules: BankRules, on: dt.date, known: dt.date) -> None:
        self.rules, self.on, self.known = rules, on, known
        self._found: dict[tuple[Any, ...], Dated[Any] | None] = {}
        #: What others have worked out of this reading and will ask for again.
        self.kept: dict[tuple[Any, ...], object] = {}

    def provision(self, name: str, pool: str = "", kind: str = "", year: int | None = None) -> Dated[Any] | None:
        """The provision of series ``name`` that applies, or None; one whose value isn't known is :class:`NotDetermined`."""
        key = (name, pool, kind, year)
        if key not in self._found:
            self._found[key] = in_force(getattr(self.rules, name), self.on, self.known, pool, kind, year)
        found = self._found[key]
        if found is not None and found.value is None:
            raise self.unknown(name, pool, year, found.name)
        return found

    def unknown(self, name: str, pool: str, year: int | None, called: str = "") -> NotDetermined:
        """The refusal for a value that isn't known."""
        where = "".join([f"pool {pool}" if pool else "", f", year {year}" if year is not None else ""])
        dates = f"on {self.on}, as known on {self.known}"
        return NotDetermined([called or name], f"{where}, {dates}" if where else dates)

    def value(
        self, name: str, default: Any, pool: str = "", kind: str = "", year: int | None = None
    ) -> tuple[Any, tuple[str, ...]]:
        """The value that applies and its marks; ``default`` where no provision is in force."""
        found = self.provision(name, pool, kind, year)
        return (default, ()) if found is None else (found.value, found.marks)

    def needed(self, name: str, pool: str, kind: str, year: int | None) -> tuple[Any, tuple[str, ...]]:
        """The value that applies and its marks; raises :class:`NotDetermined` where none is in force."""
        found = self.provision(name, pool, kind, year)
        if found is None:
            raise self.unknown(name, pool, year, getattr(self.rules, name)[0].name)
        return found.value, found.marks

    def ratio(self, source: str, target: str) -> tuple[Ratio, tuple[str, ...]]:
        """The exchange ratio from ``source`` to ``target`` and its marks; raises :class:`NotPermitted` where there is none."""
        self.rules.pool(source)
        self.rules.pool(target)
        between = [d for d in self.rules.exchange if _leads(d, source, target)]
        found = in_force(between, self.on, self.known, source)
        if found is None:
            later = [
                d.applies_from
                for d in between
                if d.known_from <= self.known and d.applies_from > self.on and not d.withdrawn
            ]
            since = f"; it is from {min(later)}" if later else ""
            raise NotPermitted(f"exchange from {source} to {target} isn't permitted on {self.on}{since}")
        if found.value is None:
            raise self.unknown("exchange", source, None, found.name)
        return found.value, found.marks

    def transferable(self, pool: str) -> tuple[str, ...]:
        """Marks, where credits of ``pool`` may go to another account; otherwise raises :class:`NotPermitted`."""
        allowed, marks = self.value("transferable", True, self.rules.pool(pool))
        if not allowed:
            raise NotPermitted(f"credits of pool {pool} can't go to another account on {self.on}")
        return marks

    def accepted(
        self, pool: str, kind: str, year: int | None, asked: Collection[str] | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The pools whose credits may settle an obligation of ``pool``, in order, and marks.

        ``asked`` narrows them and gives another order; raises :class:`NotPermitted` for one that isn't accepted.
        """
        allowed, marks = self.value("accepts", (pool,), self.rules.pool(pool), kind, year)
        for one in asked or ():
            if self.rules.pool(one) not in allowed:
                raise NotPermitted(
                    f"credits of pool {one} can't settle an obligation of pool {pool}; allowed: {', '.join(allowed)}"
                )
        return (allowed if asked is None else tuple(asked)), marks


def _leads(one: Dated[Ratio], source: str, target: str) -> bool:
    """Whether an exchange provision is for this way; an unknown ratio names its pools in ``Dated.pools``: source, target."""
    if one.value is None:
        return one.pools[:1] == (source,) and one.pools[1:] in ((), (target,))
    return (one.value.source, one.value.target) == (source, target)
