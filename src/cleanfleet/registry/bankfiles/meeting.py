"""Money that came without a direct debit meets charges of fleet years that are due, where it is exactly what they come to.

It is booked as a direct debit is that succeeds at once: the same states, movements, receipt, and the same way back.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.fleets import settling
from cleanfleet.registry.fleets.models import Settlement, Share
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.refusals import Conflict

from .content import dollars
from .states import FINANCE

#: The provider's name of payments that a bank's statement brought.
BANK = "bank"


def share(account: Account, code: str) -> Share | None:
    """The account's part of the fleet year that a code such as 2026A names."""
    return (
        Share.objects.filter(account=account, fleet_year__year=int(code[:4]), fleet_year__vehicle_type=code[4:])
        .select_related("fleet_year", "account__holder")
        .first()
    )


def due(account: Account, codes: Sequence[str], cents: int) -> list[Settlement]:
    """The settlements that the cents meet exactly: all that is due of the fleet years named, or one that is of the amount alone.

    Raises :class:`Conflict`: ``no_charge``, ``debit_under_way``, ``not_due``, ``wrong_amount``.
    """
    found: list[Settlement] = []
    for code in codes:
        of = share(account, code)
        if of is None:
            raise Conflict("no_charge", f"account {account.number} has no part in the fleet {code}")
        if of.state in ("paying", "collecting"):
            raise Conflict("debit_under_way", f"a direct debit of {code} on {account.number} is under way")
        settlements = list(waiting(of))
        if not settlements:
            raise Conflict("not_due", f"nothing of {code} is due in money on {account.number}")
        found += settlements
    if sum(one.due_cents for one in found) == cents:
        return found
    alone = [one for one in found if one.due_cents == cents]
    if len(alone) == 1:
        return alone
    shown = ", ".join(dollars(one.due_cents) for one in found)
    raise Conflict("wrong_amount", f"{dollars(cents)} came; {', '.join(codes)} on {account.number} come to {shown}")


def waiting(of: Share) -> QuerySet[Settlement]:
    """What is due in money of a share, and not being collected."""
    return of.settlements.filter(state="due", due_cents__gt=0).order_by("pk")


def meet(work: Work, settlements: Sequence[Settlement], reference: str) -> Payment:
    """Book the money as collected, for each settlement; the money is at the provider's. Gives the last one's payment."""
    for number, settlement in enumerate(settlements):
        of = Share.objects.select_related("fleet_year", "account__holder").get(pk=settlement.share_id)
        settlement.refresh_from_db()
        settling.collect(work, of, settlement, {FINANCE}, BANK)
        assert settlement.payment is not None
        payment = settlement.payment
        payment.reference = f"{reference}-{number + 1}" if number else reference
        payment.save(update_fields=["reference"])
        payments.hear(work, payment, provider=BANK, event=payment.reference, outcome="succeeded", cents=payment.cents)
    return payment
