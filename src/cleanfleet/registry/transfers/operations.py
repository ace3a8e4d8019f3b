"""Giving and receiving credits.

Grams: held -> reserved (giver) -> held (receiver), the lot goes along. Where the receiver's account is of the other condition: reserved
-> exchange in the giver's unit, exchange -> held in the receiver's, in a lot whose origin is the giver's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

import pydantic
from django.conf import settings
from django.db.models import Q

from cleanfleet import credits as bank
from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.acceptance.operations import Vintage
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import OnAccount, hold_open
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible
from cleanfleet.registry.rulings import law

from .models import Offer
from .states import OFFER

GivenGrams = Annotated[int, pydantic.Field(ge=1, le=10**12, strict=True)]


class _Giving(OnAccount):
    """What both ways of giving share: from which account, to which, how many grams, of which vintages."""

    to_account: str
    grams: GivenGrams
    vintages: list[Vintage] = pydantic.Field(default_factory=list)

    def pair(self, work: Work) -> tuple[Account, Account]:
        given, taken = self.account.upper(), self.to_account.strip().upper()
        named = Q(number__in=(given, taken)) | Q(public_id=self.account)
        numbers = [pk for (pk,) in Account.objects.filter(named).values_list("pk")]
        work.lock(*numbers)
        both = list(Account.objects.select_related("holder").filter(pk__in=numbers))
        source = next((a for a in both if self.account == a.public_id or given == a.number), None)
        target = next((a for a in both if taken == a.number), None)
        held = permissions.permissions(work.by, source)
        if source is None or not permissions.sees(work.by, held):
            raise NotVisible("not_found", f"there is no account {self.account!r} that you may see", field="account")
        if target is None:
            raise NotVisible("not_found", f"there is no account {self.to_account!r}", field="to_account")
        if target.pk == source.pk:
            raise Invalid("same_account", f"to_account is {target.number}, the account that gives", field="to_account")
        permissions.must_hold(held, source, "transfer_credits")
        _may_give(source)
        _may_take(target)
        return source, target


class OfferTransfer(_Giving):
    """Offer credits to another holder's account; they are reserved until the offer is answered or lapses. ss 180, 184."""

    def run(self, work: Work) -> dict[str, Any]:
        source, target = self.pair(work)
        _verified(source, target)
        among = spending.lots(source, source.condition)
        takes = _plan(source, target, self.grams, work.today, self.vintages, among)
        offer = Offer.objects.create(
            public_id=work.id("off"),
            source=source,
            target=target,
            grams=self.grams,
            state=OFFER.first,
            offered_on=work.today,
            lapses_on=work.today + dt.timedelta(days=settings.OPTIONS["CLEANFLEET_OFFER_DAYS"]),
            begun_id=work.number,
        )
        spending.take(work, source, takes, "held", "reserved", subject=offer.pk, about="offer")
        return _told(offer)


class TransferOwn(_Giving):
    """Move credits between a holder's own accounts, in one step; new and used are exchanged as between any two."""

    def run(self, work: Work) -> dict[str, Any]:
        source, target = self.pair(work)
        if source.holder_id != target.holder_id:
            raise Conflict(
                "other_holder", f"account {target.number} is another holder's; offer the transfer", field="to_account"
            )
        among = spending.lots(source, source.condition)
        takes = _plan(source, target, self.grams, work.today, self.vintages, among)
        received = _hand_over(
            work, source, target, [(int(t.lot.id), t.amount) for t in takes], "held", work.number, "operation", among
        )
        return {"account": source.public_id, "to_account": target.number, "grams": self.grams, "received_grams": received}


