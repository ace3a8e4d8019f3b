"""The enquiry whether someone holds a CO2 account, and the agency's decision. s 188 of the Land Transport Act 1998.

The Director keeps a record of all holders and their account numbers (s 188(1), read in the statute's text); any person may apply for
information from it, to check whether someone has an account and whether a number is right, or to move credits (s 188(2)-(3), read in
a paraphrase only). So an answer tells that, and nothing else: no state, scheme or balance. No source tells of a time to answer in,
nor that the holder is told of an enquiry; neither is built.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from django.db.models import Q, QuerySet

from cleanfleet.registry import ids
from cleanfleet.registry.ledger import texts
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action, Private, Work
from cleanfleet.registry.refusals import Forbidden, Invalid, NotVisible
from cleanfleet.registry.states import OWN_CASE

from . import permissions
from .models import Account, Enquiry, Holder
from .operations import Grounds
from .states import ENQUIRY

#: The most holders that are put before the officer who looks for a name.
MOST_CANDIDATES = 20
#: A word of the name that is asked about counts in the search from so many letters.
SHORTEST_WORD = 3


class EnquireHolder(Action):
    """Ask whether a person or a firm holds an account; to verify it (with the number to be checked, if there is one), or to transfer
    credits to it. Any person may."""

    about_name: Annotated[Private, pydantic.Field(min_length=1, max_length=200)]
    purpose: Literal["verify_account", "transfer_credits"]
    reason: Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]
    number: str | None = None

    def run(self, work: Work) -> dict[str, Any]:
        if work.by.kind != "person":
            raise Forbidden("forbidden", "an enquiry is made by a person")
        number = (self.number or "").strip().upper()
        if number and not ids.is_account_number(number):
            raise Invalid(
                "number", f"number is {number!r:.40}; allowed is an account number with its check digit", field="number"
            )
        made = Enquiry.objects.create(
            public_id=work.id("enq"),
            asked_by=work.by,
            purpose=self.purpose,
            number=number,
            state=ENQUIRY.first,
            asked_on=work.today,
            begun_id=work.number,
        )
        return told(made)


class _OnEnquiry(Action):
    """What operations on one enquiry share."""

    enquiry: str

    def find(self, work: Work) -> Enquiry:
        found = visible(work.by).filter(public_id=self.enquiry).select_for_update(of=("self",)).first()
        if found is None:
            raise NotVisible("not_found", f"there is no enquiry {self.enquiry!r} that you may see", field="enquiry")
        return found

    def end(self, work: Work, found: Enquiry, action: str) -> None:
        held = permissions.permissions(work.by)
        if found.asked_by_id == work.by.pk:
            held = {"asker", OWN_CASE}
        found.state = ENQUIRY.go(found.state, action, held)
        found.ended_id = work.number


class DecideEnquiry(_OnEnquiry):
    """The agency's decision, with grounds: the enquiry is answered or refused; not by who asked, nor by one of the holder's people.

    ``holder`` is whom the officer found under the name; without it the answer is that nobody of that name holds an account.
    Account numbers are told only where credits are to be transferred.
    """

    answered: bool
    grounds: Grounds
    holder: str | None = None

    def run(self, work: Work) -> dict[str, Any]:
        found = self.find(work)
        self.end(work, found, "answer" if self.answered else "refuse")
        found.decided_by = work.by
        if self.holder is not None:
            found.holder = self._holder(work)
        if self.answered:
            open_ = Account.objects.filter(holder=found.holder).exclude(state="closed").order_by("number")
            numbers = list(open_.values_list("number", flat=True)) if found.holder else []
            found.holds_account = bool(numbers)
            found.number_is_right = found.number in numbers if found.number else None
            found.numbers = numbers if found.purpose == "transfer_credits" else []
        found.save()
        return told(found)

    def _holder(self, work: Work) -> Holder:
        if not self.answered:
            raise Invalid("holder", f"holder is {self.holder!r}; a refusal names none", field="holder")
        holder = Holder.objects.filter(public_id=self.holder).first()
        if holder is None:
            raise NotVisible("not_found", f"there is no holder {self.holder!r}", field="holder")
        if permissions.own(work.by, holder.pk):
            raise Forbidden("own_case", "nobody decides on an enquiry about their own account's holder", field="holder")
        return holder


class WithdrawEnquiry(_OnEnquiry):
    """Take an enquiry back before it is decided."""

    def run(self, work: Work) -> dict[str, Any]:
        found = self.find(work)
        self.end(work, found, "withdraw")
        found.save()
        return told(found)


def told(found: Enquiry) -> dict[str, Any]:
    """What the asker is told: state, and the answer once there is one."""
    return {
        "enquiry": found.public_id,
        "purpose": found.purpose,
        "number": found.number or None,
        "asked_on": str(found.asked_on),
        "state": found.state,
        "holds_account": found.holds_account,
        "number_is_right": found.number_is_right,
        "numbers": list(found.numbers),
    }


def visible(principal: Principal) -> QuerySet[Enquiry]:
    """The enquiries that the principal may see: their own, or all for the agency's seeing roles. Never those about their accounts."""
    if principal.kind == permissions.SYSTEM or permissions.roles(principal) & set(permissions.SEEING):
        return Enquiry.objects.all()
    return Enquiry.objects.filter(asked_by=principal)


def queue(principal: Principal) -> list[dict[str, Any]]:
    """The enquiries that wait for the agency, the oldest first: what the asker is told, with name and reason."""
    permissions.require_role(principal, *permissions.SEEING)
    waiting = list(Enquiry.objects.filter(state=ENQUIRY.first).order_by("pk").select_related("asked_by"))
    said = texts.of(one.begun_id for one in waiting)
    return [
        {
            **told(one),
            "asked_by": one.asked_by.public_id,
            "about_name": said[one.begun_id]["about_name"],
            "reason": said[one.begun_id]["reason"],
        }
        for one in waiting
    ]


def candidates(principal: Principal, enquiry: str) -> list[dict[str, Any]]:
    """Holders whose name has a word of the name that is asked about, or whose account has the number: the officer chooses."""
    permissions.require_role(principal, "case_officer")
    found = visible(principal).filter(public_id=enquiry).first()
    if found is None:
        raise NotVisible("not_found", f"there is no enquiry {enquiry!r} that you may see", field="enquiry")
    words = {word for word in texts.of([found.begun_id])[found.begun_id]["about_name"].split() if len(word) >= SHORTEST_WORD}
    wanted = Q(accounts__number=found.number) if found.number else Q(pk=None)
    for word in words:
        wanted |= Q(name__icontains=word)
    rows = Holder.objects.filter(wanted).distinct().order_by("name", "pk")[:MOST_CANDIDATES]
    return [{"holder": one.public_id, "kind": one.kind, "holder_name": one.name, "address": one.address} for one in rows]
