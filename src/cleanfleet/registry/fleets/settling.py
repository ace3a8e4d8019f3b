"""Settling a fleet year: credits reserved when it is submitted, then credits and direct debit, and what falls due in money."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import pydantic
from django.conf import settings
from django.db.models import F, Q, Sum

from cleanfleet import credits as bank
from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.acceptance.operations import Grams, Vintage
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import hold_open
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible, Short
from cleanfleet.registry.rulings import law

from . import fleet, posting
from .models import Deferral, FleetYear, SettledLot, Settlement, Share
from .states import CASE, FINANCE, FLEET_YEAR, SETTLEMENT, SHARE, SPEND, SYSTEM
from .years import OnShare, OnYear, VehicleType, lock_all, share_of, told, year_of

#: Purpose of the payments that this room waits for; their subject is a settlement.
PURPOSE = "fleet_year"


def plan(share: Share, grams: int, on: dt.date, vintages: Sequence[int] = ()) -> bank.Plan:
    """The lots that so many grams of a share would be met from: of vintages up to the year (or the one it is deferred to),
    acquired by its last day. Raises what :func:`.spending.plan` raises."""
    year = share.fleet_year
    account = share.account
    obligation = bank.Obligation(
        share.pk or 0,
        account.number,
        account.condition,
        year.year,
        grams,
        kind=year.vehicle_type,
        deferred=year.deferred_to is not None,
    )
    try:
        return bank.plan_offset(
            obligation,
            _lots(account, year.due_on),
            on=on,
            known=law.policy(on).known,
            rules=law.bank(on),
            vintages=vintages,
            acquired_by=year.due_on,
        ).require()
    except bank.CreditError as error:
        raise spending.refusal(error) from error


def _lots(account: Account, acquired_by: dt.date) -> list[bank.Lot]:
    """The account's lots; what came from elsewhere after a day stands apart, as received after it.

    What was spent since then counts as spent of the older grams first.
    """
    elsewhere = Q(source__owner__isnull=False) & ~Q(source__owner=account.pk) | Q(source__kind="exchange")
    late = dict(
        Movement.objects.filter(
            elsewhere,
            target__owner=account.pk,
            target__kind="held",
            lot__isnull=False,
            seal__operation__effective_on__gt=acquired_by,
        )
        .values_list("lot_id")
        .annotate(n=Sum("amount"))
    )
    found = []
    for lot in spending.lots(account, account.condition):
        apart = min(lot.free, int(late.get(int(lot.id), 0)))
        if apart:
            found.append(replace(lot, amount=apart, reserved=0, received_on=acquired_by + dt.timedelta(days=1)))
        if lot.amount - apart:
            found.append(replace(lot, amount=lot.amount - apart))
    return found


class SubmitFleetYear(OnYear):
    """Submit a year that has ended, for one type and account, with the credits that its charge is to be met by: they are reserved at once.

    ``credits_g`` left out means the whole charge as it stands. Submitting again takes the place of what was submitted before.
    Nothing is owed before the year is determined.
    """

    vehicle_type: VehicleType
    credits_g: Grams | None = None
    vintages: list[Vintage] = pydantic.Field(default_factory=list)

    def run(self, work: Work) -> dict[str, Any]:
        account, _ = self.find_all(work)
        held = permissions.require(work.by, account, SPEND)
        self.must_have_ended(work)
        policy = fleet.reading(self.year)
        found = fleet.figures(policy, account.holder, self.year, fleet.members(account.holder, self.year))
        if self.vehicle_type not in found:
            raise NotVisible(
                "not_found", f"there is no fleet of type {self.vehicle_type} of {self.year}", field="vehicle_type"
            )
        figures = fleet.chargeable(policy, found[self.vehicle_type])
        work.law(policy)
        year = year_of(account.holder, self.vehicle_type, self.year)
        year.state = FLEET_YEAR.go(year.state, "submit", held)
        if work.today > year.due_on:
            raise Conflict("too_late", f"the fleet year {self.year} was to be submitted by {year.due_on}", field="year")
        if fleet.account_of(figures.members, account.condition) != account.pk:
            raise Conflict(
                "other_account", f"the {account.condition} share isn't on account {account.number}", field="account"
            )
        charge = figures.charge[account.condition]
        wanted = charge if self.credits_g is None else self.credits_g
        if wanted > charge:
            raise Invalid("credits_g", f"credits_g is {wanted}; the charge comes to {charge} g", field="credits_g")
        year.save()
        share = share_of(year, account)
        submitted(work, share, release=SPEND)
        settlement = _reserve(work, share, wanted, self.vintages, whole=wanted == charge) if wanted else None
        return {
            "year": self.year,
            "vehicle_type": self.vehicle_type,
            "state": year.state,
            "charge_g": charge,
            "reserved_g": wanted,
            "settlement": settlement and settlement.public_id,
        }


def _reserve(work: Work, share: Share, grams: int, vintages: Sequence[int], *, whole: bool) -> Settlement:
    work.post()
    takes = plan(share, grams, work.today, vintages).takes
    settlement = _begin(work, share, grams, 0, 0, "reserve", whole=whole)
    _take(work, share, settlement, takes, "reserved")
    return settlement


def _begin(
    work: Work, share: Share, credits_g: int, money_g: int, rate: int, action: str, *, by: str = SPEND, whole: bool = False
) -> Settlement:
    return Settlement.objects.create(
        public_id=work.id("set"),
        share=share,
        state=SETTLEMENT.go(SETTLEMENT.first, action, {by}),
        credits_g=credits_g,
        money_g=money_g,
        cents_per_g=rate,
        whole=whole,
        begun_id=work.number,
        ended_id=work.number if action == "complete" else None,
    )


def _take(work: Work, share: Share, settlement: Settlement, takes: Sequence[bank.Take], target: str) -> None:
    unit = spending.unit_of(share.account)
    held, to = work.bucket(share.account_id, "held", unit), work.bucket(_owner(share, target), target, unit)
    for one in takes:
        work.move(unit, held, to, one.amount, lot=int(one.lot.id))
    SettledLot.objects.bulk_create(
        SettledLot(settlement=settlement, lot_id=int(one.lot.id), amount_g=one.amount) for one in takes
    )


def _owner(share: Share, kind: str) -> int | None:
    return None if kind == "used" else share.account_id


def submitted(work: Work, share: Share, *, release: str) -> None:
    """Free what is reserved by a submission."""
    for settlement in share.settlements.filter(state="reserved"):
        _from_reserved(work, share, settlement, 0)
        _end(work, settlement, "release", release)


def _end(work: Work, settlement: Settlement, action: str, by: str) -> None:
    settlement.state = SETTLEMENT.go(settlement.state, action, {by})
    settlement.ended_id = work.number
    settlement.save()


def _from_reserved(work: Work, share: Share, settlement: Settlement, keep: int, target: str = "reserved") -> int:
    """Leave the first ``keep`` grams in ``target``, the rest goes back; gives the grams that went back."""
    unit = spending.unit_of(share.account)
    reserved, held = (work.bucket(share.account_id, kind, unit) for kind in ("reserved", "held"))
    back = 0
    for one in settlement.lots.order_by("pk"):
        kept = min(keep, one.amount_g)
        keep -= kept
        if kept and target == "used":
            work.move(unit, reserved, work.bucket(None, "used", unit), kept, lot=one.lot_id)
        if one.amount_g > kept:
            work.move(unit, reserved, held, one.amount_g - kept, lot=one.lot_id)
            back += one.amount_g - kept
            one.amount_g = kept
            one.save()
    return back


def adjust(work: Work, share: Share, charge: int) -> dict[str, int]:
    """Bring what a submission reserved in line with a charge that changed before the determination; nothing is posted.

    Where the whole charge was submitted and rose, the rise is reserved too, or nothing of it where credits don't reach.
    """
    found = list(share.settlements.filter(state="reserved").order_by("pk"))
    before = sum(one.credits_g for one in found)
    over = before - charge
    for settlement in reversed(found):
        if over > 0:
            keep = max(0, settlement.credits_g - over)
            over -= settlement.credits_g - keep
            _from_reserved(work, share, settlement, keep)
            settlement.credits_g = keep
            settlement.save()
            if not keep:
                _end(work, settlement, "release", CASE)
    short = 0
    if before < charge and any(one.whole for one in found):
        try:
            _reserve(work, share, charge - before, (), whole=True)
        except Short:
            short = charge - before
    now = share.settlements.filter(state="reserved").aggregate(n=Sum("credits_g"))["n"] or 0
    return {"reserved_before_g": before, "reserved_g": int(now), "not_reserved_g": short}


def use_submission(work: Work, share: Share) -> int:
    """Use what was reserved for the charge that is determined now, as far as that goes; the rest is free. Gives the grams used."""
    total = 0
    for settlement in share.settlements.filter(state="reserved").order_by("pk"):
        use = min(settlement.credits_g, share.outstanding_g)
        _from_reserved(work, share, settlement, use, "used")
        if use:
            posting.meet(work, share, "met_by_credits", use)
        settlement.credits_g = use
        share.credits_g += use
        total += use
        _end(work, settlement, "complete" if use else "release", CASE)
    return total


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
            settlement = _begin(work, share, self.credits_g, 0, rate, "complete")
            _take(work, share, settlement, takes, "used")
            posting.meet(work, share, "met_by_credits", self.credits_g)
            share.credits_g += self.credits_g
            after(work, share)
            return {"settlement": settlement.public_id, "payment": None, **told(share)}
        settlement = _begin(work, share, self.credits_g, self.money_g, rate, "wait")
        _take(work, share, settlement, takes, "reserved")
        _debit(work, share, settlement, self.provider)
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


def _debit(work: Work, share: Share, settlement: Settlement, provider: str) -> None:
    cents = settlement.due_cents or settlement.money_g * settlement.cents_per_g
    wait = dt.timedelta(days=settings.OPTIONS["CLEANFLEET_DEBIT_DAYS"])
    settlement.payment = payments.create(work, share.account, cents, PURPOSE, settlement.pk, provider, waits=wait)
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
        settlement = _begin(work, share, 0, grams, rate, "fall_due", by=SYSTEM)
        posting.meet(work, share, "met_by_money", grams)
        posting.charge_money(work, share, grams * rate)
        share.money_g += grams
        settlement.due_cents = grams * rate
        _collect(work, share, settlement, {SYSTEM}, self.provider)
        assert settlement.payment is not None
        return {"settlement": settlement.public_id, "payment": settlement.payment.public_id, **told(share)}


def _collect(work: Work, share: Share, settlement: Settlement, held: set[str], provider: str) -> None:
    share.state = SHARE.go(share.state, "collect", held)
    settlement.state = SETTLEMENT.go(settlement.state, "collect", held)
    settlement.ended_id = None
    _debit(work, share, settlement, provider)
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
        _collect(work, share, settlement, held, self.provider)
        assert settlement.payment is not None
        return {"settlement": settlement.public_id, "payment": settlement.payment.public_id, **told(share)}


class RefundFleetCharge(OnShare):
    """Note that money which a correction found overcharged was given back by bank transfer."""

    reference: Annotated[str, pydantic.Field(min_length=1, max_length=80)]

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "finance")
        share = self.find_share(work)
        cents = share.refund_cents
        if not cents:
            raise Conflict("nothing_due", "there is no money to be given back")
        due = work.bucket(share.account_id, "refund_due", MONEY)
        work.move(MONEY, due, work.bucket(None, "refunded", MONEY), cents, subject=share.pk)
        share.refund_cents = 0
        share.save()
        return {"refunded_cents": cents, "reference": self.reference, **told(share)}


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
        work.move(MONEY, payable, work.bucket(None, "paid", MONEY), payment.cents, subject=payment.pk)
        source, target = (work.bucket(None, kind, MONEY) for kind in ("provider", "revenue"))
        work.move(MONEY, source, target, payment.cents, subject=payment.pk)
        share.payable_cents -= payment.cents
        settlement.due_cents = 0
    else:
        _from_reserved(work, share, settlement, settlement.credits_g, "used")
        if settlement.credits_g:
            posting.meet(work, share, "met_by_credits", settlement.credits_g)
        posting.meet(work, share, "met_by_money", settlement.money_g)
        payments.receive(work, payment)
        share.credits_g += settlement.credits_g
        share.money_g += settlement.money_g
    _end(work, settlement, "complete", SYSTEM)
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
        _from_reserved(work, share, settlement, 0)
        _end(work, settlement, "release", SYSTEM)
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
        work.move(MONEY, work.bucket(share.account_id, "refund_due", MONEY), revenue, undone, subject=payment.pk)
        share.refund_cents -= undone
    work.move(MONEY, revenue, provider, payment.cents, subject=payment.pk)
    again = payment.cents - given
    if again:
        work.move(MONEY, work.bucket(None, "paid", MONEY), payable, again, subject=payment.pk)
    if given - undone:  # it was given back already, and now taken back a second time
        work.move(MONEY, work.bucket(None, "charged", MONEY), payable, given - undone, subject=payment.pk)
    settlement.due_cents = payment.cents - undone
    share.payable_cents += settlement.due_cents
    share.state = SHARE.go(share.state, "reverse_debit", {SYSTEM})
    _end(work, settlement, "reverse", SYSTEM)
    after(work, share)
    return {"settlement": settlement.public_id, "owed_cents": settlement.due_cents, **told(share)}


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