class _OnOffer(Action):
    """What operations on an offer share."""

    offer: str

    def find(self, work: Work) -> Offer:
        visible = permissions.visible_to(work.by).values("pk")
        offers = Offer.objects.filter(source__in=visible) | Offer.objects.filter(target__in=visible)
        offer = offers.filter(public_id=self.offer).first()
        if offer is None:
            raise NotVisible("not_found", f"there is no offer {self.offer!r} that you may see", field="offer")
        work.lock(offer.source_id, offer.target_id)
        return Offer.objects.select_related("source__holder", "target__holder").get(pk=offer.pk)

    def go(self, work: Work, offer: Offer, action: str) -> None:
        held = {f"giver:{p}" for p in permissions.permissions(work.by, offer.source)}
        held |= {f"receiver:{p}" for p in permissions.permissions(work.by, offer.target)}
        held |= permissions.permissions(work.by) & {permissions.SYSTEM}
        offer.state = OFFER.go(offer.state, action, held)
        offer.ended_id = work.number
        offer.save()

    def give_back(self, work: Work, offer: Offer) -> None:
        unit = spending.unit_of(offer.source)
        reserved, held = (work.bucket(offer.source_id, kind, unit) for kind in ("reserved", "held"))
        for lot, amount in _reserved(offer):
            work.move(unit, reserved, held, amount, lot=lot, subject=offer.pk, about="offer")


class AcceptTransfer(_OnOffer):
    """Take the credits that are offered; the law of this day decides whether and how they are exchanged."""

    def run(self, work: Work) -> dict[str, Any]:
        offer = self.find(work)
        self.go(work, offer, "accept")
        if work.today > offer.lapses_on:
            raise Conflict("lapsed", f"the offer lapsed after {offer.lapses_on}")
        _may_give(offer.source)
        _may_take(offer.target)
        _verified(offer.source, offer.target)
        among = spending.lots(offer.source, offer.source.condition)
        given = (_reserved(offer), "reserved", offer.pk, "offer", among)
        offer.received_grams = _hand_over(work, offer.source, offer.target, *given)
        offer.save(update_fields=["received_grams"])
        return _told(offer)


class DeclineTransfer(_OnOffer):
    """Refuse what is offered: the giver's credits are free again."""

    def run(self, work: Work) -> dict[str, Any]:
        offer = self.find(work)
        self.go(work, offer, "decline")
        self.give_back(work, offer)
        return _told(offer)


class WithdrawTransfer(_OnOffer):
    """Take an offer back before it is answered."""

    def run(self, work: Work) -> dict[str, Any]:
        offer = self.find(work)
        self.go(work, offer, "withdraw")
        self.give_back(work, offer)
        return _told(offer)


class LapseTransfer(_OnOffer):
    """An offer that nobody answered in time; the daily job does it."""

    def run(self, work: Work) -> dict[str, Any]:
        offer = self.find(work)
        if work.today <= offer.lapses_on:
            raise Conflict("not_over", f"the offer stands until {offer.lapses_on}")
        self.go(work, offer, "lapse")
        self.give_back(work, offer)
        return _told(offer)


class ExpireCredits(OnAccount):
    """Book out the account's credits whose last day has passed, by the law as it is known today; the daily job does it.

    What is reserved stays with the operation that waits for it. Spending asks for the last day itself and doesn't wait for this.
    Nothing expires by a doubtful rule that the agency hasn't confirmed.
    """

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require_role(work.by, permissions.SYSTEM)
        rules, known = law.bank(work.today), law.policy(work.today).known
        unit = spending.unit_of(account)
        held, expired = work.bucket(account.pk, "held", unit), work.bucket(None, "expired", unit)
        gone = [
            lot
            for lot in spending.lots(account, account.condition)
            if lot.free and bank.last_day(lot, work.today, known, rules) < work.today
        ]
        law.chargeable(spending.life_marks(gone, work.today))
        for lot in sorted(gone, key=lambda lot: int(lot.id)):
            work.move(unit, held, expired, lot.free, lot=int(lot.id))
        if gone:
            work.law(law.policy(work.today))
        return {"account": account.public_id, "expired_g": sum(lot.free for lot in gone)}


def _plan(
    source: Account, target: Account, grams: int, on: dt.date, vintages: Sequence[int], among: Sequence[bank.Lot]
) -> tuple[bank.Take, ...]:
    if source.condition == target.condition:
        return spending.plan(source, grams, on, vintages=vintages, for_transfer=True, among=among).takes
    try:
        found = bank.plan_exchange(
            among,
            grams,
            source=source.condition,
            target=target.condition,
            on=on,
            known=law.policy(on).known,
            rules=law.bank(on),
            vintages=vintages,
            for_transfer=True,
        )
        spending.confirmed(found.plan, among, use=False)
        return found.plan.require().takes
    except bank.CreditError as error:
        raise spending.refusal(error) from error


