"""What the register does by itself every day; done again on the same day it does nothing more."""

from __future__ import annotations

from typing import Any

from . import clock
from .acceptance.operations import AutoAccept
from .accounts.models import Account
from .accounts.operations import LiftSuspension
from .accounts.permissions import system
from .fleets import applications as fleets
from .fleets import settling
from .fleets.operations import BringUpToDate, FallFleetYearDue
from .ledger.models import Balance
from .ledger.operations import Action, digest, perform
from .notices.operations import MakeNotices, pending
from .payments.models import Payment
from .payments.operations import TimeOutPayment
from .refusals import Conflict, NotDetermined
from .rulings import law
from .transfers.models import Offer
from .transfers.operations import ExpireCredits, LapseTransfer
from .transfers.reviving import ReviveCredits, reviving
from .vehicles.models import Claim
from .vehicles.reassessing import ReassessVehicles, stale


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


def reassess() -> int:
    """Ask the law again for vehicles that wait, where it or the agency's confirmations have changed; the number of vehicles."""
    asked = 0
    while (first := stale(law.stamp(clock.today())).values_list("pk", flat=True).first()) is not None:
        done = perform(ReassessVehicles(), by=system(), key=f"reassess:{clock.now().isoformat()}:{first}:{asked}")
        if done.repeated or not done.answer["asked"]:
            break
        asked += done.answer["asked"]
    return asked


def notices() -> int:
    """Note which deadlines are near or over; how many notices were made now."""
    waiting = pending(clock.today())
    if not waiting:
        return 0
    done = perform(MakeNotices(), by=system(), key=f"notices:{clock.today()}:{digest(repr(waiting))[:32]}")
    return 0 if done.repeated else int(done.answer["made"])


def run() -> dict[str, Any]:
    """Vehicles asked about again, time-outs, lapsed offers, suspensions that are over, fleet average that begins, fleet years that
    fall due, credits that lapsed and live again by the law as known now, expired credits; then notices of what is near or over.

    Gives how many of each were done.
    """
    today = clock.today()
    counts = ("lapsed", "lifted", "schemes", "fleet_years_due", "revived_accounts", "expired_accounts")
    done = {"reassessed": reassess(), "timed_out": time_out(), **dict.fromkeys(counts, 0)}
    for offer in list(Offer.objects.filter(state="offered", lapses_on__lt=today).values_list("public_id", flat=True)):
        done["lapsed"] += _try(LapseTransfer(offer=offer), f"lapse:{offer}")
    over = Account.objects.filter(state="suspended", suspended_until__lt=today).values_list("public_id", flat=True)
    for account in list(over):
        done["lifted"] += _try(LiftSuspension(account=account), f"lift:{account}:{today}")
    for account in fleets.changing(today):
        done["schemes"] += _try(BringUpToDate(account=account), f"scheme:{account}:{today}")
    for account, year, vehicle_type in settling.falling_due(today):
        due = FallFleetYearDue.read({"account": account, "year": year, "vehicle_type": vehicle_type})
        done["fleet_years_due"] += _try(due, f"fleet-due:{account}:{year}:{vehicle_type}:{today}")
    for account in reviving(today):
        done["revived_accounts"] += _try(ReviveCredits(account=account), f"revival:{account}:{clock.now().isoformat()}")
    holding = Balance.objects.filter(bucket__kind="held", amount__gt=0).values_list("bucket__owner__public_id", flat=True)
    for account in sorted(set(holding)):
        done["expired_accounts"] += _try(ExpireCredits(account=account), f"expiry:{account}:{today}")
    done["notices"] = notices()
    return done


def _try(action: Action, key: str) -> int:
    """1 where it was done now; 0 where it had been done, somebody else was first, or the agency has a value to confirm first."""
    try:
        return int(not perform(action, by=system(), key=key).repeated)
    except (Conflict, NotDetermined):
        return 0
