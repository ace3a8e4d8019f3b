"""The operations of a bank. Each takes the book first, changes it by entries, and is offered by :class:`~.bank.Bank`.

``on`` is the day that the operation is dated, whose law applies; ``known`` the day up to which the law is read. A refusal
(:class:`~.errors.CreditError`) changes nothing. No operation shrinks its amount to fit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict, Unpack

from .book import Book, Hold, Parcel
from .carry import plan_carry
from .errors import BadInput, NotPermitted
from .life import last_day, last_year, life, open_until
from .lots import (
    CANCELLED,
    DISCOUNTED,
    EXCHANGED_IN,
    EXCHANGED_OUT,
    EXPIRED,
    HELD,
    INCURRED,
    ISSUED,
    OFFSET,
    OWED,
    PAID,
    PAST_DUE,
    POOLED,
    RELEASED,
    RESERVED,
    TRANSFERRED,
    USED,
    Id,
    Lot,
    Obligation,
    whole,
)  # fmt: skip
from .plan import Plan, oldest_first, plan, plan_exchange, plan_offset
from .words import years_after


class Choice(TypedDict, total=False):
    """What a holder may choose: vintages, lots (``only``); ``acquired_by``: nothing earned or received after that day."""

    vintages: Collection[int]
    only: Collection[Id] | None
    acquired_by: dt.date | None


#: What is taken: lot, amount, and the bucket it stands in.
Taken = Iterable[tuple[int, int, str]]


# -- credits in


def issue(
    book: Book,
    account: str,
    pool: str,
    vintage: int,
    earned_on: dt.date,
    amount: int,
    *,
    on: dt.date | None = None,
    kind: str = "",
    carried_through: int | None = None,
) -> None:
    """Issue ``amount`` credits to ``account``; those of one account, pool, vintage, day and kind are one lot.

    ``carried_through`` is for credits brought in from another register, which were carried over that year's end there.
    """
    whole(amount)
    book.rules.pool(pool)
    like = Lot(0, account, pool, vintage, earned_on, 0, kind=kind, carried_through=carried_through)
    book.move(on or earned_on, book.lot_like(like), ISSUED, HELD, amount)


# -- credits used


def spend(
    book: Book,
    account: str,
    pool: str,
    amount: int,
    *,
    on: dt.date,
    known: dt.date,
    year: int | None = None,
    deferred: bool = False,
    kind: str = "",
    pools: Sequence[str] | None = None,
    **choice: Unpack[Choice],
) -> None:
    """Use ``amount`` credits at once, as :func:`~.plan.plan` takes them; raises :class:`Shortage`."""
    found = plan(
        book.of(account), whole(amount), account=account, pool=pool, on=on, known=known, rules=book.rules, year=year, deferred=deferred,
        kind=kind, pools=pools, **choice,
    )  # fmt: skip
    for lot, part, source in _free(book, found):
        book.move(on, lot, source, USED, part)


def offset(
    book: Book,
    obligation: int,
    *,
    on: dt.date,
    known: dt.date,
    amount: int | None = None,
    pools: Sequence[str] | None = None,
    hold: int | None = None,
    **choice: Unpack[Choice],
) -> None:
    """Meet an obligation (or ``amount`` of it) with its account's credits, one to one; with ``hold``, with those reserved."""
    owed = book.obligation(obligation)
    if not owed.amount:
        raise BadInput("obligation", obligation, "has nothing owed")
    if hold is not None:
        for lot, part, source in _held(book, hold, on, known, owed.account):
            _meet(book, on, obligation, lot, part, source)
        return
    found = plan_offset(
        owed, book.of(owed.account), on=on, known=known, rules=book.rules, amount=amount, pools=pools, **choice
    )
    for lot, part, source in _free(book, found):
        _meet(book, on, obligation, lot, part, source)


def settle(book: Book, account: str, *, on: dt.date, known: dt.date, pool: str | None = None) -> None:
    """Meet the account's open obligations with its credits as far as they go, the oldest obligation and credits first."""
    for owed in oldest_first(book.obligations.values()):
        if owed.account != account or not owed.amount or (pool is not None and owed.pool != pool):
            continue
        found = plan_offset(owed, book.of(account), on=on, known=known, rules=book.rules)
        book.note(found.marks)
        for take in found.takes:
            _meet(book, on, int(owed.id), int(take.lot.id), take.amount, HELD)


