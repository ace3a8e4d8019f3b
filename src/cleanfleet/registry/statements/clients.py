"""An agent's statement for its clients: what each client's vehicles earned and were charged, beside all others on the account.

What counts is every movement about a vehicle's result. Using credits, paying and transferring are the account's as a whole: it owns
the credits and owes the charges. How a charge was met is known for each vehicle all the same, and stands in its own table.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
from django.db.models import BooleanField, Case, Count, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from cleanfleet.registry.acceptance.models import Line
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.vehicles.models import Result

from .periods import checked


class Place(NamedTuple):
    """One client's part of one bucket of the account ('' for vehicles of no client): g CO2/km, or cents for NZD.

    ``opening + added - taken = closing``; summed over the clients they are the account's movements about vehicles.
    """

    client: str
    bucket: str
    unit: str
    opening: int
    added: int
    taken: int
    closing: int


class Met(NamedTuple):
    """One client's vehicles that were accepted in the period, and how their charges were met then: by credits (g), in money (cents)."""

    client: str
    vehicles: int
    offset_g: int
    money_cents: int


@dataclass(frozen=True)
class ClientsStatement:
    """All clients of an account in a period."""

    number: str
    name: str
    first: dt.date
    last: dt.date
    places: tuple[Place, ...]
    met: tuple[Met, ...]

    def frame(self) -> pl.DataFrame:
        """The clients' parts as a table; amounts are g CO2/km, or cents where the unit is NZD."""
        return pl.DataFrame(self.places, schema=_schema(Place), orient="row")

    def sheets(self) -> dict[str, pl.DataFrame]:
        """The tables of a workbook."""
        return {"Clients": self.frame(), "Accepted": pl.DataFrame(self.met, schema=_schema(Met), orient="row")}


def _schema(row: type[Place] | type[Met]) -> dict[str, type[pl.DataType]]:
    texts = ("client", "bucket", "unit")
    return {name: pl.String if name in texts else pl.Int64 for name in row._fields}


def of_clients(moved: QuerySet[Movement], only: str | None = None) -> QuerySet[Movement]:
    """The movements about vehicles, each with the ``client`` of its vehicle ('' for none); of one client where it is named."""
    client = Result.objects.filter(pk=OuterRef("subject")).values("claim__client")[:1]
    found = moved.filter(about="result").annotate(client=Coalesce(Subquery(client), Value("")))
    return found if only is None else found.filter(client=only)


def clients(account: Account, first: dt.date, last: dt.date) -> ClientsStatement:
    """Every client's vehicles on the account from ``first`` through ``last``; a row '' for vehicles of no client.

    The client is the one that the vehicle has today. Under fleet average nothing moves for a single vehicle, so that its clients have
    counts only. Who asks must be allowed to see the account. Raises :class:`~cleanfleet.registry.refusals.Invalid` for a period that
    ends before it begins.
    """
    checked(first, last)
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for side, sign in (("source", -1), ("target", 1)):
        mine = Movement.objects.filter(**{f"{side}__owner_id": account.pk, "seal__operation__effective_on__lte": last})
        before = Case(When(seal__operation__effective_on__lt=first, then=True), default=False, output_field=BooleanField())
        keys = ("client", f"{side}__kind", "unit__code", "before")
        grouped = of_clients(mine).annotate(before=before).values(*keys).annotate(n=Sum("amount")).order_by()
        for client, kind, unit, early, amount in grouped.values_list(*keys, "n"):
            place = sums[client, kind, unit]
            if early:
                place[0] += sign * int(amount)
            else:
                place[1 if sign > 0 else 2] += int(amount)
    places = [
        Place(client, kind, unit, opening, added, taken, opening + added - taken)
        for (client, kind, unit), (opening, added, taken) in sorted(sums.items())
        if opening or added or taken
    ]
    return ClientsStatement(account.number, account.name, first, last, tuple(places), tuple(_met(account, first, last)))


def _met(account: Account, first: dt.date, last: dt.date) -> Iterable[Met]:
    lines = Line.objects.filter(
        acceptance__account=account,
        acceptance__state="accepted",
        acceptance__ended__effective_on__range=(first, last),
    )
    found = lines.values("claim__client").annotate(n=Count("pk"), grams=Sum("offset_g"), cents=Sum("money_cents"))
    for client, vehicles, grams, cents in found.order_by("claim__client").values_list(
        "claim__client", "n", "grams", "cents"
    ):
        yield Met(client, vehicles, int(grams), int(cents))
