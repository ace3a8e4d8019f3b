"""Which outcome each entry of a statement has, and what it moves.

Money in that can't be placed yet: provider -> suspense (the system's), or -> the account's unallocated. What the provider's message
had told before moves nothing again: the entry is the bank's word for the same money.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import Q

from cleanfleet.registry.accounts.models import Account, Grant
from cleanfleet.registry.fleets import settling
from cleanfleet.registry.fleets.models import Settlement
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict, Forbidden

from . import meeting
from .content import Item
from .models import Entry
from .states import ENTRY, FINANCE

#: What the subject of a movement is where it is an entry.
ABOUT = "bank_entry"
#: Outcomes that are the money of a payment coming in, and going back unpaid.
CAME, WENT = ("confirmed", "late", "failed"), ("failed", "reversed")


class Matcher:
    """Matches the new entries of one operation; everything that they may touch is found and locked at the beginning."""

    def __init__(self, work: Work, items: Iterable[Item]) -> None:
        self.work = work
        names = {name for item in items for name in item.names}
        wanted = {kind: {name for name in names if name.startswith(kind)} for kind in ("pay_", "bke_", "CO2-")}
        refunds = Entry.objects.filter(public_id__in=wanted["bke_"])
        found = Account.objects.filter(
            Q(number__in=wanted["CO2-"]) | Q(payments__public_id__in=wanted["pay_"]) | Q(bank_entries__in=refunds)
        )
        holders = sorted(set(found.values_list("holder_id", flat=True)))
        work.lock(*Account.objects.filter(holder__in=holders).values_list("pk", flat=True))
        accounts = Account.objects.filter(holder__in=holders).select_related("holder")
        self.accounts = {account.number: account for account in accounts if account.number in wanted["CO2-"]}
        self.payments = {
            one.public_id: one
            for one in Payment.objects.filter(public_id__in=wanted["pay_"]).select_related("account__holder")
        }
        if connection.vendor == "postgresql":
            refunds = refunds.select_for_update(of=("self",), no_key=True)
        self.refunds = {one.public_id: one for one in refunds.select_related("account")}
        self.came: Counter[int] = Counter()
        self.went: Counter[int] = Counter()
        self.given: Counter[int] = Counter()
        before = Entry.objects.filter(payment__in=[one.pk for one in self.payments.values()])
        for payment, cents, outcome in before.values_list("payment_id", "cents", "outcome"):
            self._count(payment, cents, outcome)

    def _count(self, payment: int, cents: int, outcome: str) -> None:
        if cents > 0 and outcome in CAME:
            self.came[payment] += 1
        elif cents < 0 and outcome in WENT:
            self.went[payment] += 1
        elif outcome == "refunded":
            self.given[payment] += 1

    def nobody_s_own(self, entries: Sequence[Entry]) -> None:
        """Nobody takes in what is matched to an account on which they act themselves."""
        touched = {entry.account_id for entry in entries if entry.account_id is not None and entry.outcome != "queued"}
        if Grant.objects.filter(principal=self.work.by, account__in=touched, ended=None).exists():
            raise Forbidden(
                "own_case", "the file has entries of an account on which you act yourself; another person takes it in"
            )

    def place(self, entry: Entry, item: Item) -> None:
        """Give the entry its outcome and move what it moves."""
        if not item.money:
            return self._end(entry, "noted", "note", "not_booked" if item.cents else "no_money")
        if not item.whole:
            return self._queue(entry, "batch")
        named = {kind: [n for n in item.names if re.match(kind, n)] for kind in ("pay_", "bke_", "CO2-", r"2\d{3}")}
        ids, refunds, numbers, codes = named.values()
        if len(ids) + len(refunds) > 1 or len(numbers) > 1:
            return self._queue(entry, "ambiguous")
        if ids:
            payment = self.payments.get(ids[0])
            if payment is None:
                return self._queue(entry, "unknown_reference")
            if abs(entry.cents) != payment.cents:
                return self._queue(entry, "wrong_amount")
            entry.account = payment.account
            return self._came(entry, payment) if entry.cents > 0 else self._went(entry, payment, item)
        if entry.cents < 0:
            return self._went_out(entry, refunds, numbers, codes)
        if not numbers:
            return self._queue(entry, "no_reference")
        account = self.accounts.get(numbers[0])
        if account is None:
            return self._queue(entry, "unknown_account")
        entry.account = account
        if not codes:
            return self._queue(entry, "no_charge_named")
        return self._meet(entry, account, codes)

    def _came(self, entry: Entry, payment: Payment) -> None:
        """Money with a payment's reference came in."""
        came, went = self.came[payment.pk], self.went[payment.pk]
        if went > came:  # its return was on an earlier line
            self._move(entry, "provider", "suspense")
            return self._end(entry, "failed", "match", "returned_before", payment)
        if came > went:
            return self._hold(entry, payment.account, "paid_twice")
        if payment.state == "reversed" and came:
            return self._again(entry, payment)
        if payment.account.state == "closed" and payment.state in ("declined", "timed_out"):
            return self._queue(entry, "account_closed")
        told = self._hear(entry, payment, "succeeded")
        late = payment.state in ("late", "refund_due", "refunded")
        return self._end(entry, "late" if late else "confirmed", "match", told, payment)

    def _again(self, entry: Entry, payment: Payment) -> None:
        """Paid once more after it was taken back: what fell due again is met, where it still is due."""
        if payment.purpose == settling.PURPOSE:
            settlement = Settlement.objects.select_related("share").get(pk=payment.subject)
            if settlement in meeting.waiting(settlement.share) and settlement.due_cents == entry.cents:
                entry.payment = meeting.meet(self.work, [settlement], entry.public_id)
                return self._end(entry, "met", "meet", "paid_again", entry.payment)
        return self._hold(entry, payment.account, "paid_again")

    def _went(self, entry: Entry, payment: Payment, item: Item) -> None:
        """Money with a payment's reference went out: the debit was returned, or the money refunded."""
        came, went = self.came[payment.pk], self.went[payment.pk]
        if payment.state in ("refund_due", "refunded"):
            if item.returned or self.given[payment.pk]:
                return self._queue(entry, "being_refunded")
            return self._end(entry, "refunded", "match", self._hear(entry, payment, "refunded"), payment)
        if went and went >= came:
            return self._queue(entry, "returned_twice")
        why = item.return_reason[:10]
        if payment.state in ("created", "started", "declined", "timed_out"):
            # Its money isn't in the book by itself: it came within a batch, or the bank never gave it.
            self._move(entry, "suspense", "provider")
            self._hear(entry, payment, "declined")
            return self._end(entry, "failed", "match", why, payment)
        self._hear(entry, payment, "reversed")
        return self._end(entry, "reversed", "match", why, payment)

    def _went_out(self, entry: Entry, refunds: list[str], numbers: list[str], codes: list[str]) -> None:
        """Money went out without a payment's reference: a refund that was to be made, or nothing that is known."""
        if refunds:
            of = self.refunds.get(refunds[0])
            try:
                self.refunded(entry, of)
            except Conflict as refusal:
                return self._queue(entry, refusal.code)
            return self._end(entry, "refunded", "match", "")
        account = self.accounts.get(numbers[0]) if numbers else None
        if account is not None and len(codes) == 1:
            share = meeting.share(account, codes[0])
            if share is not None and share.refund_cents == -entry.cents:
                entry.account = account
                settling.give_back(self.work, share)
                return self._end(entry, "refunded", "match", "overcharged")
        return self._queue(entry, "no_reference")

    def refunded(self, entry: Entry, of: Entry | None) -> None:
        """The entry gave back the money of another one. Raises :class:`Conflict` where that isn't to be refunded in this amount."""
        if of is None or of.state != "refund_due":
            raise Conflict("not_refund_due", "there is no entry with this reference whose money is to be refunded")
        if of.cents != -entry.cents:
            raise Conflict("wrong_amount", f"{-entry.cents} cents went out; {of.cents} are to be refunded")
        of.state = ENTRY.go(of.state, "confirm_refund", {FINANCE})
        of.save(update_fields=["state"])
        entry.refund_of, entry.account = of, of.account
        due = self.work.bucket(of.account_id if of.outcome == "held" else None, "refund_due", MONEY)
        self._post(entry, due, self.work.bucket(None, "refunded", MONEY))

    def _meet(self, entry: Entry, account: Account, codes: list[str]) -> None:
        try:
            settlements = meeting.due(account, codes, entry.cents)
        except Conflict as refusal:
            return self._hold(entry, account, refusal.code)
        payment = meeting.meet(self.work, settlements, entry.public_id)
        return self._end(entry, "met", "meet", "", payment)

    def _hear(self, entry: Entry, payment: Payment, outcome: str) -> str:
        """By the way of a provider's message; tells whether it was known."""
        answer = payments.hear(
            self.work, payment, provider=meeting.BANK, event=entry.public_id, outcome=outcome, cents=abs(entry.cents)
        )
        return "told_before" if answer.get("repeated") else ""

    def _hold(self, entry: Entry, account: Account, why: str) -> None:
        if account.state == "closed":
            return self._queue(entry, "account_closed")
        entry.account = account
        self._post(entry, self.work.bucket(None, "provider", MONEY), self.work.bucket(account.pk, "unallocated", MONEY))
        return self._end(entry, "held", "hold", why)

    def _queue(self, entry: Entry, why: str) -> None:
        self._move(entry, *(("provider", "suspense") if entry.cents > 0 else ("suspense", "provider")))
        entry.outcome, entry.state, entry.why = "queued", ENTRY.first, why

    def _end(self, entry: Entry, outcome: str, action: str, why: str, payment: Payment | None = None) -> None:
        entry.outcome, entry.why, entry.payment = outcome, why, payment
        entry.state = ENTRY.go(ENTRY.first, action, {FINANCE})
        if payment is not None:
            self._count(payment.pk, entry.cents, outcome)

    def _move(self, entry: Entry, source: str, target: str) -> None:
        self._post(entry, self.work.bucket(None, source, MONEY), self.work.bucket(None, target, MONEY))

    def _post(self, entry: Entry, source: int, target: int) -> None:
        self.work.move(MONEY, source, target, abs(entry.cents), subject=entry.pk, about=ABOUT)