def cancel(
    book: Book, account: str, pool: str, amount: int, *, on: dt.date, known: dt.date, **choice: Unpack[Choice]
) -> None:
    """Give credits up."""
    found = plan(book.of(account), whole(amount), account=account, pool=pool, on=on, known=known, rules=book.rules, **choice)
    for lot, part, source in _free(book, found):
        book.move(on, lot, source, CANCELLED, part)


# -- reservations


def reserve(
    book: Book,
    account: str,
    pool: str,
    amount: int,
    *,
    on: dt.date,
    known: dt.date,
    until: dt.date | None = None,
    year: int | None = None,
    deferred: bool = False,
    kind: str = "",
    pools: Sequence[str] | None = None,
    for_transfer: bool = False,
    **choice: Unpack[Choice],
) -> None:
    """Set ``amount`` credits aside for a later step; its hold is the last one of ``Bank.holds``."""
    found = plan(
        book.of(account), whole(amount), account=account, pool=pool, on=on, known=known, rules=book.rules, year=year, deferred=deferred,
        kind=kind, pools=pools, for_transfer=for_transfer, **choice,
    )  # fmt: skip
    parts = tuple((lot, part) for lot, part, _ in _free(book, found))
    for lot, part in parts:
        book.move(on, lot, HELD, RESERVED, part)
    id_ = book.next_id()
    book.holds[id_] = Hold(id_, account, pool, on, until, parts)


def post(book: Book, hold: int, *, on: dt.date, known: dt.date) -> None:
    """Use what was reserved. Raises :class:`NotPermitted` where a lot's last day has passed on ``on``."""
    for lot, part, source in _held(book, hold, on, known):
        book.move(on, lot, source, USED, part)


def void(book: Book, hold: int, *, on: dt.date) -> None:
    """Free what was reserved."""
    for lot, part in book.hold(hold).parts:
        book.move(on, lot, RESERVED, HELD, part)
    del book.holds[hold]


def time_out(book: Book, *, on: dt.date) -> None:
    """Void every reservation whose last day has passed."""
    for hold in sorted(id_ for id_, hold in book.holds.items() if hold.until is not None and hold.until < on):
        void(book, hold, on=on)


# -- to other accounts and pools


def transfer(
    book: Book,
    giver: str,
    receiver: str,
    pool: str,
    amount: int,
    *,
    on: dt.date,
    known: dt.date,
    hold: int | None = None,
    **choice: Unpack[Choice],
) -> None:
    """Credits go to another account; vintage, day earned and origin go along. With ``hold``: those reserved."""
    if giver == receiver:
        raise BadInput("receiver", receiver, "must be another account than the giver")
    for lot, part, source in _to_give(book, giver, pool, amount, on, known, hold, choice):
        _receive(book, on, lot, part, source, receiver)


def exchange(
    book: Book,
    account: str,
    source: str,
    target: str,
    amount: int,
    *,
    on: dt.date,
    known: dt.date,
    receiver: str | None = None,
    hold: int | None = None,
    **choice: Unpack[Choice],
) -> None:
    """``amount`` credits of pool ``source`` become credits of ``target``, in the same account or ``receiver``'s.

    The law of ``on`` decides the ratio. Vintage, day earned and origin go along; a set that spans two lots takes the older's.
    """
    abroad = receiver is not None and receiver != account
    if hold is not None:
        taken = list(_to_give(book, account, source, amount, on, known, hold, choice, moving=abroad))
        lots = {lot: replace(book.lot(lot), reserved=0, amount=part) for lot, part, _ in taken}
        found = plan_exchange(lots.values(), amount, source=source, target=target, on=on, known=known, rules=book.rules)
        bucket = RESERVED
    else:
        found = plan_exchange(
            book.of(account), amount, account=account, source=source, target=target, on=on, known=known, rules=book.rules,
            vintages=choice.get("vintages", ()), only=choice.get("only"), for_transfer=abroad,
        )  # fmt: skip
        bucket = HELD
    book.note(found.plan.require().marks)
    for take, received in zip(found.plan.takes, found.receipts, strict=True):
        lot = take.lot
        book.move(on, int(lot.id), bucket, EXCHANGED_OUT, take.amount)
        if received:
            like = replace(lot, pool=target, origin=lot.root)
            if abroad and receiver is not None:
                like = replace(like, account=receiver, received_on=on, via="transfer")
            book.move(on, book.lot_like(like), EXCHANGED_IN, HELD, received)


