"""Vehicles and movements of this register as rows of a package."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from cleanfleet.registry.acceptance.models import Line
from cleanfleet.registry.charges.models import Correction
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.vehicles.models import Claim, Identifier, Result

from .layout import SCALE
from .models import History

_COLUMN = {"vin": "vin", "chassis": "chassis", "register": "register_id"}
_CLAIM = (
    "pk", "account_id", "vehicle_id", "entry_channel", "state", "entered_on", "ready_on", "own_reference", "client",
    "version__attributes",
)  # fmt: skip
_RESULT = ("pk", "claim_id", "on", "known", "vehicle_type", "co2", "target", "credit_g", "charge_g", "charge_cents")


def _scaled(units: int) -> str:
    return f"{Decimal(units) / SCALE:f}"


def vehicles(accounts: dict[int, str]) -> Iterable[dict[str, str]]:
    """Every vehicle that is entered, ready or accepted; an accepted one with its result as it stands after corrections."""
    named: dict[int, dict[str, str]] = {}
    for vehicle, kind, value in Identifier.objects.values_list("vehicle_id", "kind", "value").iterator(10_000):
        named.setdefault(vehicle, {})[_COLUMN[kind]] = value
    accepted = _accepted()
    claims = Claim.objects.filter(ended_on=None, state__in=("entered", "ready", "accepted")).order_by("pk")
    for pk, account, vehicle, channel, state, entered, ready, reference, client, given in claims.values_list(
        *_CLAIM
    ).iterator(10_000):
        inputs = {name: str(value) for name, value in json.loads(given).items() if value is not None and name != "condition"}
        yield {
            "account": accounts[account],
            **named[vehicle],
            "entry_channel": channel,
            "state": state,
            "entered_on": entered.isoformat(),
            "ready_on": ready.isoformat() if ready else "",
            "own_reference": reference,
            "client": client,
            **(accepted[pk] if state == "accepted" else {}),
            **inputs,
        }


def _accepted() -> dict[int, dict[str, str]]:
    """Claim -> what was posted for it, the last correction counting."""
    lines = Line.objects.filter(acceptance__state="accepted").values_list(
        "claim_id", "acceptance__scheme", "offset_g", "money_g"
    )
    how: dict[int, tuple[str, int, int]] = {
        claim: (scheme, offset if scheme == "payg" else 0, money if scheme == "payg" else 0)
        for claim, scheme, offset, money in lines.iterator(10_000)
    }
    corrected = Correction.objects.exclude(after=None).order_by("pk").values_list("claim_id", "offset_g", "money_g")
    for claim, offset, money in corrected:
        how[claim] = (how[claim][0], offset, money)
    found = {}
    results = Result.objects.filter(claim__state="accepted").order_by("pk").values_list(*_RESULT)
    for _, claim, on, known, vehicle_type, co2, target, credit, charge, cents in results.iterator(10_000):
        scheme, offset, money = how[claim]
        found[claim] = {
            "accepted_on": on.isoformat(),
            "known_on": known.isoformat(),
            "accepted_under": scheme,
            "posted_type": vehicle_type,
            "posted_co2": _scaled(co2),
            "posted_target": _scaled(target),
            "credit_g": str(credit),
            "charge_g": str(charge),
            "charge_cents": str(cents),
            "offset_g": str(offset),
            "money_g": str(money),
        }
    return found


def history(accounts: dict[int, str]) -> list[dict[str, str]]:
    """What other registers had of the accounts, then this one's movements on them, but for those that took them in."""
    found: list[tuple[tuple[Any, ...], dict[str, str]]] = []
    kept = History.objects.order_by("intake_id", "line").values_list(
        "account_id", "date", "operation", "unit", "bucket", "vintage", "amount", "vehicle", "reference"
    )
    for number, (account, date, *rest) in enumerate(kept.iterator(10_000)):
        found.append(((accounts[account], date, 0, number), _entry(accounts[account], date, *rest)))
    cars = _behind()
    moved = Movement.objects.exclude(seal__operation__name="approve_intake").order_by("seal__position", "line")
    for number, row in enumerate(
        moved.values_list(
            "seal__operation__effective_on", "seal__operation__name", "unit__code", "lot__vintage", "amount", "subject",
            "about", "source__owner_id", "source__kind", "target__owner_id", "target__kind",
        ).iterator(10_000)
    ):  # fmt: skip
        date, name, unit, vintage, amount, subject, about, source, source_kind, target, target_kind = row
        vehicle = cars.get(subject or 0, "") if about == "result" else ""
        for side, (owner, kind, change) in enumerate(((source, source_kind, -amount), (target, target_kind, amount))):
            if owner is not None:
                cells = _entry(accounts[owner], date, name, unit, kind, vintage, change, vehicle, "")
                found.append(((accounts[owner], date, 1, number, side), cells))
    return [cells for _, cells in sorted(found, key=lambda one: one[0])]


def _entry(account: str, date: Any, *rest: Any) -> dict[str, str]:
    names = ("operation", "unit", "bucket", "vintage", "amount", "vehicle", "reference")
    told = {name: "" if value is None else str(value) for name, value in zip(names, rest, strict=True)}
    return {"account": account, "date": date.isoformat(), **told}


def _behind() -> dict[int, str]:
    """Result -> VIN, chassis number or register's id."""
    names = dict(Identifier.objects.order_by("kind").values_list("vehicle_id", "value"))
    names |= dict(Identifier.objects.filter(kind="vin").values_list("vehicle_id", "value"))
    return {
        pk: names.get(vehicle, "") for pk, vehicle in Result.objects.values_list("pk", "claim__vehicle_id").iterator(10_000)
    }
