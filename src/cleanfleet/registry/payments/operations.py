"""What happens to a payment. What it was for is told to the room that waits for it, in the same operation.

Cents: charged -> payable (owed) -> paid; provider (money from outside) -> revenue, or -> unallocated (the holder's, not owed) ->
refund_due -> refunded.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.models import Q

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account, Holder
from cleanfleet.registry.accounts.operations import hold_open
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.refusals import Conflict, NotVisible

from .models import Invoice, Message, Payment, Receipt
from .provider import Event
from .states import OUTCOMES, PAYMENT, PROVIDER, TOLD

MONEY = "NZD"
#: The law that charges rest on, where no narrower reference is given.
PART_13 = "Land Transport Act 1998, Part 13"
#: What is done for a payment of a purpose, by action: (work, payment) -> more for the answer.
Handler = Callable[[Work, Payment], dict[str, Any]]
_HANDLERS: dict[tuple[str, str], Handler] = {}


def handles(purpose: str, action: str) -> Callable[[Handler], Handler]:
    """Let a room answer for its payments when they succeed, are declined, time out or are reversed."""

    def register(handler: Handler) -> Handler:
        _HANDLERS[purpose, action] = handler
        return handler

    return register


def create(
    work: Work,
    account: Account,
    cents: int,
    purpose: str,
    subject: int,
    provider: str,
    *,
    waits: dt.timedelta | None = None,
    law_reference: str = PART_13,
) -> Payment:
    """A payment that waits to be started, and its invoice; by an operation that has locked the account. ``waits``: else as long as a quote."""
    return Payment.objects.create(
        public_id=work.id("pay"),
        account=account,
        invoice=issue_invoice(work, account, cents, purpose, subject, law_reference),
        cents=cents,
        state=PAYMENT.first,
        purpose=purpose,
        subject=subject,
        provider=provider,
        begun_id=work.number,
        expires_at=work.now + (waits or dt.timedelta(minutes=settings.OPTIONS["CLEANFLEET_QUOTE_MINUTES"])),
    )


def receive(work: Work, payment: Payment) -> None:
    """Book money for what it was for: it is owed and paid at once."""
    owner, cents = payment.account_id, payment.cents
    payable = work.bucket(owner, "payable", MONEY)
    work.move(MONEY, work.bucket(None, "charged", MONEY), payable, cents, subject=payment.pk, about="payment")
    work.move(MONEY, payable, work.bucket(None, "paid", MONEY), cents, subject=payment.pk, about="payment")
    work.move(
        MONEY,
        work.bucket(None, "provider", MONEY),
        work.bucket(None, "revenue", MONEY),
        cents,
        subject=payment.pk,
        about="payment",
    )


def issue_invoice(work: Work, account: Account, cents: int, purpose: str, subject: int, law_reference: str) -> Invoice:
    """The invoice of so many cents, with the holder's name and address as they are now; the earlier one while that isn't paid."""
    same = Invoice.objects.filter(account=account, purpose=purpose, subject=subject, cents=cents)
    found = same.exclude(payments__state="succeeded").order_by("-pk").first()
    if found is not None:
        return found
    holder = Holder.objects.get(pk=account.holder_id)
    earlier = Invoice.objects.filter(begun_id=work.number).count()
    return Invoice.objects.create(
        number=f"I{work.today.year}-{work.number:08d}" + (f"-{earlier + 1}" if earlier else ""),
        account=account,
        purpose=purpose,
        subject=subject,
        begun_id=work.number,
        issued_on=work.today,
        name=holder.name,
        address=holder.address,
        cents=cents,
        law_reference=law_reference[:200],
    )


def issue_receipt(work: Work, payment: Payment, law_reference: str) -> Receipt:
    """The receipt of a payment, with the holder's name and address as they are now; a bank's statement may bring several at once."""
    holder = payment.account.holder
    number = f"R{work.today.year}-{work.number:08d}"
    before = Receipt.objects.filter(Q(number=number) | Q(number__startswith=f"{number}-")).count()
    return Receipt.objects.create(
        number=f"{number}-{before + 1}" if before else number,
        payment=payment,
        issued_on=work.today,
        name=holder.name,
        address=holder.address,
        cents=payment.cents,
        law_reference=law_reference,
    )


def go(work: Work, payment: Payment, action: str, held: set[str]) -> dict[str, Any]:
    """Take a locked payment to its next state with the permissions held, and do what waits for that."""
    was = payment.state
    payment.state = PAYMENT.go(was, action, held)
    payment.save(update_fields=["state"])
    more: dict[str, Any] = {}
    if "late" in (was, payment.state) and action in ("succeed", "reverse"):
        outside, theirs = work.bucket(None, "provider", MONEY), work.bucket(payment.account_id, "unallocated", MONEY)
        source, target = (outside, theirs) if payment.state == "late" else (theirs, outside)
        work.move(MONEY, source, target, payment.cents, subject=payment.pk, about="payment")
    elif (payment.purpose, action) in _HANDLERS:
        more = _HANDLERS[payment.purpose, action](work, payment)
    return {"payment": payment.public_id, "state": payment.state, **more}


def hear(work: Work, payment: Payment, *, provider: str, event: str, outcome: str, cents: int) -> dict[str, Any]:
    """Take in what a provider, or the bank, says of a locked payment. What was told before, by whomever, changes nothing."""
    if Message.objects.filter(provider=provider, event=event).exists():
        return {"payment": payment.public_id, "state": payment.state, "repeated": True}
    if outcome in ("succeeded", "refunded") and cents != payment.cents:
        raise Conflict("wrong_amount", f"the provider says {cents} cents, payment {payment.public_id} is of {payment.cents}")
    Message.objects.create(provider=provider, event=event, payment=payment, outcome=outcome, operation_id=work.number)
    if payment.state in TOLD[outcome]:
        return {"payment": payment.public_id, "state": payment.state, "repeated": True}
    answer = go(work, payment, OUTCOMES[outcome], {PROVIDER})
    if outcome == "refunded":
        due = work.bucket(payment.account_id, "refund_due", MONEY)
        work.move(MONEY, due, work.bucket(None, "refunded", MONEY), payment.cents, subject=payment.pk, about="payment")
    return answer


class OnPayment(Action):
    """What operations on one payment share."""

    payment: str

    def find(self, work: Work) -> Payment:
        visible = permissions.visible_to(work.by)
        payment = (
            Payment.objects.filter(public_id=self.payment, account__in=visible).select_related("account__holder").first()
        )
        if payment is None:
            raise NotVisible("not_found", f"there is no payment {self.payment!r} that you may see", field="payment")
        work.lock(payment.account_id)
        payment.refresh_from_db()
        return payment

    def go(self, work: Work, payment: Payment, action: str) -> dict[str, Any]:
        """Take the payment to its next state, and do what waits for that."""
        return go(work, payment, action, permissions.permissions(work.by, payment.account))


class StartPayment(OnPayment):
    """Note the provider's reference, after it was asked to collect."""

    reference: str

    def run(self, work: Work) -> dict[str, Any]:
        payment = self.find(work)
        payment.reference = self.reference
        payment.save(update_fields=["reference"])
        return self.go(work, payment, "start")


