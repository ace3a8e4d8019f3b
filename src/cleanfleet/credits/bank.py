"""A bank in memory, for simulation, planning and tests: an immutable book and the operations on it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, cast

from . import operations
from .book import Book, Hold, Parcel
from .errors import BadInput
from .lots import (
    CREDIT_PLACES,
    CREDIT_SOURCES,
    HELD,
    INCURRED,
    OBLIGATION_PLACES,
    OWED,
    RESERVED,
    TRANSFERRED,
    Entry,
    Lot,
    Obligation,
    credit_unit,
    obligation_unit,
)  # fmt: skip
from .rules import BankRules

P = ParamSpec("P")


def _offered(operation: Callable[Concatenate[Book, P], None]) -> Callable[Concatenate[Bank, P], Bank]:
    """An operation on a book as a method that gives the next bank."""

    @functools.wraps(operation)
    def method(self: Bank, *args: P.args, **kwargs: P.kwargs) -> Bank:
        book = self._book.copy()
        book.begin(operation.__name__)
        operation(book, *args, **kwargs)
        return Bank(self.rules, book)

    return cast("Callable[Concatenate[Bank, P], Bank]", method)


@dataclass(frozen=True)
class Balance:
    """One unit's book: what came in (``sources``) and where it is or went (``places``); the two sums are equal."""

    unit: str
    sources: Mapping[str, int]
    places: Mapping[str, int]

    @property
    def difference(self) -> int:
        """0, or something was created or destroyed."""
        return sum(self.sources.values()) - sum(self.places.values())


