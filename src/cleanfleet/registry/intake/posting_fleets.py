"""Fleet years that the old register determined, as this one's first determination of them: they aren't determined a second time."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from cleanfleet.registry.fleets.fleet import cents_per_gram, reading, year_end
from cleanfleet.registry.fleets.models import Determination, FleetYear, Settlement, Share
from cleanfleet.registry.ledger.operations import digest
from cleanfleet.registry.refusals import NotDetermined

from .layout import SCALE
from .links import accounts
from .models import Lack
from .posting import Opening, insert, numbers
from .posting_cars import snapshot

REASON = "other_register"
FIGURES = (
    "count_new", "count_used", "tare_kg", "net", "credit_new_g", "credit_used_g", "charge_new_g", "charge_used_g",
    "charge_cents",
)  # fmt: skip


def run(opening: Opening) -> None:
    """Write fleet years, their determinations and shares. What a share owes still is met in the ordinary way."""
    given = opening.values["fleet_years"]
    if not given:
        return
    work = opening.work
    made = FleetYear.objects.bulk_create(
        FleetYear(
            holder=opening.holders[row["holder"]],
            vehicle_type=row["vehicle_type"],
            year=row["year"],
            state="determined",
            due_on=row["due_on"],
            deferred_to=row.get("deferred_to"),
        )
        for row in given
    )
    years = {(row["holder"], row["vehicle_type"], row["year"]): one for row, one in zip(given, made, strict=True)}
    law = snapshot(opening)
    determinations = numbers(Determination._meta.db_table, len(given))
    Determination.objects.bulk_create(
        Determination(
            id=number,
            public_id=work.id("det"),
            fleet_year=year,
            number=1,
            operation_id=work.number,
            on=year_end(year.year),
            known=row["known_on"],
            law_id=law,
            reason=REASON,
            target=None if row.get("target") is None else Decimal(row["target"]) / SCALE,
            average=None if row.get("average") is None else Decimal(row["average"]) / SCALE,
            inputs_digest=digest(f"{opening.intake.package}:{row.number}"),
            **{name: row[name] for name in FIGURES},
        )
        for number, year, row in zip(determinations, made, given, strict=True)
    )
    _shares(opening, years)
    _lacks(opening, dict(zip(years, determinations, strict=True)))


def _shares(opening: Opening, years: dict[tuple[str, str, int], FleetYear]) -> None:
    of, given = accounts(opening.values), opening.values["fleet_shares"]
    shares = []
    for row in given:
        year = years[of[row["account"]]["holder"], row["vehicle_type"], row["year"]]
        left = row["charge_g"] - row["credits_g"] - row["money_g"]
        shares.append(
            Share(
                fleet_year=year,
                account=opening.accounts[row["account"]],
                state="settled" if not left else "deferred" if year.deferred_to else "owed",
                issued_g=row["issued_g"],
                charge_g=row["charge_g"],
                credits_g=row["credits_g"],
                money_g=row["money_g"],
                settle_by=row["settle_by"],
            )
        )
    Share.objects.bulk_create(shares)
    paid = [(share, rate) for share in shares if share.money_g and (rate := _rate(opening, share)) is not None]
    Settlement.objects.bulk_create(
        Settlement(
            public_id=opening.work.id("set"),
            share=share,
            state="done",
            credits_g=0,
            money_g=share.money_g,
            cents_per_g=rate,
            begun_id=opening.work.number,
            ended_id=opening.work.number,
        )
        for share, rate in paid
    )


def _rate(opening: Opening, share: Share) -> int | None:
    """Cents for each gram of the share's year; None where the law doesn't tell: then what was paid can't be given back here."""
    year = share.fleet_year.year
    try:
        return cents_per_gram(reading(year, opening.work.today), year, share.account.condition)[0]
    except NotDetermined:
        return None


def _lacks(opening: Opening, determinations: dict[tuple[str, str, int], int]) -> None:
    """A year whose vehicles aren't all here can't be determined anew: it would come out smaller."""
    of = accounts(opening.values)
    here: Counter[tuple[str, str, int]] = Counter()
    for row in opening.values["vehicles"]:
        if row["state"] == "accepted" and row["accepted_under"] == "fleet":
            here[of[row["account"]]["holder"], row["posted_type"], row["accepted_on"].year] += 1
    found = []
    for row in opening.values["fleet_years"]:
        place = (row["holder"], row["vehicle_type"], row["year"])
        counted = row["count_new"] + row["count_used"]
        if here[place] != counted:
            missing = (
                f"{counted} accepted vehicles of type {place[1]} of {place[2]} were counted, the package has {here[place]}"
            )
            found.append(("determination", determinations[place], missing))
    insert(Lack._meta.db_table, "about subject missing", found)
