"""Importers under fleet average for tests, made by the operations themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cleanfleet.registry import clock
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.fleets.operations import (
    ApplyFleetAverage,
    BringUpToDate,
    DecideApplication,
    Declaration,
    DetermineFleetYear,
    RecommendApplication,
)
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action, Work, perform
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import TakeMessage
from cleanfleet.registry.payments.provider import LocalProvider
from cleanfleet.registry.rulings.law import confirmed
from cleanfleet.registry.rulings.operations import ApproveValue, ProposeValue
from registry.people import account, car, do, feed, officer, person, ready_law

PROVIDER = LocalProvider("s")
SIGNED = Declaration(
    version="1",
    authorised=True,
    carries_on_business=True,
    correct_and_complete=True,
    applicant_insolvency=False,
    related_party_insolvency=False,
)


@dataclass
class Importer:
    """A holder with an account for new and one for used vehicles, and the officers who deal with it."""

    owner: Principal
    new: Account
    used: Account
    case: Principal
    approver: Principal

    @property
    def holder(self) -> str:
        return self.new.holder.public_id

    def books(self) -> dict[str, dict[tuple[str, str], int]]:
        return {"new": book.balances(self.new.pk), "used": book.balances(self.used.pk)}


def fleet_law() -> None:
    """The agency confirms the doubtful values that fleets rest on, where it hasn't yet."""
    if confirmed():
        return
    ready_law()
    one, other = officer("case_officer"), officer("approver")
    for name in ("fleet_pool", "fleet_rounding"):
        do(ProposeValue(value=name), one)
        do(ApproveValue(value=name), other)


def importer() -> Importer:
    """A holder, still pay as you go."""
    owner = person()
    new = account(owner, "new")
    return Importer(owner, new, account(owner, "used", new.holder.public_id), officer("case_officer"), officer("approver"))


def apply(of: Importer, first_year: int = 2026) -> str:
    made = do(ApplyFleetAverage(holder=of.holder, first_year=first_year, declaration=SIGNED), of.owner)
    return str(made["application"])


def approve(of: Importer, first_year: int = 2026) -> None:
    """The holder applies and is approved, on the clock's day."""
    made = apply(of, first_year)
    do(RecommendApplication(application=made, approve=True, grounds="in order"), of.case)
    do(DecideApplication(application=made, approve=True, grounds="in order"), of.approver)


def approved(first_year: int = 2026) -> Importer:
    """An importer under fleet average from the first day of a year."""
    fleet_law()
    found = importer()
    with clock.at(f"{first_year - 1}-11-03"):
        approve(found, first_year)
    with clock.at(f"{first_year}-01-01"):
        for one in (found.new, found.used):
            do(BringUpToDate(account=one.public_id), system())
            one.refresh_from_db()
    return found


def van(to: Account, co2: int | str = 180, tare: int = 2000, **more: Any) -> dict[str, Any]:
    """A row of a feed: a goods vehicle, type B."""
    attributes = {"vehicle_class": "NA", "tare_kg": tare, "co2_g_per_km": str(co2), "co2_cycle": "3P-WLTP"}
    return car(to, attributes=attributes, **more)


def accept(of: Importer, to: Account, *cars: dict[str, Any]) -> list[str]:
    """Feed and accept vehicles; their claims."""
    claims = [row["claim"] for row in feed(*cars)]
    answer = do(AcceptVehicles(account=to.public_id, vehicles=claims), of.owner)
    assert {row["outcome"] for row in answer["rows"]} == {"accepted"}, answer
    return claims


def excess(of: Importer, to: Account, grams: int, *, target: int = 108, most: int = 800) -> list[str]:
    """Accept cars that together lie so many grams over (below zero: under) a target that no weight adjusts."""
    step = most if grams > 0 else -target
    sizes = [step] * (grams // step) + ([grams % step if grams > 0 else -(-grams % target)] if grams % step else [])
    assert sum(sizes) == grams
    return accept(of, to, *(car(to, co2=target + size) for size in sizes))


def determine(of: Importer, year: int = 2026, **how: Any) -> dict[str, Any]:
    return do(DetermineFleetYear(account=of.new.public_id, year=year, **how), of.case)


def play(payment: str, outcome: str) -> dict[str, Any]:
    """The bank's answer to a direct debit."""
    PROVIDER.started[payment] = Payment.objects.get(public_id=payment).cents
    event = PROVIDER.read(*PROVIDER.play(payment, outcome))
    return perform(TakeMessage.of("local", event), by=system(), key=f"local:{event.event}").answer


class GiveCredits(Action):
    """For tests alone: credits from nowhere, of a vintage and as earned on a day."""

    account: str
    grams: int
    vintage: int

    def run(self, work: Work) -> dict[str, Any]:
        to = Account.objects.get(public_id=self.account)
        work.lock(to.pk)
        unit = f"credit:{to.condition}"
        lot = work.lot(unit, to.pk, self.vintage, work.today.replace(year=self.vintage))
        work.move(unit, work.bucket(None, "issued", unit), work.bucket(to.pk, "held", unit), self.grams, lot=lot)
        return {}


def give(to: Account, grams: int, vintage: int) -> None:
    if grams:
        do(GiveCredits(account=to.public_id, grams=grams, vintage=vintage), system())


def vintages(of: Account, kind: str = "held") -> dict[int, int]:
    found: dict[int, int] = {}
    for lot in book.lots(of.pk, kind, f"credit:{of.condition}"):
        found[lot.vintage] = found.get(lot.vintage, 0) + lot.amount
    return found


def share(answer: dict[str, Any], condition: str, vehicle_type: str = "A") -> dict[str, Any]:
    parts: Sequence[dict[str, Any]] = answer["types"][vehicle_type]["shares"]
    return next(part for part in parts if part["condition"] == condition)