class Bank:
    """An immutable bank: each operation gives the next one, and a refused operation leaves this one as it is.

    Operations are those of :mod:`.operations`, as methods. ``entries`` is the journal, ``latest`` the last operation's part.

    >>> import datetime as dt
    >>> from cleanfleet.credits import BankRules, always
    >>> day = dt.date(2025, 6, 1)
    >>> bank = Bank(BankRules(pools=("used",), life_years=always(3)))
    >>> bank = bank.issue("A", "used", 2025, day, 40).transfer("A", "B", "used", 15, on=day, known=day)
    >>> [(entry.lot, entry.source, entry.target, entry.amount) for entry in bank.latest]
    [(1, 'held', 'transferred', 15), (2, 'transferred', 'held', 15)]
    >>> bank.free("A", "used"), bank.free("B", "used"), bank.lots[2].origin
    (25, 15, 1)
    """

    def __init__(self, rules: BankRules, book: Book | None = None) -> None:
        self.rules = rules
        self._book = Book(rules) if book is None else book

    # -- state

    @property
    def lots(self) -> Mapping[int, Lot]:
        """Every lot by its id, empty ones too."""
        return MappingProxyType(self._book.lots)

    @property
    def obligations(self) -> Mapping[int, Obligation]:
        """Every obligation by its id, those that are met (amount 0) too."""
        return MappingProxyType(self._book.obligations)

    @property
    def holds(self) -> Mapping[int, Hold]:
        """The open reservations by id."""
        return MappingProxyType(self._book.holds)

    @property
    def parcels(self) -> Mapping[int, Parcel]:
        """What was deposited in the common pool, by id."""
        return MappingProxyType(self._book.parcels)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The journal from the beginning."""
        return tuple(self._book.entries)

    @property
    def latest(self) -> tuple[Entry, ...]:
        """The entries of the last operation."""
        entries, start = self._book.entries, len(self._book.entries)
        while start and entries[start - 1].operation == self._book.operations:
            start -= 1
        return tuple(entries[start:])

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks of the provisions that the last operation used (doubtful values, assumptions)."""
        return self._book.marks.get(self._book.operations, ())

    def of(self, account: str) -> list[Lot]:
        """The account's lots that aren't empty."""
        return [lot for lot in self._book.of(account) if lot.amount]

    def free(self, account: str, pool: str) -> int:
        """Posted less reserved, expired or not, in units of ``pool``."""
        return sum(lot.free for lot in self._book.of(account) if lot.pool == pool)

    def owed(self, account: str, pool: str | None = None) -> int:
        """What the account's open obligations come to."""
        mine = (one for one in self._book.obligations.values() if one.account == account)
        return sum(one.amount for one in mine if pool is None or one.pool == pool)

    def balances(self) -> list[Balance]:
        """Per unit: issued + exchanged in + released = held + reserved + used + expired + exchanged out + discounted +
        pooled + cancelled; of obligations: incurred = owed + offset + past due + paid + cancelled.
        """
        totals: Counter[tuple[str, str]] = Counter()
        for (unit, bucket, _), amount in self._book.balances.items():
            totals[unit, bucket] += amount
        found = []
        for pool in self.rules.pools:
            unit = credit_unit(pool)
            found.append(Balance(unit, _sums(totals, unit, CREDIT_SOURCES, -1), _sums(totals, unit, CREDIT_PLACES)))
            unit = obligation_unit(pool)
            found.append(Balance(unit, _sums(totals, unit, (INCURRED,), -1), _sums(totals, unit, OBLIGATION_PLACES)))
        return found

    def check(self) -> None:
        """Rebuild every balance from the journal and compare; raises :class:`AssertionError` that names what differs."""
        from_entries: Counter[tuple[str, str, int]] = Counter()
        for entry in self._book.entries:
            from_entries[entry.unit, entry.source, int(entry.lot)] -= entry.amount
            from_entries[entry.unit, entry.target, int(entry.lot)] += entry.amount
        problems = [
            f"{balance.unit}: what came in less what is there is {balance.difference}"
            for balance in self.balances()
            if balance.difference
        ]
        if {key: amount for key, amount in from_entries.items() if amount} != self._book.balances:
            problems.append("the balances aren't those of the journal")
        in_transfer: Counter[str] = Counter()
        for (unit, bucket, id_), amount in from_entries.items():
            if bucket == TRANSFERRED:
                in_transfer[unit] += amount
            if bucket not in (*CREDIT_SOURCES, INCURRED, TRANSFERRED) and amount < 0:
                problems.append(f"{unit}, lot {id_}: {bucket} is {amount}")
        problems += [f"{unit}: {amount} left in transfer" for unit, amount in in_transfer.items() if amount]
        set_aside: Counter[int] = Counter()
        for hold in self._book.holds.values():
            set_aside.update(dict(hold.parts))
        for lot in self._book.lots.values():
            unit, id_ = credit_unit(lot.pool), int(lot.id)
            if (lot.free, lot.reserved) != (from_entries[unit, HELD, id_], from_entries[unit, RESERVED, id_]):
                problems.append(f"lot {id_}: its row differs from its entries")
            if lot.reserved != set_aside[id_]:
                problems.append(f"lot {id_}: {lot.reserved} reserved, but its reservations come to {set_aside[id_]}")
        for owed in self._book.obligations.values():
            if owed.amount != from_entries[obligation_unit(owed.pool), OWED, int(owed.id)]:
                problems.append(f"obligation {owed.id}: its row differs from its entries")
        if problems:
            raise AssertionError("; ".join(problems))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bank) and self.rules == other.rules and self._book == other._book

    __hash__ = None  # type: ignore[assignment]

    # -- operations

    def run(self, steps: Iterable[tuple[str, Mapping[str, Any]]]) -> Bank:
        """Many operations, each a name and its arguments, in one go: all of them or, where one is refused, none.

        The book is the same as one by one.
        """
        book = self._book.copy()
        for name, arguments in steps:
            if name not in OPERATIONS:
                raise BadInput("operation", name, f"must be one of {', '.join(OPERATIONS)}")
            book.begin(name)
            OPERATIONS[name](book, **arguments)
        return Bank(self.rules, book)

    issue = _offered(operations.issue)
    spend = _offered(operations.spend)
    offset = _offered(operations.offset)
    settle = _offered(operations.settle)
    cancel = _offered(operations.cancel)
    reserve = _offered(operations.reserve)
    post = _offered(operations.post)
    void = _offered(operations.void)
    time_out = _offered(operations.time_out)
    transfer = _offered(operations.transfer)
    exchange = _offered(operations.exchange)
    expire = _offered(operations.expire)
    revive = _offered(operations.revive)
    carry = _offered(operations.carry)
    owe = _offered(operations.owe)
    defer = _offered(operations.defer)
    pay = _offered(operations.pay)
    remit = _offered(operations.remit)
    past_due = _offered(operations.past_due)
    reverse = _offered(operations.reverse)
    deposit = _offered(operations.deposit)
    withdraw = _offered(operations.withdraw)


#: Name -> operation, for :meth:`Bank.run`.
OPERATIONS: Mapping[str, Callable[..., None]] = {
    name: getattr(operations, name)
    for name in (
        "issue", "spend", "offset", "settle", "cancel", "reserve", "post", "void", "time_out", "transfer", "exchange", "expire",
        "revive", "carry", "owe", "defer", "pay", "remit", "past_due", "reverse", "deposit", "withdraw",
    )
}  # fmt: skip


def _sums(totals: Mapping[tuple[str, str], int], unit: str, buckets: Iterable[str], sign: int = 1) -> dict[str, int]:
    return {bucket: sign * totals.get((unit, bucket), 0) for bucket in buckets}
