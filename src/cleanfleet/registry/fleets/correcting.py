"""Correcting a vehicle after it was accepted under fleet average, or taking it out; its year follows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from cleanfleet.law.policy import Policy
from cleanfleet.registry.acceptance.models import Line
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.operations import Action, Work, canonical
from cleanfleet.registry.refusals import Conflict, Invalid, NotDetermined, NotVisible
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles import assessing
from cleanfleet.registry.vehicles.models import Claim, Result, Version
from cleanfleet.registry.vehicles.states import CLAIM

from . import fleet, submitting, years
from .determining import Grounds, Reason, again, is_determined, last_known, law_of
from .models import Share


class _OnAccepted(Action):
    """What corrections of a vehicle accepted under fleet average share."""

    claim: str
    reason: Reason
    grounds: Grounds

    def find(self, work: Work) -> tuple[Claim, dict[int, Account], dt.date]:
        """The vehicle, the holder's accounts, locked, and the day of its acceptance."""
        permissions.require_role(work.by, "case_officer")
        claim = Claim.objects.filter(public_id=self.claim).select_related("account__holder").first()
        if claim is None:
            raise NotVisible("not_found", f"there is no vehicle {self.claim!r}", field="claim")
        years.not_own(work, claim.account.holder)
        accounts = years.lock_all(work, claim.account.holder)
        claim = Claim.objects.select_related("version", "account__holder").get(pk=claim.pk)
        line = Line.objects.filter(claim=claim, acceptance__scheme="fleet", acceptance__state="accepted").first()
        if line is None or claim.state != "accepted":
            raise Conflict("not_of_fleet", "the vehicle isn't accepted under fleet average", field="claim")
        return claim, accounts, line.acceptance.on

    def follow(
        self, work: Work, claim: Claim, accounts: dict[int, Account], on: dt.date, types: Collection[str]
    ) -> dict[str, Any]:
        """What the correction does to the year: its next determination, or what a submission reserved."""
        holder, year = claim.account.holder, on.year
        work.post()
        if is_determined(holder, year):
            policy = law_of(work, year, last_known(holder, year))
            return {"determined": again(work, holder, accounts, year, sorted(types), policy, self.reason)}
        shares = Share.objects.filter(
            fleet_year__holder=holder, fleet_year__year=year, settlements__state="reserved"
        ).distinct()
        reserved = []
        if shares:
            policy = fleet.reading(year)
            found = fleet.figures(policy, holder, year, fleet.members(holder, year))
            for share in shares.select_related("fleet_year", "account__holder"):
                figures = found.get(share.fleet_year.vehicle_type)
                charge = figures.charge[share.account.condition] if figures else 0
                reserved.append({**years.told(share), **submitting.adjust(work, share, charge)})
        return {"determined": {}, "reserved": reserved}


class CorrectFleetVehicle(_OnAccepted):
    """Correct the data of a vehicle that was accepted under fleet average: ``attributes`` are what changes, null takes one away.

    It is assessed anew as of the day of its acceptance. Of a year that is determined the next version follows, and the difference is
    posted; before that nothing is posted, only what a submission reserved follows.
    """

    attributes: dict[str, str | int | None]

    def run(self, work: Work) -> dict[str, Any]:
        claim, accounts, on = self.find(work)
        before = _latest(claim)
        policy = self._law(work, claim, on)
        (given,) = assessing.read([claim.version.attributes])
        kept = {name: value for name, value in {**given, **self.attributes}.items() if value is not None}
        _readable(policy, self.attributes)
        if kept == given:
            raise Conflict("nothing_changed", "the attributes are those that the vehicle has", field="attributes")
        (answer,) = assessing.assess(policy, [kept], on, "fleet")
        missing = answer.held(law.confirmed())
        if answer.status == "excluded":
            raise Conflict("not_subject", f"so it isn't subject to the standard ({answer.reason}); withdraw it instead")
        if answer.status == "refused":
            raise Invalid("bad_attribute", answer.reason, field="attributes")
        if missing:
            raise NotDetermined("not_determined", f"so it isn't determined: {missing}", missing=[missing])
        last = Version.objects.filter(vehicle_id=claim.vehicle_id).order_by("-number").first()
        assert last is not None
        version = Version.objects.create(
            vehicle_id=claim.vehicle_id,
            number=last.number + 1,
            attributes=canonical(kept),
            source="agency",
            operation_id=work.number,
        )
        figures = ("vehicle_type", "flags", "co2", "target", "difference", "credit_g", "charge_g", "charge_cents")
        Result.objects.create(
            claim=claim,
            version=version,
            operation_id=work.number,
            on=on,
            known=policy.known,
            law_id=policy.digest,
            **{name: getattr(answer, name) for name in figures},
        )
        claim.version = version
        claim.save(update_fields=["version"])
        types = {before.vehicle_type, str(answer.vehicle_type)}
        return {"claim": claim.public_id, "version": version.number, **self.follow(work, claim, accounts, on, types)}

    def _law(self, work: Work, claim: Claim, on: dt.date) -> Policy:
        """The law of the year, as known when it was last determined; of a year that still runs, as known today."""
        if work.today <= fleet.year_end(on.year):
            policy = law.policy(work.today)
            work.law(policy)
            return policy
        return law_of(work, on.year, last_known(claim.account.holder, on.year))


class WithdrawFleetVehicle(_OnAccepted):
    """Take a vehicle out of its fleet after acceptance: it was exported, or never registered."""

    def run(self, work: Work) -> dict[str, Any]:
        claim, accounts, on = self.find(work)
        before = _latest(claim)
        claim.state = CLAIM.go(claim.state, "withdraw", permissions.permissions(work.by, claim.account))
        claim.ended_on = work.today
        claim.save()
        return {
            "claim": claim.public_id,
            "state": claim.state,
            **self.follow(work, claim, accounts, on, {before.vehicle_type}),
        }


def _latest(claim: Claim) -> Result:
    found = claim.results.order_by("-pk").first()
    assert found is not None
    return found


def _readable(policy: Policy, attributes: dict[str, str | int | None]) -> None:
    allowed = assessing.columns(policy)
    for name, value in attributes.items():
        if name not in allowed or name == "condition":
            raise Invalid("unknown_attribute", f"attribute {name!r} is not one that can be corrected", field=name)
        bad = assessing.unreadable(allowed[name], value)
        if bad:
            raise Invalid("bad_attribute", bad, field=name)
