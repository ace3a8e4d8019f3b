"""What the bank says of a fleet year's direct debits."""

from __future__ import annotations

from typing import Any

from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import MONEY

from . import posting
from .models import Settlement, Share
from .reserving import end, from_reserved
from .settling import PURPOSE, after, rate_of
from .states import SETTLEMENT, SHARE, SYSTEM
from .years import lock_all, told


def _waiting(work: Work, payment: Payment) -> tuple[Settlement, Share]:
    settlement = Settlement.objects.select_related("share__fleet_year", "share__account__holder").get(pk=payment.subject)
    lock_all(work, settlement.share.account.holder)
    settlement.share.refresh_from_db()
    return settlement, settlement.share


@payments.handles(PURPOSE, "succeed")
def _paid(work: Work, payment: Payment) -> dict[str, Any]:
    """The money came: credits are used, grams met; what was due in money is paid."""
    settlement, share = _waiting(work, payment)
    if settlement.state == "collecting":
        payable = work.bucket(share.account_id, "payable", MONEY)
        work.move(MONEY, payable, work.bucket(None, "paid", MONEY), payment.cents, subject=payment.pk, about="payment")
        source, target = (work.bucket(None, kind, MONEY) for kind in ("provider", "revenue"))
        work.move(MONEY, source, target, payment.cents, subject=payment.pk, about="payment")
        share.payable_cents -= payment.cents
        settlement.due_cents = 0
    else:
        from_reserved(work, share, settlement, settlement.credits_g, "used")
        if settlement.credits_g:
            posting.meet(work, share, "met_by_credits", settlement.credits_g)
        posting.meet(work, share, "met_by_money", settlement.money_g)
        payments.receive(work, payment)
        share.credits_g += settlement.credits_g
        share.money_g += settlement.money_g
    end(work, settlement, "complete", SYSTEM)
    share.state = SHARE.go(share.state, "confirm", {SYSTEM})
    after(work, share)
    receipt = payments.issue_receipt(work, payment, rate_of(work, share)[1])
    return {"settlement": settlement.public_id, "receipt": receipt.number, **told(share)}


@payments.handles(PURPOSE, "decline")
@payments.handles(PURPOSE, "time_out")
def _not_paid(work: Work, payment: Payment) -> dict[str, Any]:
    """The debit failed: reserved credits are free again; what was due in money stays due."""
    settlement, share = _waiting(work, payment)
    if settlement.state == "collecting":
        settlement.state = SETTLEMENT.go(settlement.state, "fail", {SYSTEM})
        settlement.save()
    else:
        from_reserved(work, share, settlement, 0)
        end(work, settlement, "release", SYSTEM)
    share.state = SHARE.go(share.state, "fail", {SYSTEM})
    after(work, share)
    return {"settlement": settlement.public_id, **told(share)}


@payments.handles(PURPOSE, "reverse")
def _reversed(work: Work, payment: Payment) -> dict[str, Any]:
    """The bank took a debit back: what it had paid is due again in money, at once; money being given back for it isn't any more."""
    settlement, share = _waiting(work, payment)
    returned = settlement.returned_money_g * settlement.cents_per_g
    # A debit made after a correction was of the rest only.
    given = max(0, payment.cents - (settlement.money_g * settlement.cents_per_g - returned))
    undone = min(given, share.refund_cents)
    revenue, provider = work.bucket(None, "revenue", MONEY), work.bucket(None, "provider", MONEY)
    payable = work.bucket(share.account_id, "payable", MONEY)
    if undone:
        work.move(
            MONEY, work.bucket(share.account_id, "refund_due", MONEY), revenue, undone, subject=payment.pk, about="payment"
        )
        share.refund_cents -= undone
    work.move(MONEY, revenue, provider, payment.cents, subject=payment.pk, about="payment")
    again = payment.cents - given
    if again:
        work.move(MONEY, work.bucket(None, "paid", MONEY), payable, again, subject=payment.pk, about="payment")
    if given - undone:  # it was given back already, and now taken back a second time
        work.move(MONEY, work.bucket(None, "charged", MONEY), payable, given - undone, subject=payment.pk, about="payment")
    settlement.due_cents = payment.cents - undone
    share.payable_cents += settlement.due_cents
    share.state = SHARE.go(share.state, "reverse_debit", {SYSTEM})
    end(work, settlement, "reverse", SYSTEM)
    after(work, share)
    return {"settlement": settlement.public_id, "owed_cents": settlement.due_cents, **told(share)}
