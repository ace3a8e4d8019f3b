"""This register's accounts as a package: what another register, or an empty one of this kind, takes in."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from cleanfleet.registry import clock
from cleanfleet.registry.accounts.models import Account, Grant, Holder, Person
from cleanfleet.registry.accounts.permissions import OWNER
from cleanfleet.registry.fleets.models import FleetYear, Share, Standing
from cleanfleet.registry.ledger.models import Balance, Lot, Movement
from cleanfleet.registry.ledger.operations import digest
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import NotDetermined

from . import export_cars, flight
from .layout import BUCKETS, COUNTED, FORMAT, SCALE
from .models import Origin
from .package import Package, Row
from .posting_fleets import FIGURES
from .rates import rate_of

Cells = dict[str, str]
#: What a name or an address is once it was erased; the dry run knows it.
ERASED = "erased"


def text(value: Any) -> str:
    """A value as a cell: ISO dates, true and false; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def scaled(units: int) -> str:
    """0.0001 g/km as g/km."""
    return f"{Decimal(units) / SCALE:f}"


def sorted_rows(found: Iterable[Cells], *keys: str) -> list[Row]:
    """Rows numbered in the order of their keys, without empty cells."""
    ordered = sorted(found, key=lambda cells: tuple(cells.get(key, "") for key in keys))
    return [Row(number, {c: cell for c, cell in cells.items() if cell}) for number, cells in enumerate(ordered, 1)]


class Keys:
    """The keys that persons, holders and accounts have in a package: those that they came with, else made of their ids here."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], str] = {}
        told = list(Origin.objects.order_by("pk").values_list("kind", "public_id", "key"))
        often = Counter((kind, key) for kind, _, key in told)
        for kind, public_id, key in told:
            if often[kind, key] == 1:  # two registers may have used one number
                self.known[kind, public_id] = key
        self.accounts = {
            pk: self.known.get(("account", public_id), f"EX-{number}")
            for pk, public_id, number in Account.objects.values_list("pk", "public_id", "number")
        }

    def person(self, public_id: str) -> str:
        return self.known.get(("person", public_id), public_id)

    def holder(self, public_id: str) -> str:
        return self.known.get(("holder", public_id), public_id)


def export(register: str) -> Package:
    """Everything as it stands now. Raises :class:`Conflict` where something is under way that a package can't tell."""
    flight.check()
    keys, tables = Keys(), {}
    own = {"format": FORMAT, "register": register, "as_of": text(clock.today())}
    tables["package"] = [Row(1, own)]
    tables |= _parties(keys)
    tables["lots"], tables["charges"], tables["money"] = _lots(keys), _charges(keys), _money(keys)
    tables |= _fleets(keys)
    tables["vehicles"] = sorted_rows(export_cars.vehicles(keys.accounts), "account", "vin", "chassis", "register_id")
    history = export_cars.history(keys.accounts)
    tables["history"] = [Row(number, {c: v for c, v in cells.items() if v}) for number, cells in enumerate(history, 1)]
    tables["control"] = _control(keys, {name: len(rows) for name, rows in tables.items()})
    return Package(tables)


