"""What a fleet year posts on an account, and what a correction takes back: always the whole difference, never less.

Credits: issued -> held; taken back: held (or expired, surrendered: unused) -> cancelled. Charges: assessed -> owed ->
met_by_credits or met_by_money; taken back: owed or met -> cancelled. What can't be taken back because it was spent or given away is owed
again, as grams of the year: whoever received it keeps it.
"""

from __future__ import annotations

from typing import NamedTuple

from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict

from .fleet import year_end
from .models import Settlement, Share
from .states import CASE, SETTLEMENT


class Posted(NamedTuple):
    """What one change did to a share, in grams and cents."""

    issued_g: int = 0
    cancelled_g: int = 0
    charged_g: int = 0
    #: Of ``charged_g``: owed for credits that were spent before they were taken back.
    shortfall_g: int = 0
    relieved_g: int = 0
    returned_credits_g: int = 0
    refund_cents: int = 0


def unit(share: Share) -> str:
    """The unit of the grams that the share owes: by condition, type and year, apart from those owed at pay-as-you-go rates."""
    year = share.fleet_year
    return f"charge:{share.account.condition}:{year.vehicle_type}:{year.year}:fleet"


def lot(work: Work, share: Share) -> int:
    """The lot of the year's credits on the account: of the year's vintage, earned on 31 December."""
    year = share.fleet_year.year
    return work.lot(spending.unit_of(share.account), share.account_id, year, year_end(year))


def post(work: Work, share: Share, change: int) -> Posted:
    """Post a change of the share's position, in grams, above zero in the holder's favour.

    In the holder's favour it first relieves what is charged (what is still owed, then what was met last), then issues credits.
    Otherwise it takes back credits, then charges.
    """
    if change > 0:
        relieved = min(change, share.charge_g)
        cents, given = _relieve(work, share, relieved)
        issued = change - relieved
        if issued:
            _credit(work, share, "issued", "held", issued)
        share.issued_g += issued
        share.save()
        return Posted(issued_g=issued, relieved_g=relieved, returned_credits_g=given, refund_cents=cents)
    if change < 0:
        wanted = min(-change, share.issued_g)
        cancelled = _take_back(work, share, wanted)
        charged = -change - cancelled
        if charged:
            grams = unit(share)
            owed = work.bucket(share.account_id, "owed", grams)
            work.move(grams, work.bucket(None, "assessed", grams), owed, charged)
        share.issued_g -= cancelled
        share.charge_g += charged
        share.save()
        return Posted(cancelled_g=cancelled, charged_g=charged, shortfall_g=wanted - cancelled)
    return Posted()


def meet(work: Work, share: Share, bucket: str, grams: int) -> None:
    """Grams owed are met: by credits, or by money (which is then due or paid in cents)."""
    code = unit(share)
    work.move(code, work.bucket(share.account_id, "owed", code), work.bucket(None, bucket, code), grams)


def charge_money(work: Work, share: Share, cents: int) -> None:
    """Money is due."""
    due = work.bucket(share.account_id, "payable", MONEY)
    work.move(MONEY, work.bucket(None, "charged", MONEY), due, cents)
    share.payable_cents += cents


def _credit(work: Work, share: Share, source: str, target: str, grams: int) -> None:
    code = spending.unit_of(share.account)
    places = [work.bucket(share.account_id if kind == "held" else None, kind, code) for kind in (source, target)]
    work.move(code, places[0], places[1], grams, lot=lot(work, share))


def _take_back(work: Work, share: Share, wanted: int) -> int:
    """Cancel credits of the year: what is free in the lot, then what expired or was given up unused here; gives the grams."""
    if not wanted:
        return 0
    code, number = spending.unit_of(share.account), lot(work, share)
    work.post()
    free = next((row.amount for row in book.lots(share.account_id, "held", code) if row.lot == number), 0)
    taken = min(free, wanted)
    if taken:
        _credit(work, share, "held", "cancelled", taken)
    for kind in spending.UNUSED:
        unused = min(spending.unused(share.account_id, number, kind), wanted - taken)
        if unused:
            _credit(work, share, kind, "cancelled", unused)
        taken += unused
    return taken


def _relieve(work: Work, share: Share, grams: int) -> tuple[int, int]:
    """Take ``grams`` of the charge back; gives (cents to be given back, grams of credits given back)."""
    code = unit(share)
    cancelled = work.bucket(None, "cancelled", code)
    left = grams
    open_ = min(left, share.outstanding_g)
    if open_:
        work.move(code, work.bucket(share.account_id, "owed", code), cancelled, open_)
        left -= open_
    refund = given = 0
    for settlement in share.settlements.filter(state__in=("done", "due")).order_by("-pk"):
        money = min(left, settlement.money_g - settlement.returned_money_g)
        if money:
            work.move(code, work.bucket(None, "met_by_money", code), cancelled, money)
            refund += _return_money(work, share, settlement, money)
            left -= money
        given_back = _return_credits(work, share, settlement, left)
        if given_back:
            work.move(code, work.bucket(None, "met_by_credits", code), cancelled, given_back)
            share.credits_g -= given_back
            given += given_back
            left -= given_back
    if left:
        missing = f"which lots met {left} g of the charge"
        raise Conflict("offset_unknown", f"the charge can't be taken back; missing: {missing}", missing=[missing])
    share.charge_g -= grams
    return refund, given


def _return_money(work: Work, share: Share, settlement: Settlement, grams: int) -> int:
    """Undo money for grams: what wasn't paid yet is no longer due, what was paid is to be given back; gives those cents."""
    cents = grams * settlement.cents_per_g
    charged, owner = work.bucket(None, "charged", MONEY), share.account_id
    settlement.returned_money_g += grams
    share.money_g -= grams
    refund = 0
    if settlement.state == "due":
        work.move(MONEY, work.bucket(owner, "payable", MONEY), charged, cents)
        share.payable_cents -= cents
        settlement.due_cents -= cents
        if not settlement.due_cents:
            settlement.state = SETTLEMENT.go("due", "cancel", {CASE})
    else:
        work.move(MONEY, work.bucket(None, "paid", MONEY), charged, cents)
        work.move(MONEY, work.bucket(None, "revenue", MONEY), work.bucket(owner, "refund_due", MONEY), cents)
        share.refund_cents += cents
        refund = cents
    settlement.save()
    return refund


def _return_credits(work: Work, share: Share, settlement: Settlement, most: int) -> int:
    """Give credits back into the lots that they came from, the last used first; gives the grams."""
    code = spending.unit_of(share.account)
    used, held = work.bucket(None, "used", code), work.bucket(share.account_id, "held", code)
    left = most
    for one in settlement.lots.order_by("-pk"):
        grams = min(left, one.amount_g - one.returned_g)
        if grams:
            work.move(code, used, held, grams, lot=one.lot_id)
            one.returned_g += grams
            one.save()
            left -= grams
    return most - left
