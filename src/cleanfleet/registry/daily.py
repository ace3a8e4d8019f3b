"""What the register does by itself every day; done again on the same day it does nothing more."""

from __future__ import annotations

from typing import Any

from . import clock
from .acceptance.operations import AutoAccept
from .accounts.models import Account
from .accounts.operations import LiftSuspension
from .accounts.permissions import system
from .ledger.models import Balance
from .ledger.operations import Action, perform
from .payments.models import Payment
from .payments.operations import TimeOutPayment
from .refusals import Conflict
from .transfers.models import Offer
from .transfers.operations import ExpireCredits, LapseTransfer
from .vehicles.models import Claim


def time_out() -> int:
    """End the payments whose time is over; run often."""
    waiting = Payment.objects.filter(state__in=("created", "started"), expires_at__lte=clock.now())
    return sum(_try(TimeOutPayment(payment=p), f"time-out:{p}") for p in list(waiting.values_list("public_id", flat=True)))


def auto_accept() -> int:
    """Accept what may be accepted without its holder, for every account that wants it; the number of vehicles."""
    accepted = 0
    wanting = Account.objects.filter(state="open").exclude(auto_accept_below=False, auto_accept_above=False)
    for account in list(wanting.values_list("pk", "public_id")):
        while True:
            last = Claim.objects.filter(account_id=account[0]).order_by("-pk").values_list("pk", flat=True).first() or 0
            waiting = Claim.objects.filter(account_id=account[0], state="ready", missing="").count()
            key = f"auto-accept:{account[1]}:{clock.now().isoformat()}:{last}:{waiting}"
            done = perform(AutoAccept(account=account[1]), by=system(), key=key).answer
            accepted += done["accepted"]
            if done["accepted"] == 0:
                break
    return accepted


def run() -> dict[str, Any]:
    """Time-outs, lapsed offers, suspensions that are over, expired credits. Gives how many of each were done."""
    today = clock.today()
    done = {"timed_out": time_out(), "lapsed": 0, "lifted": 0, "expired_accounts": 0}
    for offer in list(Offer.objects.filter(state="offered", lapses_on__lt=today).values_list("public_id", flat=True)):
        done["lapsed"] += _try(LapseTransfer(offer=offer), f"lapse:{offer}")
    over = Account.objects.filter(state="suspended", suspended_until__lt=today).values_list("public_id", flat=True)
    for account in list(over):
        done["lifted"] += _try(LiftSuspension(account=account), f"lift:{account}:{today}")
    holding = Balance.objects.filter(bucket__kind="held", amount__gt=0).values_list("bucket__owner__public_id", flat=True)
    for account in sorted(set(holding)):
        done["expired_accounts"] += _try(ExpireCredits(account=account), f"expiry:{account}:{today}")
    return done


def _try(action: Action, key: str) -> int:
    """1 where it was done now; 0 where it had been done, or somebody else was first."""
    try:
        return int(not perform(action, by=system(), key=key).repeated)
    except Conflict:
        return 0
