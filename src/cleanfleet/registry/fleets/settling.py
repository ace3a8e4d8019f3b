"""Settling a determined fleet year: credits and direct debit, what falls due, refunds."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import pydantic
from django.conf import settings
from django.db.models import F, Sum

from cleanfleet.registry.acceptance.operations import Grams, Vintage
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import hold_open
from cleanfleet.registry.charges.paying import collected_elsewhere
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible

from . import fleet, posting
from .models import Deferral, FleetYear, Settlement, Share
from .reserving import begin, plan, take
from .states import FINANCE, SETTLEMENT, SHARE, SPEND, SYSTEM
from .years import OnShare, not_own, told

#: Purpose of the payments that this room waits for; their subject is a settlement.
PURPOSE = "fleet_year"


class SettleFleetYear(OnShare):
    """Meet what a determined fleet year owes on one account: by credits, by direct debit at the year's own rate, or by both.

    Grams and money are those that the register works out; the holder says how many grams by which. Credits wait for the
    debit; if it fails they are free again.
    """

    credits_g: Grams = 0
    money_g: Grams = 0
    vintages: list[Vintage] = pydantic.Field(default_factory=list)
    provider: str = "local"

    def run(self, work: Work) -> dict[str, Any]:
        share = self.find_share(work)
        held = permissions.require(work.by, share.account, SPEND)
        state = SHARE.go(share.state, "debit" if self.money_g else "settle", held)
        if self.credits_g + self.money_g == 0:
            raise Invalid("credits_g", "credits_g and money_g are 0; say how many grams are to be met", field="credits_g")
        if self.credits_g + self.money_g > share.outstanding_g:
            raise Invalid(
                "credits_g",
                f"credits_g is {self.credits_g} and money_g {self.money_g}; {share.outstanding_g} g are outstanding",
                field="credits_g",
            )
        if work.today > share.settle_by:
            raise Conflict("too_late", f"it was to be settled by {share.settle_by}; what is left is due in money")
        takes = plan(share, self.credits_g, work.today, self.vintages).takes if self.credits_g else ()
        rate, _ = rate_of(work, share)
        share.state = state
        if not self.money_g:
            settlement = begin(work, share, self.credits_g, 0, rate, "complete")
            take(work, share, settlement, takes, "used")
            posting.meet(work, share, "met_by_credits", self.credits_g)
            share.credits_g += self.credits_g
            after(work, share)
            return {"settlement": settlement.public_id, "payment": None, **told(share)}
        settlement = begin(work, share, self.credits_g, self.money_g, rate, "wait")
        take(work, share, settlement, takes, "reserved")
        debit(work, share, settlement, self.provider)
        share.save()
        assert settlement.payment is not None
        return {"settlement": settlement.public_id, "payment": settlement.payment.public_id, **told(share)}


def rate_of(work: Work, share: Share) -> tuple[int, str]:
    """Cents for each gram of the share's year under the law that it was determined by, and the reference; notes that law."""
    last = share.fleet_year.determinations.order_by("-number").first()
    assert last is not None
    policy = fleet.reading(share.fleet_year.year, last.known)
    work.law(policy)
    return fleet.cents_per_gram(policy, share.fleet_year.year, share.account.condition)


def debit(work: Work, share: Share, settlement: Settlement, provider: str) -> None:
    cents = settlement.due_cents or settlement.money_g * settlement.cents_per_g
    wait = dt.timedelta(days=settings.OPTIONS["CLEANFLEET_DEBIT_DAYS"])
    reference = rate_of(work, share)[1]
    settlement.payment = payments.create(
        work, share.account, cents, PURPOSE, settlement.pk, provider, waits=wait, law_reference=reference
    )
    settlement.save()


def after(work: Work, share: Share) -> None:
    """Where the share stands once something was met or charged."""
    if share.state in ("paying", "collecting"):
        pass
    elif share.payable_cents:
        if share.state != "overdue":
            share.state = SHARE.go(share.state, "fall_due", {SYSTEM})
    elif not share.outstanding_g:
        if share.state != "settled":
            share.state = SHARE.go(share.state, "finish", {SYSTEM})
    elif share.state == "overdue":
        share.state = SHARE.go(share.state, "resume", {SYSTEM})
    share.save()