class TakeMessage(OnPayment):
    """Take in what the provider says of a payment; a message that came before changes nothing."""

    provider: str
    event: str
    outcome: str
    cents: int

    @classmethod
    def of(cls, provider: str, event: Event) -> TakeMessage:
        return cls(payment=event.payment, provider=provider, event=event.event, outcome=event.outcome, cents=event.cents)

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, permissions.SYSTEM)
        payment = self.find(work)
        return hear(work, payment, provider=self.provider, event=self.event, outcome=self.outcome, cents=self.cents)


class TimeOutPayment(OnPayment):
    """The time of a quote is over and no answer came; the daily job and every visit of the page do this."""

    def run(self, work: Work) -> dict[str, Any]:
        payment = self.find(work)
        if work.now < payment.expires_at:
            raise Conflict("not_over", f"payment {payment.public_id} has time until {payment.expires_at.isoformat()}")
        return self.go(work, payment, "time_out")


class RefundPayment(OnPayment):
    """Give back money that came too late; the provider's confirmation ends it."""

    def run(self, work: Work) -> dict[str, Any]:
        payment = self.find(work)
        answer = self.go(work, payment, "refund")
        held, due = (work.bucket(payment.account_id, kind, MONEY) for kind in ("unallocated", "refund_due"))
        work.move(MONEY, held, due, payment.cents, subject=payment.pk, about="payment")
        return answer


@hold_open
def _waiting(account: Account) -> str | None:
    waiting = Payment.objects.filter(account=account, state__in=("created", "started", "late", "refund_due")).count()
    return f"{waiting} payments wait" if waiting else None
