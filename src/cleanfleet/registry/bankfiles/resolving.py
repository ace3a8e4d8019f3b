"""What finance does with entries that could not be matched, and with money that is held for an account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pydantic
from django.db import connection
from django.db.models import Q

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account, Grant
from cleanfleet.registry.ledger.operations import Action, Private, Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible

from . import meeting, references
from .matching import ABOUT, Matcher
from .models import Entry
from .states import ENTRY, FINANCE

Code = Annotated[str, pydantic.Field(pattern=r"^20\d\d[AB]$")]


class ResolveBankEntry(Action):
    """Say what an entry is that waits for finance, or money that is held for an account: by finance.

    ``charge``: it meets what is due of the fleet years ``charges`` (such as 2026A) on ``account``, exactly. ``refund``: it is given back; a
    later statement confirms that by its reference. ``refund_made``: money out is the refund of ``refund_of``, a payment or an entry.
    ``not_ours``: it isn't the register's. Where money moves to an account or out again, a second person does it, and nobody for an
    account on which they act themselves.
    """

    entry: str
    to: Literal["charge", "refund", "refund_made", "not_ours"]
    account: str = ""
    charges: Annotated[list[Code], pydantic.Field(max_length=20)] = pydantic.Field(default_factory=list)
    refund_of: str = ""
    note: Annotated[Private, pydantic.Field(min_length=1, max_length=500)]

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "finance")
        found = Entry.objects.filter(public_id=self.entry).first()
        if found is None:
            raise NotVisible("not_found", f"there is no bank entry {self.entry!r}", field="entry")
        other = self._account(found)
        refunding = self._refunding()
        return _Resolving(work, found, other, refunding).run(self.to, self.charges)

    def _account(self, entry: Entry) -> Account | None:
        """The account that the money goes to. Fields that don't belong to ``to`` are refused."""
        belong = {"charge": ("account", "charges"), "refund_made": ("refund_of",)}.get(self.to, ())
        for field in ("account", "charges", "refund_of"):
            if bool(getattr(self, field)) != (field in belong) and not (field == "account" and entry.state == "held"):
                needed = "is needed" if field in belong else "is only for another"
                raise Invalid(field, f"{field} {needed} where to is {self.to}", field=field)
        if not self.account:
            return entry.account if entry.state == "held" else None
        account = Account.objects.filter(Q(number=self.account.upper()) | Q(public_id=self.account)).first()
        if account is None:
            raise NotVisible("not_found", f"there is no account {self.account!r}", field="account")
        if entry.state == "held" and entry.account_id != account.pk:
            raise Conflict("another_account", "the money is held for another account; give it back instead", field="account")
        return account

    def _refunding(self) -> Payment | Entry | None:
        if not self.refund_of:
            return None
        found: Payment | Entry | None = Payment.objects.filter(public_id=self.refund_of).select_related("account").first()
        found = found or Entry.objects.filter(public_id=self.refund_of).select_related("account").first()
        if found is None:
            raise NotVisible("not_found", f"there is no payment or bank entry {self.refund_of!r}", field="refund_of")
        return found


class _Resolving:
    """One resolution on its way."""

    def __init__(self, work: Work, entry: Entry, account: Account | None, refunding: Payment | Entry | None) -> None:
        self.work, self.account, self.refunding = work, account, refunding
        of = [one for one in (account, refunding.account if refunding is not None else None) if one is not None]
        work.lock(*Account.objects.filter(holder__accounts__in=of).values_list("pk", flat=True))
        rows_ = Entry.objects.select_related("statement__operation", "account")
        if connection.vendor == "postgresql":
            rows_ = rows_.select_for_update(of=("self",), no_key=True)
        self.entry = rows_.get(pk=entry.pk)
        if Grant.objects.filter(principal=work.by, account__in=of, ended=None).exists():
            raise Forbidden("own_case", "nobody decides on money of an account on which they act themselves")

    def run(self, to: str, codes: Sequence[str]) -> dict[str, Any]:
        work, entry = self.work, self.entry
        if to != "not_ours" and work.by.pk == entry.statement.operation.principal_id:
            raise Forbidden("second_person", "another person than the one who took the statement in resolves this entry")
        action = {"charge": "meet", "refund": "refund", "refund_made": "match", "not_ours": "disown"}[to]
        was = entry.state
        state = ENTRY.go(was, action, {FINANCE})
        if (to in ("charge", "refund") and entry.cents < 0) or (to == "refund_made" and entry.cents > 0):
            side = "in" if entry.cents > 0 else "out"
            raise Invalid("to", f"to is {to}; the entry is of money that went {side}", field="to")
        held = self.account.pk if was == "held" and self.account is not None else None
        place = (held, "unallocated") if held is not None else (None, "suspense")
        if to == "charge":
            assert self.account is not None
            settlements = meeting.due(self.account, codes, entry.cents)
            self._move(place, (None, "provider"))
            entry.payment = meeting.meet(work, settlements, entry.public_id)
            entry.account = self.account
        elif to == "refund":
            self._move(place, (held, "refund_due"))
        elif to == "refund_made":
            self._refund_made(place)
        elif entry.cents > 0:
            self._move(place, (None, "elsewhere"))
        else:
            self._move((None, "elsewhere"), place)
        entry.state, entry.resolved_id = state, work.number
        entry.save()
        return {
            "entry": entry.public_id,
            "state": entry.state,
            "cents": entry.cents,
            "account": None if entry.account is None else entry.account.public_id,
            "payment": None if entry.payment is None else entry.payment.public_id,
            "refund_reference": references.end_to_end(entry.public_id) if to == "refund" else None,
        }

    def _refund_made(self, place: tuple[int | None, str]) -> None:
        """The money had left to suspense's charge: that is undone, and the refund booked instead."""
        entry, of = self.entry, self.refunding
        self._move((None, "provider"), place)
        if isinstance(of, Payment):
            of.refresh_from_db()
            if of.state != "refund_due":
                raise Conflict(
                    "wrong_state",
                    f"payment is {of.state}; to confirm_refund payment it must be refund_due",
                    field="refund_of",
                )
            payments.hear(
                self.work, of, provider=meeting.BANK, event=entry.public_id, outcome="refunded", cents=-entry.cents
            )
            entry.payment, entry.account = of, of.account
        else:
            Matcher(self.work, []).refunded(entry, of)

    def _move(self, source: tuple[int | None, str], target: tuple[int | None, str]) -> None:
        start, end = (self.work.bucket(owner, kind, MONEY) for owner, kind in (source, target))
        self.work.move(MONEY, start, end, abs(self.entry.cents), subject=self.entry.pk, about=ABOUT)