class FallFleetYearDue(OnShare):
    """The last day is over: what a share still owes is due in money at its own year's rate, and the direct debit of all of it begins.

    The daily job does it. A share whose deferral is being decided waits for that.
    """

    provider: str = "local"

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, permissions.SYSTEM)
        share = self.find_share(work)
        if work.today <= share.settle_by:
            raise Conflict("not_over", f"it may be settled until {share.settle_by}")
        if not share.outstanding_g:
            raise Conflict("nothing_owed", "nothing is left to fall due")
        if Deferral.objects.filter(fleet_year=share.fleet_year, ended=None).exists():
            raise Conflict("deferral_open", "the year's deferral is being decided")
        share.state = SHARE.go(share.state, "fall_due", {SYSTEM})
        grams = share.outstanding_g
        rate, _ = rate_of(work, share)
        settlement = begin(work, share, 0, grams, rate, "fall_due", by=SYSTEM)
        posting.meet(work, share, "met_by_money", grams)
        posting.charge_money(work, share, grams * rate)
        share.money_g += grams
        settlement.due_cents = grams * rate
        collect(work, share, settlement, {SYSTEM}, self.provider)
        assert settlement.payment is not None
        return {"settlement": settlement.public_id, "payment": settlement.payment.public_id, **told(share)}


def collect(work: Work, share: Share, settlement: Settlement, held: set[str], provider: str) -> None:
    share.state = SHARE.go(share.state, "collect", held)
    settlement.state = SETTLEMENT.go(settlement.state, "collect", held)
    settlement.ended_id = None
    debit(work, share, settlement, provider)
    share.save()


class CollectFleetCharge(OnShare):
    """Try the direct debit again of money that is due, after one failed or was taken back: by the holder or the agency's finance."""

    settlement: str
    provider: str = "local"

    def run(self, work: Work) -> dict[str, Any]:
        share = self.find_share(work)
        held = permissions.require(work.by, share.account, SPEND, FINANCE)
        settlement = share.settlements.filter(public_id=self.settlement).first()
        if settlement is None:
            raise NotVisible("not_found", f"the share has no settlement {self.settlement!r}", field="settlement")
        collect(work, share, settlement, held, self.provider)
        assert settlement.payment is not None
        return {"settlement": settlement.public_id, "payment": settlement.payment.public_id, **told(share)}


def give_back(work: Work, share: Share) -> int:
    """The money that is to be given back for a locked share has gone out; gives the cents."""
    cents = share.refund_cents
    if not cents:
        raise Conflict("nothing_due", "there is no money to be given back")
    due = work.bucket(share.account_id, "refund_due", MONEY)
    work.move(MONEY, due, work.bucket(None, "refunded", MONEY), cents, subject=share.pk, about="share")
    share.refund_cents = 0
    share.save()
    return cents


class RefundFleetCharge(OnShare):
    """Note that money which a correction found overcharged was given back by bank transfer."""

    reference: Annotated[str, pydantic.Field(min_length=1, max_length=80)]

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "finance")
        share = self.find_share(work)
        not_own(work, share.account.holder)
        cents = give_back(work, share)
        return {"refunded_cents": cents, "reference": self.reference, **told(share)}


@collected_elsewhere
def _of_shares(account: Account) -> int:
    return int(Share.objects.filter(account=account).aggregate(n=Sum("payable_cents"))["n"] or 0)


@hold_open
def _unsettled(account: Account) -> str | None:
    """An account stays open while a fleet year still needs it."""
    open_ = Share.objects.filter(account=account).exclude(state="settled").count()
    if open_ or Share.objects.filter(account=account, refund_cents__gt=0).exists():
        return "a fleet year isn't settled on it"
    years = {
        day.year
        for day in account.acceptances.filter(scheme="fleet", state="accepted").values_list("on", flat=True).distinct()
    }
    done = set(FleetYear.objects.filter(holder=account.holder, state="determined").values_list("year", flat=True))
    return f"the fleet year {min(years - done)} isn't determined" if years - done else None


def falling_due(today: dt.date) -> list[tuple[str, int, str]]:
    """(account, year, type) of the shares whose last day is over with something outstanding."""
    waiting = Share.objects.filter(
        charge_g__gt=F("credits_g") + F("money_g"),
        settle_by__lt=today,
        state__in=("owed", "debit_failed", "deferred", "overdue"),
    ).exclude(fleet_year__in=Deferral.objects.filter(ended=None).values("fleet_year"))
    return list(waiting.order_by("pk").values_list("account__public_id", "fleet_year__year", "fleet_year__vehicle_type"))
