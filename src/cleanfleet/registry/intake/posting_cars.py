"""Vehicles of a package: entered and ready ones wait here as they did there; accepted ones keep what the old register posted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cleanfleet import credits as bank
from cleanfleet.registry.acceptance.models import Acceptance
from cleanfleet.registry.ledger.models import LawSnapshot
from cleanfleet.registry.ledger.operations import canonical, digest
from cleanfleet.registry.rulings import law

from .against import attributes, known_vehicles, posted
from .amounts import identity
from .cars import identifiers
from .cells import Read
from .models import Lack
from .posting import Opening, by, insert, numbers

_FIGURES = ("vehicle_type", "flags", "co2", "target", "difference", "credit_g", "charge_g", "charge_cents")


def snapshot(opening: Opening) -> str:
    """The digest that stands for the law of what another register posted: its own, which isn't worked out here."""
    told = canonical({"posted_by": opening.intake.register, "package": opening.intake.package})
    found = digest(told)
    LawSnapshot.objects.get_or_create(
        digest=found, defaults={"policy": f"as posted by {opening.intake.register}"[:80], "content": told}
    )
    return found


def run(opening: Opening) -> None:
    """Write vehicles, identifiers, versions, claims; results, acceptances and their lines of those that are accepted."""
    given = opening.values["vehicles"]
    if not given:
        return
    work = opening.work
    vehicles = _vehicles(opening, given)
    versions, claims = numbers("vehicles_version", len(given)), numbers("vehicles_claim", len(given))
    last = _versions_before(vehicles)
    insert(
        "vehicles_version",
        "id vehicle_id number attributes source operation_id",
        [
            (version, vehicle, last.get(vehicle, 0) + 1, canonical(attributes(row)), "intake", work.number)
            for version, vehicle, row in zip(versions, vehicles, given, strict=True)
        ],
    )
    confirmed = law.confirmed()
    told = []
    for number, version, vehicle, row in zip(claims, versions, vehicles, given, strict=True):
        answer = posted(row) if row["state"] == "accepted" else opening.report.answers[row.number]
        missing = "" if row["state"] == "accepted" else answer.held(confirmed)[:500]
        day = row.get("accepted_on", work.today)
        account = opening.accounts[row["account"]].pk
        head = (number, work.id("clm"), vehicle, account, version, row["entry_channel"], row["state"], row["entered_on"])
        own = (row.get("ready_on"), row.get("own_reference", ""), row.get("client", ""), missing, day)
        told.append((*head, *own, answer.difference, answer.credit_g, answer.charge_g))
    insert(
        "vehicles_claim",
        "id public_id vehicle_id account_id version_id entry_channel state entered_on ready_on own_reference client missing "
        "preview_on preview_difference preview_credit_g preview_charge_g",
        told,
    )
    accepted = [
        (row, claim, version)
        for row, claim, version in zip(given, claims, versions, strict=True)
        if row["state"] == "accepted"
    ]
    _accepted(opening, accepted)


def _vehicles(opening: Opening, given: list[Read]) -> list[int]:
    """The vehicle of each row: one that this registry knows from a claim that ended, or a new one."""
    known = known_vehicles(opening.values)
    found = [next((known[key] for key in identifiers(row) if key in known), None) for row in given]
    fresh = iter(numbers("vehicles_vehicle", found.count(None)))
    made = [next(fresh) if number is None else number for number in found]
    new = [number for number, before in zip(made, found, strict=True) if before is None]
    insert("vehicles_vehicle", "id public_id", [(number, opening.work.id("veh")) for number in new])
    keys = [
        (kind, value, number)
        for row, number in zip(given, made, strict=True)
        for kind, value in identifiers(row)
        if (kind, value) not in known
    ]
    insert("vehicles_identifier", "kind value vehicle_id", keys)
    return made


def _versions_before(vehicles: list[int]) -> dict[int, int]:
    from cleanfleet.registry.vehicles.models import Version

    from .against import parts

    found: dict[int, int] = {}
    for some in parts(vehicles):
        for vehicle, number in Version.objects.filter(vehicle_id__in=some).values_list("vehicle_id", "number"):
            found[vehicle] = max(number, found.get(vehicle, 0))
    return found


def _accepted(opening: Opening, given: list[tuple[Read, int, int]]) -> None:
    if not given:
        return
    work, number = opening.work, snapshot(opening)
    results = numbers("vehicles_result", len(given))
    told: list[tuple[Any, ...]] = []
    for result, (row, claim, version) in zip(results, given, strict=True):
        answer = posted(row)
        asked = (result, claim, version, work.number, row["accepted_on"], row.get("known_on", row["accepted_on"]), number)
        told.append((*asked, *(getattr(answer, name) for name in _FIGURES)))
    insert("vehicles_result", "id claim_id version_id operation_id on known law_id " + " ".join(_FIGURES), told)
    groups = by((row for row, _, _ in given), lambda row: (row["account"], row["accepted_on"], row["accepted_under"]))
    made = Acceptance.objects.bulk_create(_acceptance(opening, place, found) for place, found in groups.items())
    acceptances = dict(zip(groups, made, strict=True))
    lines = []
    for result, (row, claim, _) in zip(results, given, strict=True):
        acceptance = acceptances[row["account"], row["accepted_on"], row["accepted_under"]]
        lines.append((acceptance.pk, claim, result, row["offset_g"], row["money_g"], row["money_g"] * _rate(row)))
    insert("acceptance_line", "acceptance_id claim_id result_id offset_g money_g money_cents", lines)
    _lacks(opening, given)


def _rate(row: Read) -> int:
    return int(row["charge_cents"] // row["charge_g"]) if row["charge_g"] else 0


def _acceptance(opening: Opening, place: tuple[str, dt.date, str], found: list[Read]) -> Acceptance:
    account, on, scheme = place
    payg = scheme == "payg"
    return Acceptance(
        public_id=opening.work.id("acp"),
        account=opening.accounts[account],
        state="accepted",
        scheme=scheme,
        on=on,
        credit_g=sum(row["credit_g"] for row in found) if payg else 0,
        charge_g=sum(row["charge_g"] for row in found) if payg else 0,
        offset_g=sum(row["offset_g"] for row in found),
        money_cents=sum(row["money_g"] * _rate(row) for row in found),
        begun_id=opening.work.number,
        ended_id=opening.work.number,
    )


def _lacks(opening: Opening, given: list[tuple[Read, int, int]]) -> None:
    """Credits whose lot is over and isn't told: whether they were used or expired unused would decide what taking them back costs."""
    today = opening.work.today
    rules, known = law.bank(today), law.policy(today).known
    lots = {(row["account"], identity(row)[1], row["earned_on"]) for row in opening.values["lots"] if not row.get("origin")}
    found = []
    for row, claim, _ in given:
        on = row["accepted_on"]
        if not row["credit_g"] or row["accepted_under"] != "payg" or (row["account"], row["account"], on) in lots:
            continue
        pool = opening.accounts[row["account"]].condition
        try:
            over = bank.last_day(bank.Lot(1, "", pool, on.year, on, 0), today, known, rules) < today
        except bank.CreditError:
            over = True
        if over:
            found.append(("claim", claim, f"expired_g of the lot that account {row['account']} earned on {on}"))
    insert(Lack._meta.db_table, "about subject missing", found)
