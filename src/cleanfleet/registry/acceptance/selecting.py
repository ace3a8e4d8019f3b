"""Accepting all vehicles that match a filter: shown, confirmed by the digest of what was shown, then done part by part.

What is shown (:func:`matching`) and what is confirmed are the same vehicles, or nothing is done. The selection is frozen by
:class:`SelectVehicles`; :class:`AcceptSelected` accepts a part of up to 5,000 of it. :func:`accept_all` does one after the other,
each under a key of its own, so that a run that was stopped goes on where it was and repeats nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import pydantic
from django.db.models import QuerySet, Sum

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import OnAccount
from cleanfleet.registry.ledger import rows
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Work, digest, perform
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible
from cleanfleet.registry.vehicles.models import Claim
from cleanfleet.registry.vehicles.operations import MOST

from .models import Selected, Selection
from .operations import Grams, Vintage, accept, must_be_open


class Filter(pydantic.BaseModel):
    """Which of the vehicles that are ready: what is left out narrows nothing. ``result`` goes by the law's answer when it was last asked."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    result: Literal["credit", "charge", "neither"] | None = None
    client: str | None = None
    own_reference: str | None = None
    entry_channel: Literal["distributor_new", "parallel_new", "used"] | None = None
    entered_from: dt.date | None = None
    entered_to: dt.date | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Filter:
        """A filter from what a client sent. Raises :class:`Invalid`, naming the field, its value and what is allowed."""
        return SelectVehicles.read({"account": "-", "digest": "-", "filter": data}).filter


class Shown(NamedTuple):
    """What matches: how many vehicles, their digest, and what they would earn and be charged, in grams, by the law when it was last asked."""

    vehicles: int
    digest: str
    credit_g: int
    charge_g: int


def _ready(account: Account, wanted: Filter) -> QuerySet[Claim]:
    found = Claim.objects.filter(account=account, state="ready", missing="")
    given = wanted.model_dump(exclude_none=True, exclude={"result", "entered_from", "entered_to"})
    found = found.filter(**given)
    if wanted.entered_from is not None:
        found = found.filter(entered_on__gte=wanted.entered_from)
    if wanted.entered_to is not None:
        found = found.filter(entered_on__lte=wanted.entered_to)
    if wanted.result == "credit":
        found = found.filter(preview_credit_g__gt=0)
    elif wanted.result == "charge":
        found = found.filter(preview_charge_g__gt=0)
    elif wanted.result == "neither":
        found = found.filter(preview_credit_g=0, preview_charge_g=0)
    return found.order_by("pk")


def matching(account: Account, wanted: Filter) -> Shown:
    """What a confirmation shows. Who asks must be allowed to see the account."""
    found = _ready(account, wanted)
    sums = found.order_by().aggregate(credit=Sum("preview_credit_g"), charge=Sum("preview_charge_g"))
    told = list(found.values_list("public_id", flat=True))
    return Shown(len(told), digest("\n".join(told)), int(sums["credit"] or 0), int(sums["charge"] or 0))


class SelectVehicles(OnAccount):
    """Confirm what :func:`matching` showed: the ready vehicles that match, while they are those of the ``digest``; they are kept in order.

    One payment covers one acceptance of up to 5,000 vehicles, so more than that are taken only where pay as you go would charge none.
    """

    filter: Filter = Filter()
    digest: str

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, "accept_vehicles")
        must_be_open(account)
        now = matching(account, self.filter)
        if now.digest != self.digest:
            raise Conflict(
                "selection_changed",
                f"{now.vehicles} vehicles match now, and they aren't those that were shown; look again and confirm",
                field="digest", vehicles=now.vehicles, digest=now.digest,
            )  # fmt: skip
        if not now.vehicles:
            raise Conflict(
                "nothing_matches", f"no vehicle of account {account.number} that is ready matches", field="filter"
            )
        if now.vehicles > MOST and account.scheme == "payg" and now.charge_g:
            raise Conflict(
                "too_many",
                f"{now.vehicles} vehicles match, and some are charged; one payment covers up to {MOST}: narrow the filter",
                field="filter",
            )
        selection = Selection.objects.create(
            public_id=work.id("sel"), account=account, count=now.vehicles, digest=now.digest, begun_id=work.number
        )
        chosen = _ready(account, self.filter).values_list("pk", flat=True)
        columns = ("selection_id", "number", "claim_id")
        rows.insert("acceptance_selected", columns, [(selection.pk, number, claim) for number, claim in enumerate(chosen)])
        parts = -(-now.vehicles // MOST)
        return {"selection": selection.public_id, "count": now.vehicles, "parts": parts}


class AcceptSelected(OnAccount):
    """Accept a part of a selection, as :class:`~.operations.AcceptVehicles` does: vehicles from ``part`` times 5,000 on.

    Each is accepted, waits for the payment, or is refused with the reason: also where it isn't ready any more.
    """

    selection: str
    part: int = pydantic.Field(default=0, ge=0, strict=True)
    credits_g: Grams = 0
    vintages: list[Vintage] = pydantic.Field(default_factory=list)
    provider: str = "local"

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        held = permissions.require(work.by, account, "accept_vehicles")
        must_be_open(account)
        selection = Selection.objects.filter(account=account, public_id=self.selection).first()
        if selection is None:
            raise NotVisible("not_found", f"account {account.number} has no selection {self.selection!r}", field="selection")
        first = self.part * MOST
        if first >= selection.count:
            last = (selection.count - 1) // MOST
            raise Invalid("part", f"part is {self.part}; allowed is 0 to {last}", field="part")
        chosen = Selected.objects.filter(selection=selection, number__range=(first, first + MOST - 1))
        found = [one.claim for one in chosen.order_by("number").select_related("claim__version")]
        vehicles = [(claim.public_id, claim) for claim in found]
        return accept(work, account, held, vehicles, self.credits_g, self.vintages, self.provider)


def accept_all(
    account: str,
    wanted: Filter,
    shown: str,
    *,
    by: Principal,
    key: str,
    credits_g: int = 0,
    vintages: list[int] | None = None,
    provider: str = "local",
) -> dict[str, Any]:
    """Accept all that match, having confirmed the digest ``shown``; the same key goes on with a run that was stopped.

    Gives ``selection``, ``count``, the parts' answers without their rows (``acceptances``), and ``rows``, one for each vehicle.
    Credits are named only where all fits into one acceptance.
    """
    chosen = perform(SelectVehicles(account=account, filter=wanted, digest=shown), by=by, key=key)
    parts = chosen.answer["parts"]
    if credits_g and parts > 1:
        raise Invalid(
            "credits_g",
            f"credits_g is {credits_g}; {parts} acceptances are made, which need none: allowed is 0",
            field="credits_g",
        )
    outcomes: list[dict[str, Any]] = []
    acceptances = []
    for part in range(parts):
        action = AcceptSelected(
            account=account, selection=chosen.answer["selection"], part=part, credits_g=credits_g,
            vintages=vintages or [], provider=provider,
        )  # fmt: skip
        done = perform(action, by=by, key=f"{key}:{part}", parent=chosen.operation).answer
        outcomes += done["rows"]
        acceptances.append({name: value for name, value in done.items() if name != "rows"})
    told = {"selection": chosen.answer["selection"], "count": chosen.answer["count"]}
    return {**told, "acceptances": acceptances, "rows": outcomes}
