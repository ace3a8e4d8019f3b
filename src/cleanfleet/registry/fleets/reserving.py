"""A settlement's credits: which lots, reserved or used, and given back; its row from its beginning to its end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from django.db.models import Q, Sum

from cleanfleet import credits as bank
from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.rulings import law

from .models import SettledLot, Settlement, Share
from .states import SETTLEMENT, SPEND


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
    lots = _lots(account, year.due_on)
    try:
        found = bank.plan_offset(
            obligation,
            lots,
            on=on,
            known=law.policy(on).known,
            rules=law.bank(on),
            vintages=vintages,
            acquired_by=year.due_on,
        )
        spending.confirmed(found, lots, use=True)
        return found.require()
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


def begin(
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


def take(work: Work, share: Share, settlement: Settlement, takes: Sequence[bank.Take], target: str) -> None:
    unit = spending.unit_of(share.account)
    held, to = work.bucket(share.account_id, "held", unit), work.bucket(_owner(share, target), target, unit)
    for one in takes:
        work.move(unit, held, to, one.amount, lot=int(one.lot.id))
    SettledLot.objects.bulk_create(
        SettledLot(settlement=settlement, lot_id=int(one.lot.id), amount_g=one.amount) for one in takes
    )


def _owner(share: Share, kind: str) -> int | None:
    return None if kind == "used" else share.account_id


def end(work: Work, settlement: Settlement, action: str, by: str) -> None:
    settlement.state = SETTLEMENT.go(settlement.state, action, {by})
    settlement.ended_id = work.number
    settlement.save()


def from_reserved(work: Work, share: Share, settlement: Settlement, keep: int, target: str = "reserved") -> int:
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