def _parties(keys: Keys) -> dict[str, list[Row]]:
    grants = list(Grant.objects.filter(ended=None).values_list("account_id", "verb", "principal_id", "principal__public_id"))
    people = {principal: public_id for _, _, principal, public_id in grants}
    known = {pk: told for pk, *told in Person.objects.values_list("principal_id", "name", "email")}
    persons = []
    for pk, public_id in people.items():
        name, email = known.get(pk, ("", ""))
        persons.append(
            {"person": keys.person(public_id), "full_name": name or ERASED, "email": email or f"{ERASED}@{ERASED}"}
        )
    standings = {s.holder_id: s for s in Standing.objects.exclude(state="revoked").select_related("application")}
    holders = []
    for holder in Holder.objects.filter(accounts__isnull=False).distinct():
        cells = {"holder": keys.holder(holder.public_id), **{n: text(getattr(holder, n)) for n in _HOLDER}}
        cells |= {"name": holder.name or ERASED, "address": holder.address or ERASED}
        standing = standings.get(holder.pk)
        if standing is not None:
            cells |= {"fleet_since": text(standing.starts_on), "fleet_state": standing.state}
            cells |= {name: text(getattr(standing.application, name)) for name in _DECLARED}
        holders.append(cells)
    owners = {account: keys.person(public_id) for account, verb, _, public_id in grants if verb == OWNER}
    accounts = [
        {
            "account": keys.accounts[account.pk],
            "holder": keys.holder(account.holder.public_id),
            "owner": owners[account.pk],
            **{name: text(getattr(account, name)) for name in _ACCOUNT},
        }
        for account in Account.objects.select_related("holder")
    ]
    others = [
        {"account": keys.accounts[account], "person": keys.person(public_id), "verb": verb}
        for account, verb, _, public_id in grants
        if verb != OWNER
    ]
    return {
        "persons": sorted_rows(persons, "person"),
        "holders": sorted_rows(holders, "holder"),
        "accounts": sorted_rows(accounts, "account"),
        "grants": sorted_rows(others, "account", "person", "verb"),
    }


_HOLDER = ("kind", "aml", "aml_reviewed_on")
_DECLARED = ("applicant_insolvency", "related_party_insolvency")
_ACCOUNT = (
    "condition", "scheme", "state", "name", "opened_on", "state_since", "state_reason", "suspended_until", "appealed_on",
    "answer_by", "auto_accept_below", "auto_accept_above", "listed",
)  # fmt: skip


def _lots(keys: Keys) -> list[Row]:
    grams: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    held = Balance.objects.filter(bucket__kind="held", amount__gt=0, lot__isnull=False)
    for owner, lot, amount in held.values_list("bucket__owner_id", "lot_id", "amount"):
        grams[owner, lot][0] = amount
    gone = Movement.objects.filter(source__kind="held", target__kind="expired").values_list("source__owner_id", "lot_id")
    for owner, lot, amount in gone.annotate(n=Sum("amount")).order_by():
        grams[owner, lot][1] += amount
    born = {lot.pk: lot for lot in Lot.objects.select_related("unit")}
    # what a correction took back of it came off the account that earned the lot
    back = Movement.objects.filter(source__kind="expired", target__kind="cancelled").values_list("lot_id")
    for lot, amount in back.annotate(n=Sum("amount")).order_by():
        grams[born[lot].owner_id, lot][1] -= amount
    wanted = [place for place, (here, expired) in grams.items() if here or expired]
    named: dict[int, str] = {}

    def key(lot: int) -> str:
        """A key made of what the lot is, so that it is the same in every export."""
        if lot not in named:
            one = born[lot]
            told = [one.unit.code, keys.accounts[one.owner_id], one.vintage, text(one.earned_on)]
            named[lot] = "L-" + digest(str([*told, key(one.origin_id) if one.origin_id else ""]))[:16]
        return named[lot]

    origins: set[int] = set()
    at: list[int | None] = [born[lot].origin_id for _, lot in wanted]
    while at:
        before = at.pop()
        if before is not None and before not in origins:
            origins.add(before)
            at.append(born[before].origin_id)
    there = {lot for _, lot in wanted}
    wanted += [(born[lot].owner_id, lot) for lot in origins - there]
    found = []
    for owner, lot in wanted:
        one, (here, expired) = born[lot], grams[owner, lot]
        found.append(
            {
                "account": keys.accounts[owner],
                "pool": one.unit.code.partition(":")[2],
                "earned_on": text(one.earned_on),
                "vintage": str(one.vintage),
                "grams": str(here),
                "expired_g": str(expired) if expired else "",
                "earned_by": keys.accounts[one.owner_id] if one.owner_id != owner else "",
                "lot": key(lot) if lot in origins else "",
                "origin": key(one.origin_id) if one.origin_id else "",
            }
        )
    return sorted_rows(found, "account", "pool", "earned_on", "vintage", "earned_by", "origin")