# -- time


def expire(book: Book, *, on: dt.date, known: dt.date) -> None:
    """Record what has expired: whatever is free in lots whose last day lies before ``on``.

    What came out of the common pool and wasn't used goes back there, and expires with its time in it.
    """
    reading = book.rules.at(on, known)
    for id_ in sorted(book.lots):
        lot = book.lots[id_]
        if not lot.free:
            continue
        last, marks = life(lot, reading)
        if last >= on:
            continue
        book.note(marks)
        if lot.via == "pool":
            _put_back(book, on, lot)
        else:
            book.move(on, id_, HELD, EXPIRED, lot.free)
    for parcel in list(book.parcels.values()):
        if parcel.amount and on > _pool_last_day(book, parcel, on, known):
            book.move(on, parcel.lot, POOLED, EXPIRED, parcel.amount)
            book.parcels[parcel.id] = replace(parcel, amount=0)


def revive(book: Book, *, on: dt.date, known: dt.date) -> None:
    """Take back what was recorded as expired where the law, as now read, lets it live on ``on``."""
    pooled = {parcel.lot for parcel in book.parcels.values()}
    for id_ in sorted(book.lots):
        amount = book.in_bucket(EXPIRED, id_)
        if amount and id_ not in pooled:
            last, marks = life(book.lots[id_], book.rules.at(on, known))
            if last >= on:
                book.note(marks)
                book.move(on, id_, EXPIRED, HELD, amount)


def carry(book: Book, year: int, *, known: dt.date, facts: Mapping[str, Mapping[str, bool | None]] | None = None) -> None:
    """Turn the year: carry every credit over the end of ``year``, dated 1 January after it. ``facts``: by account."""
    on = dt.date(year + 1, 1, 1)
    for account in sorted({lot.account for lot in book.lots.values()}):
        mine = {key: part for key, part in book.parts.items() if key[0] == account}
        found = plan_carry(
            book.of(account), year, known=known, rules=book.rules, facts=(facts or {}).get(account), parts=mine
        )
        for key in mine:
            del book.parts[key]
        book.parts.update(found.parts)
        book.note(found.marks)
        for one in found.carried:
            for target, amount in ((DISCOUNTED, one.discounted), (EXPIRED, one.expired)):
                if amount:
                    book.move(on, int(one.lot.id), HELD, target, amount)
        for lot in list(book.of(account)):
            if book.rules.carry and lot.vintage <= year and lot.via != "pool":
                _was_carried(book, lot, year)


# -- obligations


def owe(
    book: Book, account: str, pool: str, year: int, amount: int, *, on: dt.date, kind: str = "", deferred: bool = False
) -> None:
    """An obligation of ``amount`` units for ``year`` comes into being; it is the last one of ``Bank.obligations``."""
    whole(amount)
    id_ = book.next_id()
    book.obligations[id_] = Obligation(id_, account, book.rules.pool(pool), year, 0, kind, deferred)
    book.move_obligation(on, id_, INCURRED, OWED, amount)


def defer(book: Book, obligation: int, *, on: dt.date, known: dt.date) -> None:
    """Grant that the obligation is met in a later year; raises :class:`NotPermitted` where the rules give none."""
    owed = replace(book.obligation(obligation), deferred=True)
    if last_year(owed, on, known, book.rules) == owed.year:
        kind = f", type {owed.kind}" if owed.kind else ""
        raise NotPermitted(f"an obligation of {owed.year} in pool {owed.pool}{kind} can't be deferred")
    book.obligations[obligation] = owed


