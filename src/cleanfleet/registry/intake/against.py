"""Checks of a package against this registry and the law: what is here already, what expired, what the law says of a vehicle."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models.functions import Lower

from cleanfleet import credits as bank
from cleanfleet.registry.accounts.models import Person
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.refusals import NotDetermined
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles import assessing
from cleanfleet.registry.vehicles.assessing import Answer
from cleanfleet.registry.vehicles.models import Claim, Identifier

from .amounts import unit_owed
from .cars import identifiers
from .cells import ERASED, Read, Values
from .links import accounts
from .models import Origin
from .rates import rate_of

#: Query parameters that SQLite surely takes at once.
AT_ONCE = 5000


def check(values: Values, today: dt.date) -> dict[int, Answer]:
    """Add what is wrong with the package here and now. Gives the law's answers of today by a vehicle's row."""
    _taken(values)
    _persons(values)
    _vehicles(values)
    _lots(values, today)
    _rates(values, today)
    return _law(values, today)


def parts(found: Iterable[Any]) -> Iterator[list[Any]]:
    every = sorted(set(found))
    for start in range(0, len(every), AT_ONCE):
        yield every[start : start + AT_ONCE]


def _taken(values: Values) -> None:
    if not values["package"]:
        return
    register = values["package"][0]["register"]
    for table, kind in (("persons", "person"), ("holders", "holder"), ("accounts", "account")):
        taken: set[str] = set()
        for some in parts(row[kind] for row in values[table]):
            found = Origin.objects.filter(register=register, kind=kind, key__in=some)
            taken |= set(found.values_list("key", flat=True))
        for row in values[table]:
            if row[kind] in taken:
                values.error(table, row, kind, "taken_in", f"a {kind} of {register} that wasn't taken in before")


def _persons(values: Values) -> None:
    known: dict[str, set[str]] = {}
    for some in parts(str(row["email"]).lower() for row in values["persons"]):
        found = Person.objects.annotate(low=Lower("email")).filter(low__in=some)
        for address, public_id in found.values_list("low", "principal__public_id"):
            known.setdefault(address, set()).add(public_id)
    named: set[str] = set()
    for some in parts(row["registered_as"] for row in values["persons"] if row.get("registered_as")):
        found_ids = Principal.objects.filter(public_id__in=some, kind="person")
        named |= set(found_ids.values_list("public_id", flat=True))
    twice: set[str] = set()
    for row in values["persons"]:
        if row.get("registered_as") in twice:
            values.error("persons", row, "registered_as", "duplicate", "a person whom no other row names")
        twice |= {row["registered_as"]} if row.get("registered_as") else set()
        address, given = str(row["email"]).lower(), row.get("registered_as")
        if given and given not in named:
            values.error("persons", row, "registered_as", "unknown_reference", "the id of a person of this registry")
        elif address not in ERASED and address in known and given not in known[address]:
            values.error(
                "persons", row, "registered_as", "registered", "the id of the person who has this e-mail address here"
            )


def known_vehicles(values: Values) -> dict[tuple[str, str], int]:
    """(kind, normalised identifier) -> vehicle, for those of the package that this registry has."""
    found: dict[tuple[str, str], int] = {}
    for some in parts(value for row in values["vehicles"] for _, value in identifiers(row)):
        here = Identifier.objects.filter(value__in=some).values_list("kind", "value", "vehicle_id")
        found |= {(kind, value): vehicle for kind, value, vehicle in here}
    return found


def _vehicles(values: Values) -> None:
    known = known_vehicles(values)
    claimed: set[int] = set()
    for some in parts(known.values()):
        claimed |= set(Claim.objects.filter(vehicle_id__in=some, ended_on=None).values_list("vehicle_id", flat=True))
    for row in values["vehicles"]:
        mine = {known[key] for key in identifiers(row) if key in known}
        field = next((name for name in ("vin", "chassis", "register_id") if row.get(name)), "vin")
        if len(mine) > 1:
            values.error(
                "vehicles", row, field, "identifiers_conflict", "identifiers of one vehicle; here they name several"
            )
        elif mine & claimed:
            values.error("vehicles", row, field, "claimed", "a vehicle that is on no account of this registry")


def _lots(values: Values, today: dt.date) -> None:
    rules, known = law.bank(today), law.policy(today).known
    last: dict[tuple[Any, ...], dt.date | None] = {}
    for row in values["lots"]:
        place = (row["pool"], row["vintage"], row["earned_on"])
        if place not in last:
            try:
                last[place] = bank.last_day(bank.Lot(1, "", *place, 0), today, known, rules)
            except bank.CreditError:
                last[place] = None
        day = last[place]
        if row["grams"] and day is None:
            values.warn(
                "lots", row, "earned_on", "life_unknown", "a lot whose last day the law tells; it can't be used before"
            )
        elif row["grams"] and day is not None and day < today:
            values.warn(
                "lots", row, "earned_on", "expired",
                f"the last day was {day}: it is taken in, and the daily job books its {row['grams']} g out as expired",
            )  # fmt: skip


def _rates(values: Values, today: dt.date) -> None:
    of = accounts(values)
    for row in values["charges"]:
        if row["account"] not in of or row["year"] > today.year:
            continue
        unit = unit_owed(of[row["account"]], row)
        try:
            rate = rate_of(unit, today)
        except NotDetermined:
            values.warn(
                "charges",
                row,
                "year",
                "rate_unknown",
                "a year whose rate the law tells; until then it can't be met in money",
            )
            continue
        given = row.get("rate_cents")
        if given is None and row.get("cents_due") is not None:
            given = row["cents_due"] // row["grams"]
        if given is not None and given != rate:
            field = "rate_cents" if row.get("rate_cents") is not None else "cents_due"
            values.error(
                "charges", row, field, "not_the_law", f"{rate} cents for each gram, the law's rate of {row['year']}"
            )


def _law(values: Values, today: dt.date) -> dict[int, Answer]:
    """Today's law on each vehicle; on an accepted one as of its acceptance, to tell where the old register had another answer."""
    policy, confirmed = law.policy(today), law.confirmed()
    of = accounts(values)
    found: dict[int, Answer] = {}
    for scheme in ("payg", "fleet"):
        going = [row for row in values["vehicles"] if row["account"] in of and _scheme(row, of) == scheme]
        if not going:
            continue
        days = [row.get("accepted_on", today) for row in going]
        frame = assessing.frame(policy, [attributes(row) for row in going], days, scheme)
        for row, answer in zip(going, assessing.answers(policy.assess(frame).frame), strict=True):
            found[row.number] = answer
            if row["state"] == "accepted":
                _compare(values, row, answer)
            elif answer.status == "refused":
                values.error("vehicles", row, "", "bad_value", answer.reason)
            elif answer.status == "excluded":
                values.error(
                    "vehicles", row, "", "not_subject", f"a vehicle that needs an account; this one doesn't: {answer.reason}"
                )
            elif answer.held(confirmed):
                values.warn(
                    "vehicles", row, "", "held", f"nothing; it is held until this is known: {answer.held(confirmed)}"
                )
    return found


