"""Becoming category 1, and ceasing to be: application with a signed declaration, decision by two persons, suspension, revocation.

Regulations are those of SL 2022/285. What else they ask of an applicant wasn't seen; the agency's officers weigh it.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import pydantic

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account, Holder
from cleanfleet.registry.accounts.operations import OnAccount, up_to_date
from cleanfleet.registry.ledger.operations import Action, Private, Work
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible

from . import years
from .models import Application, Standing
from .states import APPLICATION, OWNER, STANDING
from .years import Year

#: What is declared, by version; a change of the words is a new version.
DECLARATIONS: dict[str, dict[str, str]] = {
    "1": {
        "authorised": "I may act for the applicant.",
        "carries_on_business": "The applicant carries on a business of importing light vehicles.",
        "correct_and_complete": "What is stated here is correct and complete.",
        "applicant_insolvency": "Whether the applicant is, or was, in an insolvency process.",
        "related_party_insolvency": "Whether a related party of the applicant is, or was, in an insolvency process.",
    }
}
Grounds = Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]
StandingReason = Literal["obligations_not_met", "insolvency", "false_declaration", "no_longer_importing", "holder_asked"]


class Declaration(pydantic.BaseModel):
    """What the applicant signs; the three statements must be true, the two questions are answered as it is."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    version: Literal["1"]
    authorised: Literal[True]
    carries_on_business: Literal[True]
    correct_and_complete: Literal[True]
    applicant_insolvency: bool
    related_party_insolvency: bool


class ApplyFleetAverage(Action):
    """Apply to become category 1 (fleet average) from a 1 January on. reg 21. Until it is approved nothing changes.

    Signed by a person who owns one of the holder's accounts: version, who and when are kept.
    """

    holder: str
    first_year: Year
    declaration: Declaration
    explanation: Annotated[Private | None, pydantic.Field(max_length=2000)] = None

    def run(self, work: Work) -> dict[str, Any]:
        holder = Holder.objects.filter(public_id=self.holder).first()
        if holder is None or not years.owns(work.by, holder):
            raise NotVisible("not_found", f"there is no holder {self.holder!r} whose accounts you own", field="holder")
        if work.by.kind != "person":
            raise Forbidden("forbidden", "a declaration is signed by a person")
        years.lock_all(work, holder)
        if self.first_year <= work.today.year:
            raise Invalid(
                "first_year",
                f"first_year is {self.first_year}; fleet average starts at the beginning of a year: allowed is {work.today.year + 1} "
                "or later",
                field="first_year",
            )
        if Application.objects.filter(holder=holder, ended=None).exists():
            raise Conflict("applied", "an application of this holder is being assessed already")
        if Standing.objects.filter(holder=holder).exclude(state="revoked").exists():
            raise Conflict("approved", "the holder is approved for fleet average already")
        made = Application.objects.create(
            public_id=work.id("fla"),
            holder=holder,
            first_year=self.first_year,
            state=APPLICATION.first,
            declaration_version=self.declaration.version,
            declared_by=work.by,
            declared_at=work.now,
            applicant_insolvency=self.declaration.applicant_insolvency,
            related_party_insolvency=self.declaration.related_party_insolvency,
            begun_id=work.number,
        )
        return {"application": made.public_id, "state": made.state, "first_year": made.first_year}


class _OnApplication(Action):
    """What operations on an application share."""

    application: str

    def find(self, work: Work) -> tuple[Application, set[str]]:
        found = Application.objects.filter(public_id=self.application).select_related("holder").first()
        held = years.permitted(work, found.holder) if found else set()
        if found is None or not any(p == OWNER or p.startswith("agency:") for p in held):
            raise NotVisible(
                "not_found", f"there is no application {self.application!r} that you may see", field="application"
            )
        years.lock_all(work, found.holder)
        return Application.objects.select_related("holder").get(pk=found.pk), held


class RecommendApplication(_OnApplication):
    """The case officer's recommendation, with grounds; another person decides."""

    approve: bool
    grounds: Grounds

    def run(self, work: Work) -> dict[str, Any]:
        found, held = self.find(work)
        found.state = APPLICATION.go(found.state, "recommend", held)
        years.not_own(work, found.holder)
        found.officer, found.recommendation = work.by, "approve" if self.approve else "decline"
        found.save()
        return {"application": found.public_id, "state": found.state, "recommendation": found.recommendation}