def pay(book: Book, obligation: int, amount: int, *, on: dt.date) -> None:
    """``amount`` units of the obligation are met otherwise than with credits (money)."""
    book.obligation(obligation)
    book.move_obligation(on, obligation, OWED, PAID, whole(amount))


def remit(book: Book, obligation: int, amount: int, *, on: dt.date) -> None:
    """``amount`` units of the obligation are cancelled: a correction, or a reduction by law."""
    book.obligation(obligation)
    book.move_obligation(on, obligation, OWED, CANCELLED, whole(amount))


def past_due(book: Book, year: int, *, on: dt.date, known: dt.date) -> None:
    """Record what can't be met with credits any more once ``year`` is drawn up: obligations whose last year lies before it."""
    reading = book.rules.at(on, known)
    for owed in oldest_first(book.obligations.values()):
        if owed.amount:
            last, marks = open_until(reading, owed.pool, owed.kind, owed.year, owed.deferred)
            if last < year:
                book.note(marks)
                book.move_obligation(on, int(owed.id), OWED, PAST_DUE, owed.amount)


def reverse(book: Book, lot: int, amount: int, *, on: dt.date, year: int | None = None) -> None:
    """``amount`` credits of an issued lot were never earned: they are cancelled, and what is gone already is owed.

    What is free goes first, then what expired unused. The rest was used, reserved or passed on: it becomes an obligation
    of the lot's account for ``year`` (default: the vintage), never the receiver's loss. Raises :class:`NotPermitted` for a
    lot that was carried at a factor: that year is drawn up anew.
    """
    found = book.lot(lot)
    issued = -book.in_bucket(ISSUED, lot) - book.reversed_amounts.get(lot, 0)
    if whole(amount) > issued:
        raise BadInput("amount", amount, f"must not be more than the {issued} issued in lot {lot} and not reversed yet")
    if book.in_bucket(DISCOUNTED, lot):
        raise NotPermitted(f"lot {lot} was carried at a factor; its year must be drawn up anew")
    book.reversed_amounts[lot] = book.reversed_amounts.get(lot, 0) + amount
    left = amount
    for source, there in ((HELD, found.free), (EXPIRED, book.in_bucket(EXPIRED, lot))):
        part = min(left, there)
        if part:
            book.move(on, lot, source, CANCELLED, part)
            left -= part
    if left:
        owe(book, found.account, found.pool, found.vintage if year is None else year, left, on=on, kind=found.kind)


# -- the common pool


def deposit(
    book: Book, account: str, pool: str, amount: int, *, on: dt.date, known: dt.date, **choice: Unpack[Choice]
) -> None:
    """Put credits into the common pool; while they lie there, they aren't carried at a factor."""
    if book.rules.at(on, known).provision("common_pool_years", pool) is None:
        raise NotPermitted(f"pool {pool}: there is no common pool on {on}")
    found = plan(book.of(account), whole(amount), account=account, pool=pool, on=on, known=known, rules=book.rules, **choice)
    for lot, part, source in _free(book, found):
        if book.lot(lot).via == "pool":
            raise BadInput("lot", lot, "came out of the common pool; what isn't used goes back with the year")
        book.move(on, lot, source, POOLED, part)
        id_ = book.next_id()
        book.parcels[id_] = Parcel(id_, lot, on, part)


def withdraw(book: Book, account: str, pool: str, amount: int, *, on: dt.date, known: dt.date) -> None:
    """Take the account's oldest credits out of the common pool; they serve to the end of that calendar year."""
    left = whole(amount)
    mine = [
        parcel for parcel in sorted(book.parcels.values(), key=lambda one: (one.deposited_on, one.id))
        if parcel.amount and book.lots[parcel.lot].account == account and book.lots[parcel.lot].pool == pool
        and on <= _pool_last_day(book, parcel, on, known)
    ]  # fmt: skip
    there = sum(parcel.amount for parcel in mine)
    if left > there:
        raise BadInput("amount", amount, f"must not be more than the {there} that lie in the common pool")
    for parcel in mine:
        part = min(left, parcel.amount)
        if not part:
            break
        left -= part
        book.parcels[parcel.id] = replace(parcel, amount=parcel.amount - part)
        lot = book.lots[parcel.lot]
        out = book.next_id()
        book.lots[out] = replace(
            lot, id=out, origin=lot.root, received_on=on, via="pool", carried_through=on.year - 1, amount=0, reserved=0
        )
        book.deposited_on[out] = parcel.deposited_on
        book.move(on, out, RELEASED, HELD, part)


