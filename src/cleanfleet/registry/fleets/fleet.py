"""A holder's fleet of a year, as the policy's own summary gives it. Nothing of the fleet's law is computed here."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import polars as pl

from cleanfleet.law.policy import Policy
from cleanfleet.registry.acceptance.models import Line
from cleanfleet.registry.accounts.models import Account, Holder
from cleanfleet.registry.ledger.operations import digest
from cleanfleet.registry.refusals import NotDetermined
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles import assessing
from cleanfleet.registry.vehicles.assessing import SCALE
from cleanfleet.registry.vehicles.models import Result

CONDITIONS = ("new", "used")
TYPES = ("A", "B")


@dataclass(frozen=True)
class Member:
    """A vehicle of the fleet: its result as it stands now, and the account that accepted it."""

    result: int
    account: int
    condition: str
    on: dt.date
    attributes: str


@dataclass(frozen=True)
class Figures:
    """A fleet of one type and year: numbers of vehicles, means, and grams for each condition.

    ``tare_kg`` is the exact sum of the tare weights that count; ``mean_tare_kg``, ``target_g_per_km`` and
    ``average_g_per_km`` are the summary's means, shown at 0.0001; ``net`` is the exact sum of target minus CO2 in 0.0001
    g/km; ``credit`` and ``charge`` are whole grams by condition. ``status`` is ``determined``, or ``reason`` says what lacks.
    """

    vehicle_type: str
    status: str
    reason: str
    count: dict[str, int]
    tare_kg: int
    mean_tare_kg: Decimal | None
    target_g_per_km: Decimal | None
    average_g_per_km: Decimal | None
    net: int
    credit: dict[str, int]
    charge: dict[str, int]
    charge_cents: int
    other_reading_cents: int
    flags: str
    members: tuple[Member, ...] = field(repr=False, default=())

    def signed(self, condition: str) -> int:
        """Grams of a condition, above zero a credit."""
        return self.credit[condition] - self.charge[condition]

    @property
    def inputs_digest(self) -> str:
        """A digest of the results that were counted."""
        return digest(",".join(str(member.result) for member in self.members))


def reading(year: int, known: dt.date | None = None) -> Policy:
    """The law of a fleet year: in force on 31 December, as it was known then, or on a later day ``known``."""
    return law.policy(known or year_end(year))


def year_end(year: int) -> dt.date:
    return dt.date(year, 12, 31)


def settled_by(policy: Policy, year: int) -> dt.date:
    """The last day for settling a year. Raises :class:`NotDetermined` where the law doesn't tell it."""
    months, _ = policy.value("fleet_settlement_months", on=year_end(year))
    if months is None:
        raise NotDetermined(
            "not_determined", "the law doesn't tell fleet_settlement_months", missing=["fleet_settlement_months"]
        )
    month = int(months)
    return dt.date(year + 1, month, calendar.monthrange(year + 1, month)[1])


def cents_per_gram(policy: Policy, year: int, condition: str) -> tuple[int, str]:
    """What a gram of that year costs in money, in cents, and the law that says so. s 177."""
    rate, record = policy.value("charge_rate", on=year_end(year), scheme="fleet", condition=condition)
    if rate is None or record is None:
        raise NotDetermined("not_determined", "the law doesn't tell charge_rate", missing=["charge_rate"])
    cents = rate * 100
    if cents != int(cents):
        raise ArithmeticError(f"a rate of {rate} NZ$ for each gram is no whole number of cents")
    return int(cents), "; ".join(f"{r.title}, {r.section}" for r in record.references)[:200]


def members(holder: Holder, year: int) -> list[Member]:
    """The vehicles that the holder accepted under fleet average in the year, each with its latest result, by number of the result.

    A vehicle that was withdrawn after acceptance isn't among them.
    """
    accepted = Line.objects.filter(
        acceptance__scheme="fleet",
        acceptance__state="accepted",
        acceptance__account__holder=holder,
        acceptance__on__range=(dt.date(year, 1, 1), year_end(year)),
        claim__state="accepted",
    )
    results = Result.objects.filter(claim__in=accepted.values("claim_id")).order_by("pk")
    found = {
        claim: Member(result, account, condition, on, text)
        for claim, result, account, condition, on, text in results.values_list(
            "claim_id", "pk", "claim__account_id", "claim__account__condition", "on", "version__attributes"
        ).iterator(5000)
    }
    return sorted(found.values(), key=lambda member: member.result)