def _balances(kinds: Iterable[str]) -> list[tuple[int, str, str, int]]:
    """(owner, bucket, unit, amount) of the buckets of these kinds that hold something, all lots together."""
    found = Balance.objects.filter(bucket__kind__in=list(kinds), amount__gt=0)
    told = found.values_list("bucket__owner_id", "bucket__kind", "bucket__unit__code").annotate(n=Sum("amount"))
    return [(owner, kind, unit, int(n)) for owner, kind, unit, n in told.order_by()]


def _charges(keys: Keys) -> list[Row]:
    found = []
    for owner, _, unit, amount in _balances(["owed"]):
        _, _, vehicle_type, year, *fleet = unit.split(":")
        try:
            rate = str(rate_of(unit, clock.today()))
        except NotDetermined:
            rate = ""
        place = {"account": keys.accounts[owner], "vehicle_type": vehicle_type, "year": year}
        found.append({**place, "scheme": "fleet" if fleet else "payg", "grams": str(amount), "rate_cents": rate})
    return sorted_rows(found, "account", "vehicle_type", "year", "scheme")


def _money(keys: Keys) -> list[Row]:
    """Each amount with its payment's reference; what has none of its own in one row."""
    left = {(owner, kind): amount for owner, kind, unit, amount in _balances(BUCKETS) if unit == MONEY}
    found: Counter[tuple[int, str, str]] = Counter()
    states = {"late": "unallocated", "refund_due": "refund_due"}
    for payment in Payment.objects.filter(state__in=states).order_by("pk"):
        bucket = states[payment.state]
        part = min(payment.cents, left.get((payment.account_id, bucket), 0))
        if part:
            left[payment.account_id, bucket] -= part
            found[payment.account_id, bucket, payment.reference] += part
    for (owner, kind), amount in left.items():
        if amount:
            found[owner, kind, ""] += amount
    return sorted_rows(
        (
            {"account": keys.accounts[owner], "bucket": kind, "cents": str(amount), "reference": reference}
            for (owner, kind, reference), amount in found.items()
        ),
        "account", "bucket", "reference",
    )  # fmt: skip


def _fleets(keys: Keys) -> dict[str, list[Row]]:
    years = []
    for year in FleetYear.objects.filter(state="determined").select_related("holder").prefetch_related("determinations"):
        last = max(year.determinations.all(), key=lambda one: one.number)
        means = {name: text(getattr(last, name)) for name in ("target", "average")}
        figures = {name: str(getattr(last, name)) for name in FIGURES} | {"net": scaled(last.net)}
        own = {name: text(getattr(year, name)) for name in ("vehicle_type", "year", "due_on", "deferred_to")}
        head = {"holder": keys.holder(year.holder.public_id), "known_on": text(last.known)}
        years.append({**head, **own, **means, **figures})
    shares = [
        {
            "account": keys.accounts[share.account_id],
            "vehicle_type": share.fleet_year.vehicle_type,
            "year": str(share.fleet_year.year),
            **{name: text(getattr(share, name)) for name in ("issued_g", "charge_g", "credits_g", "money_g", "settle_by")},
        }
        for share in Share.objects.filter(fleet_year__state="determined").select_related("fleet_year")
    ]
    return {
        "fleet_years": sorted_rows(years, "holder", "vehicle_type", "year"),
        "fleet_shares": sorted_rows(shares, "account", "vehicle_type", "year"),
    }


def _control(keys: Keys, rows: dict[str, int]) -> list[Row]:
    """Totals from the book's balances: by unit, and by account and unit."""
    sums: Counter[tuple[str, str]] = Counter()
    for owner, kind, unit, amount in _balances(["held", "owed", *BUCKETS]):
        shown = f"{unit}:{kind}" if unit == MONEY else unit
        sums[keys.accounts[owner], shown] += amount
        sums["", shown] += amount
    found = [{"measure": "rows", "table": name, "value": str(rows[name])} for name in COUNTED if rows.get(name)]
    found += [
        {"measure": "sum", "unit": unit, "account": account, "value": str(amount)}
        for (account, unit), amount in sums.items()
    ]
    return sorted_rows(found, "measure", "table", "unit", "account")
