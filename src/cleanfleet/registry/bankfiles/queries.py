"""What finance reads of bank statements: as they were taken in, what waits, where a statement is missing, what holders may pay with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Sum

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.fleets.models import Share
from cleanfleet.registry.ledger.models import Principal, PrivateText
from cleanfleet.registry.payments.models import Payment

from . import meeting, references
from .models import CollectionAccount, Entry, Statement

#: The agency's roles that read what waits.
READING = ("finance", "auditor")


def told(statement: Statement, *, repeated: bool) -> dict[str, Any]:
    """A statement as it was taken in: its entries with their outcomes, counted and summed by outcome. Cents."""
    found = statement.entries.order_by("number").values_list(
        "number",
        "public_id",
        "booked_on",
        "cents",
        "outcome",
        "why",
        "return_reason",
        "account__number",
        "payment__public_id",
    )
    heads = ("number", "entry", "booked_on", "cents", "outcome", "why", "return_reason", "account", "payment")
    entries: list[dict[str, Any]] = [dict(zip(heads, row, strict=True)) for row in found]
    outcomes: dict[str, dict[str, int]] = {}
    for entry in entries:
        sums = outcomes.setdefault(entry["outcome"], {"entries": 0, "cents": 0})
        sums["entries"] += 1
        sums["cents"] += 0 if entry["outcome"] == "noted" else entry["cents"]
    return {
        "statement": statement.public_id,
        "identification": statement.identification,
        "repeated": repeated,
        "first_on": str(statement.first_on),
        "last_on": str(statement.last_on),
        "opening_cents": statement.opening_cents,
        "closing_cents": statement.closing_cents,
        "continuity": statement.continuity,
        "before": _joined(statement),
        "outcomes": outcomes,
        "entries": entries,
    }


def _joined(statement: Statement) -> dict[str, Any] | None:
    """The statement before, with what a gap is seen by."""
    before = statement.before
    if before is None:
        return None
    return {
        "identification": before.identification,
        "sequence": before.sequence,
        "last_on": str(before.last_on),
        "closing_cents": before.closing_cents,
    }


def waiting(principal: Principal) -> list[dict[str, Any]]:
    """Finance's queue, the oldest first: entries that nothing was found for, money held for an account, refunds that are to be made.

    With the private texts that are still kept. Cents; above zero where money came in.
    """
    permissions.require_role(principal, *READING)
    found = list(
        Entry.objects.filter(state__in=("queued", "held", "refund_due"))
        .select_related("statement__account", "account")
        .order_by("booked_on", "pk")
    )
    texts = _texts(found)
    return [
        {
            "entry": one.public_id,
            "state": one.state,
            "why": one.why,
            "statement": one.statement.identification,
            "booked_on": one.booked_on,
            "cents": one.cents,
            "account": None if one.account is None else one.account.number,
            "names": one.names.split(),
            "return_reason": one.return_reason,
            "refund_reference": references.end_to_end(one.public_id) if one.state == "refund_due" else None,
            **texts[one.pk],
        }
        for one in found
    ]


def _texts(entries: Sequence[Entry]) -> dict[int, dict[str, str]]:
    """By entry: payer, bank account and what was written, as far as they are kept: '' where they were erased or never told."""
    operations = {entry.statement.operation_id for entry in entries}
    found = PrivateText.objects.filter(operation__in=operations).values_list("operation_id", "field", "text")
    kept = {(operation, field): text for operation, field, text in found}
    return {
        entry.pk: {
            kind: kept.get((entry.statement.operation_id, f"{kind}:{entry.statement.place}:{entry.number}"), "")
            for kind in ("payer", "bank_account", "text")
        }
        for entry in entries
    }


def refunds(principal: Principal) -> list[dict[str, Any]]:
    """The refund queue: payments that came too late, money held for an account, and what is being refunded. Cents."""
    permissions.require_role(principal, *READING)
    late = Payment.objects.filter(state__in=("late", "refund_due")).select_related("account").order_by("pk")
    held = Entry.objects.filter(state__in=("held", "refund_due")).select_related("account").order_by("pk")
    waiting: list[Payment | Entry] = [*late, *held]
    return [
        {
            "of": one.public_id,
            "state": one.state,
            "cents": one.cents,
            "account": None if one.account is None else one.account.number,
            "refund_reference": references.end_to_end(one.public_id),
        }
        for one in waiting
    ]


def gaps(account: CollectionAccount) -> list[dict[str, Any]]:
    """Where a statement is missing, by the statements that are there now: each that doesn't join the one before it."""
    found = []
    before: Statement | None = None
    for one in account.statements.order_by("last_on", F("sequence").asc(nulls_first=True), "pk"):
        if before is not None and before.closing_cents != one.opening_cents:
            found.append(
                {
                    "after": before.identification,
                    "closing_cents": before.closing_cents,
                    "before": one.identification,
                    "opening_cents": one.opening_cents,
                }
            )
        before = one
    return found


def charges(account: Account) -> list[dict[str, Any]]:
    """What of fleet years is due in money on an account, with the reference by which a bank transfer meets it. Cents."""
    found = Share.objects.filter(account=account, payable_cents__gt=0).select_related("fleet_year").order_by("pk")
    return [
        {
            "code": references.code(one.fleet_year.year, one.fleet_year.vehicle_type),
            "reference": references.charge(account.number, one.fleet_year.year, one.fleet_year.vehicle_type),
            "cents": int(meeting.waiting(one).aggregate(n=Sum("due_cents"))["n"] or 0),
            "state": one.state,
        }
        for one in found
    ]
