"""The book that operations write in: lots, obligations, holds, and every entry. Used through :class:`~.bank.Bank`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from .carry import Balance
from .errors import BadInput
from .lots import HELD, OWED, RESERVED, Entry, Lot, Obligation, credit_unit, obligation_unit
from .rules import BankRules


@dataclass(frozen=True, slots=True)
class Hold:
    """A reservation: amounts of lots set aside on ``on``, until ``until`` (that day included; None: until it is ended)."""

    id: int
    account: str
    pool: str
    on: dt.date
    until: dt.date | None
    parts: tuple[tuple[int, int], ...]

    @property
    def amount(self) -> int:
        return sum(amount for _, amount in self.parts)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Credits of one lot that lie in the common pool since ``deposited_on``."""

    id: int
    lot: int
    deposited_on: dt.date
    amount: int


@dataclass
class Book:
    """The state of a bank, and the way it changes: only :meth:`move` changes amounts, and it writes an entry each time."""

    rules: BankRules
    lots: dict[int, Lot] = field(default_factory=dict)
    obligations: dict[int, Obligation] = field(default_factory=dict)
    holds: dict[int, Hold] = field(default_factory=dict)
    parcels: dict[int, Parcel] = field(default_factory=dict)
    parts: dict[Balance, Fraction] = field(default_factory=dict)
    #: (unit, bucket, lot or obligation) -> units that went in, less those that went out
    balances: dict[tuple[str, str, int], int] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    by_likeness: dict[tuple[Hashable, ...], int] = field(default_factory=dict)
    #: lots that came out of the common pool -> the day on which they first went in
    deposited_on: dict[int, dt.date] = field(default_factory=dict)
    #: lot -> units of it that were reversed
    reversed_amounts: dict[int, int] = field(default_factory=dict)
    #: operation -> marks of the provisions it used
    marks: dict[int, tuple[str, ...]] = field(default_factory=dict)
    operations: int = 0
    last_id: int = 0
    name: str = ""

    def copy(self) -> Book:
        """A book of its own, with the same content."""
        return Book(
            self.rules, dict(self.lots), dict(self.obligations), dict(self.holds), dict(self.parcels), dict(self.parts),
            dict(self.balances), list(self.entries), dict(self.by_likeness), dict(self.deposited_on),
            dict(self.reversed_amounts), dict(self.marks), self.operations, self.last_id, self.name,
        )  # fmt: skip

    def begin(self, name: str) -> None:
        """The next operation starts."""
        self.operations += 1
        self.name = name

    def note(self, marks: Iterable[str]) -> None:
        """The operation used provisions with these marks."""
        told = dict.fromkeys((*self.marks.get(self.operations, ()), *marks))
        if told:
            self.marks[self.operations] = tuple(told)

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    # -- finding

    def lot(self, id_: int) -> Lot:
        if id_ not in self.lots:
            raise BadInput("lot", id_, "is no lot of this bank")
        return self.lots[id_]

    def obligation(self, id_: int) -> Obligation:
        if id_ not in self.obligations:
            raise BadInput("obligation", id_, "is no obligation of this bank")
        return self.obligations[id_]

    def hold(self, id_: int) -> Hold:
        if id_ not in self.holds:
            raise BadInput("hold", id_, "is no open reservation of this bank")
        return self.holds[id_]

    def of(self, account: str) -> Iterator[Lot]:
        """The account's lots."""
        return (lot for lot in self.lots.values() if lot.account == account)

    # -- changing

    def lot_like(self, lot: Lot) -> int:
        """The id of the account's lot that ``lot``'s credits belong to; it is made, empty, where there is none.

        ``lot.origin`` None means: issued now. Such a lot is its own origin, so that its credits, come back from another
        account, lie beside it and not in it only where the day of receipt tells them apart.
        """
        likeness = lot.like()
        if likeness not in self.by_likeness:
            new = self.next_id()
            self.by_likeness[likeness] = new
            self.lots[new] = replace(lot, id=new, amount=0, reserved=0)
        return self.by_likeness[likeness]

    def move(self, on: dt.date, lot: int, source: str, target: str, amount: int) -> None:
        """Move ``amount`` > 0 of a lot's credits from bucket to bucket; what leaves held or reserved must be there."""
        found = self.lots[lot]
        held = found.free - (amount if source == HELD else 0) + (amount if target == HELD else 0)
        reserved = found.reserved - (amount if source == RESERVED else 0) + (amount if target == RESERVED else 0)
        if held < 0 or reserved < 0:
            raise BadInput(
                "amount", amount, f"must not be more than lot {lot} has: {found.free} free, {found.reserved} reserved"
            )
        self._enter(on, credit_unit(found.pool), lot, source, target, amount)
        self.lots[lot] = replace(found, amount=held + reserved, reserved=reserved)

    def move_obligation(self, on: dt.date, obligation: int, source: str, target: str, amount: int) -> None:
        """Move ``amount`` > 0 of an obligation from bucket to bucket."""
        found = self.obligations[obligation]
        owed = found.amount - (amount if source == OWED else 0) + (amount if target == OWED else 0)
        if owed < 0:
            raise BadInput("amount", amount, f"must not be more than the {found.amount} owed")
        self._enter(on, obligation_unit(found.pool), obligation, source, target, amount)
        self.obligations[obligation] = replace(found, amount=owed)

    def _enter(self, on: dt.date, unit: str, lot: int, source: str, target: str, amount: int) -> None:
        self.entries.append(Entry(self.operations, self.name, on, unit, lot, source, target, amount))
        for bucket, change in ((source, -amount), (target, amount)):
            key = (unit, bucket, lot)
            left = self.balances.get(key, 0) + change
            if left:
                self.balances[key] = left
            else:
                self.balances.pop(key, None)

    def in_bucket(self, bucket: str, lot: int) -> int:
        """What one lot's credits have in a bucket."""
        return self.balances.get((credit_unit(self.lots[lot].pool), bucket, lot), 0)