def _hand_over(
    work: Work,
    source: Account,
    target: Account,
    lots: Sequence[tuple[int, int]],
    bucket: str,
    subject: int,
    about: str,
    among: Sequence[bank.Lot],
) -> int:
    """Move grams of the giver's lots to the receiver, exchanged where the conditions differ; gives the grams received."""
    today = work.today
    rules, known = law.bank(today), law.policy(today).known
    rows = {int(lot.id): lot for lot in among}
    try:
        marks = rules.at(today, known).transferable(source.condition)
    except bank.CreditError as error:
        raise spending.refusal(error) from error
    law.chargeable([*marks, *spending.life_marks((rows[lot] for lot, _ in lots), today)])
    for lot, _ in lots:
        last = bank.last_day(rows[lot], today, known, rules)
        if last < today:
            raise Conflict(
                "expired", f"credits of vintage {rows[lot].vintage} could be used until {last}; withdraw the offer"
            )
    given, taken = spending.unit_of(source), spending.unit_of(target)
    start = work.bucket(source.pk, bucket, given)
    if source.condition == target.condition:
        for lot, amount in lots:
            work.move(given, start, work.bucket(target.pk, "held", given), amount, lot=lot, subject=subject, about=about)
        return sum(amount for _, amount in lots)
    ordered = [
        bank.Lot(lot, source.number, source.condition, rows[lot].vintage, rows[lot].earned_on, amount)
        for lot, amount in lots
    ]
    try:
        found = bank.plan_exchange(
            ordered,
            sum(amount for _, amount in lots),
            source=source.condition,
            target=target.condition,
            on=today,
            known=known,
            rules=rules,
        )
    except bank.CreditError as error:
        raise spending.refusal(error) from error
    law.chargeable(found.plan.marks)
    held = work.bucket(target.pk, "held", taken)
    for take, received in zip(found.plan.takes, found.receipts, strict=True):
        lot = int(take.lot.id)
        work.move(given, start, work.bucket(None, "exchange", given), take.amount, lot=lot, subject=subject, about=about)
        if received:
            made = work.lot(taken, target.pk, take.lot.vintage, take.lot.earned_on, origin=lot)
            work.move(taken, work.bucket(None, "exchange", taken), held, received, lot=made, subject=subject)
    return found.received


def _reserved(offer: Offer) -> list[tuple[int, int]]:
    """(lot, grams) that the offer reserved, in the order of use."""
    return list(
        Movement.objects.filter(seal_id=offer.begun_id, target__kind="reserved", subject=offer.pk, about="offer")
        .order_by("line")
        .values_list("lot_id", "amount")
    )


def _may_give(account: Account) -> None:
    if account.state != "open":
        raise Conflict("account_not_open", f"account {account.number} is {account.state} and gives no credits")
    owed = {unit: amount for (kind, unit), amount in book.balances(account.pk).items() if kind in ("owed", "payable")}
    if owed:
        shown = ", ".join(
            f"{amount} {'cents' if unit == 'NZD' else 'g of ' + unit}" for unit, amount in sorted(owed.items())
        )
        raise Conflict(
            "charges_open", f"account {account.number} owes {shown}; credits can be given once that is met", owed=shown
        )


def _may_take(account: Account) -> None:
    if account.state != "open":
        raise Conflict(
            "account_not_open", f"account {account.number} is {account.state} and takes no credits", field="to_account"
        )


def _verified(*accounts: Account) -> None:
    for account in accounts:
        if account.holder.aml != "verified":
            raise Forbidden(
                "not_verified", f"the holder of account {account.number} isn't verified against money laundering"
            )


def _told(offer: Offer) -> dict[str, Any]:
    return {
        "offer": offer.public_id,
        "state": offer.state,
        "grams": offer.grams,
        "received_grams": offer.received_grams,
        "lapses_on": str(offer.lapses_on),
    }


@hold_open
def _offers(account: Account) -> str | None:
    waiting = (Offer.objects.filter(source=account) | Offer.objects.filter(target=account)).filter(state=OFFER.first).count()
    return f"{waiting} offered transfers wait" if waiting else None