def figures(policy: Policy, holder: Holder, year: int, fleet: Sequence[Member]) -> dict[str, Figures]:
    """The fleet of each type, by the policy's summary; a type without vehicles isn't in it."""
    if not fleet:
        return {}
    summary = policy.summary()
    attributes = assessing.read(member.attributes for member in fleet)
    frame = assessing.frame(policy, attributes, [member.on for member in fleet], "fleet")
    assessed = policy.assess(frame.with_columns(importer=pl.lit(holder.public_id)), also=summary.needs).frame
    summary.add(assessed)
    types = [str(value) if value is not None else "" for value in assessed["vehicle_type"].to_list()]
    statuses = [str(value) for value in assessed["status"].to_list()]
    tares = assessed["fleet_tare"].to_list()
    found = {}
    for row in summary.frame().iter_rows(named=True):
        type_ = row["vehicle_type"]
        here = [n for n, value in enumerate(types) if value == type_ and statuses[n] != "excluded"]
        if row["importer"] == holder.public_id and row["year"] == year and type_ in TYPES:
            found[type_] = _figures(
                row, sum(int(tares[n]) for n in here if tares[n] is not None), tuple(fleet[n] for n in here)
            )
    unanswered = [n for n, value in enumerate(types) if value not in TYPES and statuses[n] != "excluded"]
    if unanswered:
        raise NotDetermined(
            "not_determined",
            f"{len(unanswered)} accepted vehicles of {year} have no type under this law, so no fleet can be determined",
            missing=["vehicle_type"],
        )
    return found


def _figures(row: dict[str, Any], tare: int, here: tuple[Member, ...]) -> Figures:
    return Figures(
        vehicle_type=row["vehicle_type"],
        status=row["status"],
        reason=row["reason"] or "",
        count={c: row[f"count_{c}"] for c in CONDITIONS},
        tare_kg=tare,
        mean_tare_kg=row["mean_tare_kg"],
        target_g_per_km=row["target_g_per_km"],
        average_g_per_km=row["average_g_per_km"],
        net=int((row["net_g"] or Decimal(0)) * SCALE),
        credit={c: row[f"credit_{c}_g"] or 0 for c in CONDITIONS},
        charge={c: row[f"charge_{c}_g"] or 0 for c in CONDITIONS},
        charge_cents=int((row["charge_nzd"] or Decimal(0)) * 100),
        other_reading_cents=int((row["charge_other_reading_nzd"] or Decimal(0)) * 100),
        flags=row["flags"] or "",
        members=here,
    )


def chargeable(policy: Policy, found: Figures) -> Figures:
    """The figures, where grams may be posted on them.

    Raises :class:`NotDetermined` where the summary isn't determined, where they rest on a doubtful value that the agency hasn't
    confirmed, or where a reading is asked for that the register can't keep.
    """
    if found.status != "determined":
        raise NotDetermined(
            "not_determined",
            f"the fleet of type {found.vehicle_type} isn't determined: {found.reason}",
            missing=[found.reason],
        )
    law.chargeable([*found.flags.split("; "), *law.marks(policy.known, "fleet_credits_earned_on")])
    for name, kept in (("credit_use_by_type", "shared"), ("fleet_credits_earned_on", "year_end")):
        asked, _ = policy.value(name)
        if asked != kept:
            raise NotDetermined(
                "not_determined", f"{name} is {asked!r}; the register keeps credits as {kept!r} only", missing=[name]
            )
    return found


def accounts_of(holder: Holder) -> list[Account]:
    """The holder's accounts, the oldest first."""
    return list(Account.objects.filter(holder=holder).select_related("holder").order_by("pk"))


def account_of(found: Iterable[Member], condition: str) -> int | None:
    """The account that a share lands on: of those of its condition that accepted vehicles of the fleet, the oldest."""
    return min((member.account for member in found if member.condition == condition), default=None)