def _put_back(book: Book, on: dt.date, lot: Lot) -> None:
    """What was withdrawn and not used lies in the common pool again, since the day it was first deposited."""
    lot_id, id_ = int(lot.id), book.next_id()
    book.move(on, lot_id, HELD, POOLED, lot.free)
    book.parcels[id_] = Parcel(id_, lot_id, book.deposited_on[lot_id], lot.free)


def _pool_last_day(book: Book, parcel: Parcel, on: dt.date, known: dt.date) -> dt.date:
    lot = book.lots[parcel.lot]
    years = book.rules.at(on, known).value("common_pool_years", 0, lot.pool, lot.kind, lot.vintage)[0]
    return years_after(parcel.deposited_on, years)


# -- shared


def _free(book: Book, found: Plan) -> Taken:
    """What a plan takes, out of what is held; raises :class:`Shortage` where it doesn't cover what is needed."""
    book.note(found.marks)
    for take in found.require().takes:
        yield int(take.lot.id), take.amount, HELD


def _held(book: Book, hold: int, on: dt.date, known: dt.date, account: str | None = None) -> Taken:
    """What a reservation holds, which ends with it."""
    found = book.hold(hold)
    if account is not None and found.account != account:
        raise BadInput("hold", hold, f"is of account {found.account}, not of {account}")
    for lot, _ in found.parts:
        last = last_day(book.lots[lot], on, known, book.rules)
        if last < on:
            raise NotPermitted(f"lot {lot}, reserved on {found.on}, could be used until {last}, not on {on}")
    del book.holds[hold]
    return [(lot, part, RESERVED) for lot, part in found.parts]


def _meet(book: Book, on: dt.date, obligation: int, lot: int, amount: int, source: str) -> None:
    book.move(on, lot, source, USED, amount)
    book.move_obligation(on, obligation, OWED, OFFSET, amount)


def _to_give(
    book: Book, giver: str, pool: str, amount: int, on: dt.date, known: dt.date, hold: int | None, choice: Choice, *,
    moving: bool = True,
) -> Taken:  # fmt: skip
    """What leaves ``giver``: planned, or what was reserved for it."""
    if hold is None:
        found = plan(
            book.of(giver), whole(amount), pool=pool, on=on, known=known, rules=book.rules, for_transfer=moving,
            account=giver, **choice,
        )  # fmt: skip
        return _free(book, found)
    reserved = book.hold(hold)
    if moving:
        book.note(book.rules.at(on, known).transferable(pool))
    if (reserved.pool, reserved.amount) != (pool, amount):
        raise BadInput("hold", hold, f"holds {reserved.amount} of pool {reserved.pool}, not {amount} of {pool}")
    return _held(book, hold, on, known, giver)


def _receive(book: Book, on: dt.date, lot: int, amount: int, source: str, receiver: str) -> None:
    """Move credits of a lot into the receiver's."""
    found = book.lot(lot)
    book.move(on, lot, source, TRANSFERRED, amount)
    like = replace(found, account=receiver, origin=found.root, received_on=on, via="transfer")
    book.move(on, book.lot_like(like), TRANSFERRED, HELD, amount)


def _was_carried(book: Book, lot: Lot, year: int) -> None:
    """The lot is one that was carried over the end of ``year``; from now on that tells what is like it."""
    if lot.carried_through is None or lot.carried_through < year:
        lot_id = int(lot.id)
        if book.by_likeness.get(lot.like()) == lot_id:
            del book.by_likeness[lot.like()]
        book.lots[lot_id] = replace(lot, carried_through=year)
        book.by_likeness.setdefault(book.lots[lot_id].like(), lot_id)
