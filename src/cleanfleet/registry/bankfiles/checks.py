"""Do bank statements and the book tell the same? Every check gives findings; none means that all is well.

* statements: opening balance and entries come to the closing balance;
* suspense: the book's suspense is what the entries that wait come to, with debits returned before their money came;
* unallocated: what an account has unallocated is what is held for it and what came too late.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Sum

from cleanfleet.registry.ledger.audit import Finding
from cleanfleet.registry.ledger.models import Balance, Movement
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import MONEY

from .content import dollars
from .models import Entry, Statement


def run() -> list[Finding]:
    """All findings; reads only."""
    return [*_statements(), *_suspense(), *_unallocated()]


def _statements() -> Iterator[Finding]:
    booked = (
        Entry.objects.exclude(outcome="noted")
        .values_list("statement")
        .annotate(n=Sum("cents"))
        .values_list("statement", "n")
    )
    sums = dict(booked)
    for one in Statement.objects.order_by("pk").iterator(1000):
        come_to = one.opening_cents + int(sums.get(one.pk, 0))
        if come_to != one.closing_cents:
            yield Finding(
                "statements",
                one.public_id,
                f"closes at {dollars(one.closing_cents)}, its entries come to {dollars(come_to)}",
            )


def _suspense() -> Iterator[Finding]:
    should = _sum(Entry.objects.filter(state="queued"), "cents") + _sum(Entry.objects.filter(outcome="failed"), "cents")
    system = {"unit__code": MONEY}
    came = _sum(Movement.objects.filter(target__owner=None, target__kind="suspense", **system), "amount")
    went = _sum(Movement.objects.filter(source__owner=None, source__kind="suspense", **system), "amount")
    if came - went != should:
        yield Finding(
            "suspense", "the book", f"has {dollars(came - went)} in suspense, the entries come to {dollars(should)}"
        )


def _unallocated() -> Iterator[Finding]:
    held = Entry.objects.filter(state="held").values_list("account").annotate(n=Sum("cents")).values_list("account", "n")
    late = Payment.objects.filter(state="late").values_list("account").annotate(n=Sum("cents")).values_list("account", "n")
    stands = Balance.objects.filter(bucket__kind="unallocated", bucket__unit__code=MONEY, amount__gt=0)
    book = {owner: int(amount) for owner, amount in stands.values_list("bucket__owner_id", "amount")}
    waits: dict[int, int] = {}
    for account, cents in [*held, *late]:
        waits[account] = waits.get(account, 0) + int(cents)
    for account in sorted(book.keys() | waits.keys()):
        if book.get(account, 0) != waits.get(account, 0):
            yield Finding(
                "unallocated",
                f"account {account}",
                f"has {dollars(book.get(account, 0))}; what is held for it comes to {dollars(waits.get(account, 0))}",
            )


def _sum(found: object, what: str) -> int:
    return int(found.aggregate(n=Sum(what))["n"] or 0)  # type: ignore[attr-defined]
