"""Deadlines: what is due on which day, of one account or of all; overdue ones stay until they are dealt with."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Sum

from cleanfleet import credits as bank
from cleanfleet.registry import clock
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.fleets.models import Share
from cleanfleet.registry.ledger.models import Balance
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.rulings import law
from cleanfleet.registry.transfers.models import Offer
from cleanfleet.registry.transfers.states import OFFER
from cleanfleet.registry.vehicles import queries as vehicles
from cleanfleet.registry.vehicles.models import Dispute

from . import owed

ACCEPT, TRANSFER, OWNER = "holder:accept_vehicles", "holder:transfer_credits", "holder:owner"
CASE, FINANCE = "agency:case_officer", "agency:finance"


class Kind(NamedTuple):
    """Who is told of a deadline: ``to`` so many days before (None: the setting's), ``over`` once it is over, again every so
    many days (None: once; 0: the setting's) until it is dealt with."""

    to: tuple[str, ...]
    lead: int | None = None
    over: tuple[str, ...] = ()
    again: int | None = None


#: Days before which credits are told to expire. They are added up for each day.
EXPIRING_DAYS = 90
#: Importers with pending charges were told each month (NZTA's notice of 1 March 2023).
MONTHLY = 30
KINDS = {
    "dispute_answer": Kind((), 0, (CASE, ACCEPT), 0),  # and whoever has to answer
    "quote_ends": Kind((ACCEPT,), 0),
    "charge_due": Kind((ACCEPT,), None, (ACCEPT,), MONTHLY),
    "fleet_year_due": Kind((TRANSFER,), None, (TRANSFER, FINANCE), MONTHLY),
    "deferral_due": Kind((TRANSFER,), None, (TRANSFER, FINANCE), MONTHLY),
    "offer_lapses": Kind((TRANSFER,)),
    "credits_expire": Kind((TRANSFER,), EXPIRING_DAYS),
    "suspension_ends": Kind((OWNER,)),
    "closing_answer": Kind((OWNER,), None, (CASE,)),
}


class Deadline(NamedTuple):
    """Something that is due on ``day``: its kind (of :data:`KINDS`), the account, the id of what it is about and what the holder
    knows that by (a VIN, an account, a year), grams or cents where it has any, and ``answers``: who has to act, if not the holder."""

    day: dt.date
    kind: str
    account: int
    number: str
    subject: str
    reference: str
    grams: int | None = None
    cents: int | None = None
    answers: str = ""

    def overdue(self, on: dt.date) -> bool:
        """Whether the day is over."""
        return self.day < on


def deadlines(account: Account, on: dt.date) -> list[Deadline]:
    """All deadlines of an account that lie ahead of ``on`` or are overdue and still open, the first due first.

    Who asks must be allowed to see the account.
    """
    return sorted(of_all(on, account), key=lambda one: (one.day, one.kind, one.subject))


def of_all(on: dt.date, account: Account | None = None) -> Iterator[Deadline]:
    """The same for every account, or for one."""
    mine: dict[str, Any] = {} if account is None else {"account": account}
    yield from _disputes(account)
    yield from _quotes(mine)
    yield from _charges(on, account)
    yield from _offers(account)
    yield from _credits(on, account)
    yield from _accounts(account)


def _disputes(account: Account | None) -> Iterator[Deadline]:
    mine: dict[str, Any] = {} if account is None else {"claim__account": account}
    found = list(Dispute.objects.filter(answered=None, **mine).select_related("claim__account").order_by("pk"))
    named = vehicles.names({one.claim.vehicle_id for one in found})
    for one in found:
        of = one.claim.account
        who = CASE if one.with_whom == "agency" else one.with_whom
        vehicle = named.get(one.claim.vehicle_id, "")
        yield Deadline(one.answer_by, "dispute_answer", of.pk, of.number, one.public_id, vehicle, answers=who)


def _quotes(mine: dict[str, Any]) -> Iterator[Deadline]:
    """Quotes that wait for the holder's money; a direct debit waits for the bank."""
    waiting = Payment.objects.filter(state__in=("created", "started"), purpose__in=("acceptance", "charges"), **mine)
    for one in waiting.select_related("account").order_by("pk"):
        place = (one.account_id, one.account.number, one.public_id, one.purpose)
        yield Deadline(clock.day_of(one.expires_at), "quote_ends", *place, cents=one.cents)


def _charges(on: dt.date, account: Account | None) -> Iterator[Deadline]:
    deferred = Share.objects.filter(state="deferred").values_list(
        "account_id", "fleet_year__vehicle_type", "fleet_year__year"
    )
    later = set(deferred)
    for one in owed.of_all(on, account):
        kind = "charge_due" if one.scheme == "payg" else "fleet_year_due"
        if kind == "fleet_year_due" and (one.account, one.vehicle_type, one.year) in later:
            kind = "deferral_due"
        what = f"{one.vehicle_type} {one.year}" if one.year else "payment taken back"
        yield Deadline(one.due_on, kind, one.account, one.number, one.subject, what, one.grams or None, one.cents)


def _offers(account: Account | None) -> Iterator[Deadline]:
    found = Offer.objects.filter(state=OFFER.first)
    if account is not None:
        found = found.filter(source=account) | found.filter(target=account)
    for one in found.select_related("source", "target").order_by("pk"):
        for of, other in ((one.source, one.target), (one.target, one.source)):
            if account is None or of.pk == account.pk:
                yield Deadline(one.lapses_on, "offer_lapses", of.pk, of.number, one.public_id, other.number, one.grams)


def _credits(on: dt.date, account: Account | None) -> Iterator[Deadline]:
    """For each account and day the grams whose last day it is, all lots together, also those that are reserved."""
    known, rules = law.policy(on).known, law.bank(on)

    @cache
    def last(pool: str, vintage: int, earned_on: dt.date) -> dt.date | None:
        try:
            return bank.last_day(bank.Lot(0, "", pool, vintage, earned_on, 1), on, known, rules)
        except bank.CreditError:
            return None

    there = Balance.objects.filter(bucket__kind__in=("held", "reserved"), lot__isnull=False, amount__gt=0)
    if account is not None:
        there = there.filter(bucket__owner_id=account.pk)
    lots = there.values_list("bucket__owner_id", "bucket__unit__code", "lot__vintage", "lot__earned_on")
    sums: dict[tuple[int, dt.date], int] = defaultdict(int)
    for owner, unit, vintage, earned_on, grams in lots.annotate(n=Sum("amount")):
        day = last(unit.split(":")[1], vintage, earned_on)
        if owner is not None and day is not None and on <= day < dt.date.max:
            sums[owner, day] += int(grams)
    numbers = {a.pk: (a.public_id, a.number) for a in Account.objects.filter(pk__in={owner for owner, _ in sums})}
    for (owner, day), grams in sums.items():
        public_id, number = numbers[owner]
        yield Deadline(day, "credits_expire", owner, number, public_id, number, grams)


def _accounts(account: Account | None) -> Iterator[Deadline]:
    found = Account.objects.filter(state__in=("suspended", "closing"))
    for one in (found if account is None else found.filter(pk=account.pk)).order_by("pk"):
        ends = one.suspended_until if one.state == "suspended" else one.answer_by
        kind = "suspension_ends" if one.state == "suspended" else "closing_answer"
        if ends is not None:
            yield Deadline(ends, kind, one.pk, one.number, one.public_id, one.number)


class Told(NamedTuple):
    """A deadline that somebody is to be told of now: the recipient, and how often they were told before."""

    deadline: Deadline
    recipient: str
    step: int


def to_tell(on: dt.date) -> list[Told]:
    """Of all accounts' deadlines, which are near enough or over, and who is to be told; whether they have been isn't asked here."""
    found = []
    for one in of_all(on):
        kind = KINDS[one.kind]
        lead = settings.OPTIONS["CLEANFLEET_NOTICE_DAYS"] if kind.lead is None else kind.lead
        if not one.overdue(on):
            if (one.day - on).days <= lead:
                found += [Told(one, who, 0) for who in kind.to]
            continue
        again = settings.OPTIONS["CLEANFLEET_REMIND_DAYS"] if kind.again == 0 else kind.again
        step = 1 if again is None else 1 + ((on - one.day).days - 1) // again
        found += [Told(one, who, step) for who in dict.fromkeys((*([one.answers] if one.answers else []), *kind.over))]
    return sorted(found, key=lambda told: (told.deadline[:5], told.recipient))
