"""Paying what is due in money again: a payment that the payer's bank took back, or a debt from another register."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cleanfleet.registry.acceptance.operations import money_taken_back
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import OnAccount
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict

PURPOSE = "due"
#: Cents due on an account that an upper room collects itself: functions of an account.
_ELSEWHERE: list[Callable[[Account], int]] = []


def collected_elsewhere(cents: Callable[[Account], int]) -> Callable[[Account], int]:
    """Let an upper room keep what it collects itself out of what is paid here."""
    _ELSEWHERE.append(cents)
    return cents


def due(account: Account) -> int:
    """Cents that the account has to pay at once, apart from its fleet years."""
    return book.balance(account.pk, "payable", MONEY) - sum(cents(account) for cents in _ELSEWHERE)


def waits(account: Account) -> bool:
    """Whether a payment of what is due is under way."""
    return Payment.objects.filter(account=account, purpose=PURPOSE, state__in=("created", "started")).exists()


class PayDue(OnAccount):
    """Pay all that is due in money: one payment; the debt stands until it has come. A suspended account may, too."""

    provider: str = "local"

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, "accept_vehicles")
        if waits(account):
            raise Conflict("waiting", "a payment of what is due is under way")
        cents = due(account)
        if not cents:
            raise Conflict("nothing_due", f"account {account.number} has no money due")
        payment = payments.create(work, account, cents, PURPOSE, account.pk, self.provider)
        return {"account": account.public_id, "money_cents": cents, "payment": payment.public_id}


@payments.handles(PURPOSE, "succeed")
def _paid(work: Work, payment: Payment) -> dict[str, Any]:
    moves = (
        (work.bucket(payment.account_id, "payable", MONEY), work.bucket(None, "paid", MONEY)),
        (work.bucket(None, "provider", MONEY), work.bucket(None, "revenue", MONEY)),
    )
    for source, target in moves:
        work.move(MONEY, source, target, payment.cents, subject=payment.pk, about="payment")
    return {"receipt": payments.issue_receipt(work, payment, payments.PART_13).number}


payments.handles(PURPOSE, "reverse")(money_taken_back)