class DecideApplication(_OnApplication):
    """The approver's decision. Approved, the holder's accounts are fleet average from 1 January of the first year applied for, or of
    the next year where that has begun. Vehicles accepted before stay pay as you go."""

    approve: bool
    grounds: Grounds

    def run(self, work: Work) -> dict[str, Any]:
        found, held = self.find(work)
        found.state = APPLICATION.go(found.state, "approve" if self.approve else "decline", held)
        years.not_own(work, found.holder)
        if found.officer_id == work.by.pk:
            raise Forbidden("own_case", "nobody decides on an application that they recommended")
        found.decided_by, found.ended_id = work.by, work.number
        found.save()
        starts = None
        if self.approve:
            starts = dt.date(max(found.first_year, work.today.year + 1), 1, 1)
            Standing.objects.create(
                holder=found.holder,
                application=found,
                state=STANDING.first,
                starts_on=starts,
                state_since=work.today,
            )
        return {"application": found.public_id, "state": found.state, "starts_on": starts and str(starts)}


class WithdrawApplication(_OnApplication):
    """Take an application back before it is decided."""

    def run(self, work: Work) -> dict[str, Any]:
        found, held = self.find(work)
        found.state = APPLICATION.go(found.state, "withdraw", held)
        found.ended_id = work.number
        found.save()
        return {"application": found.public_id, "state": found.state}


class _OnStanding(Action):
    """What operations on an approved holder share."""

    holder: str
    grounds: Grounds

    def go(self, work: Work, action: str, reason: str) -> Standing:
        permissions.require_role(work.by, "case_officer", "approver")
        found = Standing.objects.filter(holder__public_id=self.holder).select_related("holder").order_by("-pk").first()
        if found is None:
            raise NotVisible("not_found", f"holder {self.holder!r} isn't approved for fleet average", field="holder")
        years.not_own(work, found.holder)
        work.lock(*Account.objects.filter(holder=found.holder).values_list("pk", flat=True))
        found = Standing.objects.select_related("holder").get(pk=found.pk)
        found.state = STANDING.go(found.state, action, permissions.permissions(work.by))
        found.state_since, found.reason = work.today, reason
        found.save()
        return found

    def told(self, work: Work, found: Standing) -> dict[str, Any]:
        years.lock_all(work, found.holder)
        return {
            "holder": found.holder.public_id,
            "state": found.state,
            "since": str(found.state_since),
            "starts_on": str(found.starts_on),
        }


class SuspendFleetAverage(_OnStanding):
    """Suspend a holder's fleet average, with the reason: from now on its accounts are pay as you go. What was accepted before stays in the
    year's fleet."""

    reason: StandingReason

    def run(self, work: Work) -> dict[str, Any]:
        return self.told(work, self.go(work, "suspend", self.reason))


class ReinstateFleetAverage(_OnStanding):
    """End a suspension: fleet average begins again with the next year."""

    def run(self, work: Work) -> dict[str, Any]:
        found = self.go(work, "reinstate", "")
        found.starts_on = max(found.starts_on, dt.date(work.today.year + 1, 1, 1))
        found.save()
        return self.told(work, found)


class RevokeFleetAverage(_OnStanding):
    """End a holder's fleet average, with the reason: from now on its accounts are pay as you go. It may apply anew."""

    reason: StandingReason

    def run(self, work: Work) -> dict[str, Any]:
        return self.told(work, self.go(work, "revoke", self.reason))


class BringUpToDate(OnAccount):
    """Take an account to the scheme that counts today; the daily job does it on 1 January for accounts that nobody used yet."""

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, permissions.SYSTEM)
        account = self.find(work)
        return {"account": account.public_id, "scheme": account.scheme}


@up_to_date
def _scheme(work: Work, account: Account) -> None:
    """Fleet average from the first day of an approval that isn't suspended or revoked; otherwise pay as you go."""
    runs = Standing.objects.filter(holder_id=account.holder_id, state="approved", starts_on__lte=work.today).exists()
    scheme = "fleet" if runs else "payg"
    if account.scheme != scheme and account.state != "closed":
        account.scheme = scheme
        if scheme == "payg":
            account.auto_accept_above = False
        account.save(update_fields=["scheme", "auto_accept_above"])


def changing(today: dt.date) -> list[str]:
    """The accounts whose fleet average has begun and that nobody used since."""
    begun = Standing.objects.filter(state="approved", starts_on__lte=today).values("holder")
    found = Account.objects.filter(holder__in=begun, scheme="payg").exclude(state="closed")
    return list(found.order_by("pk").values_list("public_id", flat=True))