def _scheme(row: Read, of: dict[str, Read]) -> str:
    return str(row.get("accepted_under") or of[row["account"]]["scheme"])


def _compare(values: Values, row: Read, answer: Answer) -> None:
    if row.get("posted_type") is None or row.get("credit_g") is None or row.get("charge_g") is None:
        return
    if answer.status != "determined":
        values.warn(
            "vehicles",
            row,
            "",
            "not_recomputed",
            f"nothing; this registry can't work it out: {answer.reason or answer.status}",
        )
        return
    posted = (row["posted_type"], row["credit_g"], row["charge_g"])
    here = (answer.vehicle_type, answer.credit_g, answer.charge_g)
    if posted != here:
        values.warn(
            "vehicles", row, "credit_g" if row["credit_g"] else "charge_g", "other_result",
            f"nothing; as known today it is type {here[0]}, credit {here[1]} g, charge {here[2]} g. What was posted stays",
        )  # fmt: skip


def attributes(row: Read) -> dict[str, Any]:
    """A vehicle's inputs as the register keeps them, with the condition that its entry channel states."""
    return {**row.attributes, "condition": "used" if row["entry_channel"] == "used" else "new"}


def posted(row: Read) -> Answer:
    """An accepted vehicle's result as the old register posted it; CO2, target and difference in 0.0001 g/km."""
    co2, target = row["posted_co2"], row["posted_target"]
    figures = (row["credit_g"], row["charge_g"], row["charge_cents"])
    return Answer("determined", "", "", row["posted_type"], co2, target, target - co2, *figures)
