"""What is under way and can't be told in a package: it is ended first, then the register is handed out."""

from __future__ import annotations

from django.db.models import Q

from cleanfleet.registry.acceptance.models import Acceptance
from cleanfleet.registry.charges.models import Settlement
from cleanfleet.registry.fleets import models as fleets
from cleanfleet.registry.ledger.models import Balance
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.refusals import Conflict
from cleanfleet.registry.transfers.models import Offer
from cleanfleet.registry.vehicles.models import Claim


def under_way() -> dict[str, int]:
    """How many of each."""
    shares = fleets.Share.objects.exclude(state__in=("provisional", "settled", "owed", "deferred"))
    found = {
        "acceptances that wait for their payment": Acceptance.objects.filter(state="waiting"),
        "settlements that wait for their payment": Settlement.objects.filter(state="waiting"),
        "payments that wait": Payment.objects.filter(state__in=("created", "started")),
        "offered transfers": Offer.objects.filter(state="offered"),
        "disputed vehicles": Claim.objects.filter(state="disputed"),
        "applications for fleet average": fleets.Application.objects.filter(ended=None),
        "applications for deferral": fleets.Deferral.objects.filter(ended=None),
        "fleet settlements": fleets.Settlement.objects.exclude(state__in=("done", "released")),
        "shares of fleet years that are overdue or being paid": shares
        | fleets.Share.objects.filter(Q(payable_cents__gt=0) | Q(refund_cents__gt=0)),
        "lots with reserved credits": Balance.objects.filter(bucket__kind="reserved", amount__gt=0),
    }
    return {what: count for what, rows in found.items() if (count := rows.count())}


def check() -> None:
    """Raises :class:`Conflict`, naming what is under way."""
    found = under_way()
    if found:
        shown = ", ".join(f"{count} {what}" for what, count in found.items())
        raise Conflict("under_way", f"a package can't tell what is under way: {shown}; end it first", under_way=found)
