"""What the bank is about: lots, obligations, and the entries that move amounts between buckets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable
from dataclasses import dataclass

from .errors import BadInput

#: A lot's or an obligation's key: whatever the caller uses, all of one type that can be ordered (whole numbers, texts).
Id = int | str

# Where a credit comes from (left of the identity) ...
ISSUED, EXCHANGED_IN, RELEASED = "issued", "exchanged_in", "released"
# ... where it stands, and where it ends (right of the identity).
HELD, RESERVED = "held", "reserved"
USED, EXPIRED, EXCHANGED_OUT, DISCOUNTED, POOLED, CANCELLED = (
    "used", "expired", "exchanged_out", "discounted", "pooled", "cancelled",
)  # fmt: skip
#: A transfer passes through here within one operation: out of the giver's lot, into the receiver's. Always 0 after it.
TRANSFERRED = "transferred"
# Obligations: incurred = owed + offset + past due + paid + cancelled.
INCURRED, OWED, OFFSET, PAST_DUE, PAID = "incurred", "owed", "offset", "past_due", "paid"

CREDIT_SOURCES = (ISSUED, EXCHANGED_IN, RELEASED)
CREDIT_PLACES = (HELD, RESERVED, USED, EXPIRED, EXCHANGED_OUT, DISCOUNTED, POOLED, CANCELLED)
OBLIGATION_PLACES = (OWED, OFFSET, PAST_DUE, PAID, CANCELLED)


def credit_unit(pool: str) -> str:
    """The unit that credits of ``pool`` are counted in; no entry crosses units."""
    return f"credit:{pool}"


def obligation_unit(pool: str) -> str:
    """The unit that obligations of ``pool`` are counted in."""
    return f"obligation:{pool}"


def whole(amount: object, field: str = "amount", least: int = 1) -> int:
    """``amount`` as it is, where it is a whole number of at least ``least``; raises :class:`BadInput`.

    >>> whole(7)
    7
    >>> whole(1.5)
    Traceback (most recent call last):
    cleanfleet.credits.errors.BadInput: amount 1.5: must be a whole number, 1 or more
    """
    if isinstance(amount, bool) or not isinstance(amount, int) or amount < least:
        raise BadInput(field, amount, f"must be a whole number, {least} or more")
    return amount


@dataclass(frozen=True, slots=True)
class Lot:
    """Credits of one account that were earned together.

    ``amount`` is posted (what is reserved included), ``reserved`` the part that waits for another step; both in whole units
    of ``pool``. ``vintage`` is the year the credits belong to, ``earned_on`` the day they were earned on. ``origin`` is the
    lot that they came from first, through all transfers and exchanges (None: this one). ``kind`` is a division of the scheme
    that may or may not matter (a vehicle type). ``received_on`` is set where they came from another account, or (``via``
    'pool') out of a common pool. ``carried_through`` is the last year over whose end they were carried with a factor.
    """

    id: Id
    account: str
    pool: str
    vintage: int
    earned_on: dt.date
    amount: int
    reserved: int = 0
    origin: Id | None = None
    kind: str = ""
    received_on: dt.date | None = None
    via: str = ""
    carried_through: int | None = None

    def __post_init__(self) -> None:
        whole(self.amount, "amount", 0)
        whole(self.reserved, "reserved", 0)
        if self.reserved > self.amount:
            raise BadInput("reserved", self.reserved, f"must not be more than the lot's amount {self.amount}")

    @property
    def free(self) -> int:
        """What can be taken: posted less reserved."""
        return self.amount - self.reserved

    @property
    def root(self) -> Id:
        """The lot that these credits were first issued in."""
        return self.id if self.origin is None else self.origin

    def like(self) -> tuple[Hashable, ...]:
        """Credits with the same answer here are kept as one lot."""
        return (
            self.account, self.pool, self.vintage, self.earned_on, self.origin, self.kind, self.received_on, self.via,
            self.carried_through,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Obligation:
    """A deficit of one account: ``amount`` units of ``pool`` still owed for ``year``; ``deferred`` where that was granted."""

    id: Id
    account: str
    pool: str
    year: int
    amount: int
    kind: str = ""
    deferred: bool = False

    def __post_init__(self) -> None:
        whole(self.amount, "amount", 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """``amount`` > 0 of ``unit`` goes from bucket ``source`` to bucket ``target``, within one lot or obligation (``lot``).

    ``operation`` numbers the operation in its book, ``name`` is the operation's, ``on`` the day that it is dated.
    """

    operation: int
    name: str
    on: dt.date
    unit: str
    lot: Id
    source: str
    target: str
    amount: int

    def __post_init__(self) -> None:
        whole(self.amount)
        if not isinstance(self.on, dt.date):
            raise BadInput("on", self.on, "must be a date")
        if self.source == self.target:
            raise BadInput("target", self.target, "must differ from the source")
