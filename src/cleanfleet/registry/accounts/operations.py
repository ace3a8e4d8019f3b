"""What is done with accounts and permissions. Sections are of the Land Transport Act 1998, Part 13."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import pydantic
from django.db.models import Q

from cleanfleet.registry import ids
from cleanfleet.registry.clock import years_later
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action, Private, Work
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotDetermined, NotVisible

from . import permissions
from .models import Account, AgencyRole, Grant, Holder, Person
from .states import ACCOUNT

#: The longest suspension. s 192.
SUSPENDED_YEARS = 5
#: A name that a holder gives an account is free text: kept where it can be erased.
AccountName = Annotated[Private, pydantic.Field(min_length=1, max_length=200)]
Grounds = Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]
EMAIL = r"^[^@\s]+@[^@\s]+$"
Verb = Literal["view", "manage_users", "accept_vehicles", "transfer_credits", "edit_details"]
Role = Literal["case_officer", "approver", "finance", "support", "auditor", "administrator"]


def principal_of(public_id: str) -> Principal:
    found = Principal.objects.filter(public_id=public_id).first()
    if found is None:
        raise NotVisible("not_found", f"there is no person {public_id!r}", field="person")
    return found


class RegisterPerson(Action):
    """Make a principal of a person. Anyone may; what they may do comes by accounts and grants."""

    full_name: Annotated[Private, pydantic.Field(min_length=1, max_length=200)]
    email: Annotated[Private, pydantic.Field(min_length=3, max_length=254, pattern=EMAIL)]

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "administrator", permissions.SYSTEM)
        principal = Principal.objects.create(public_id=work.id("per"), kind="person")
        Person.objects.create(principal=principal, name=self.full_name, email=self.email)
        return {"person": principal.public_id}


class AssignRole(Action):
    """Give a person a role at the agency, or take it away. Nobody changes their own roles."""

    person: str
    role: Role
    assigned: bool = True

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "administrator", permissions.SYSTEM)
        principal = principal_of(self.person)
        if principal == work.by:
            raise Forbidden("own_case", "nobody changes their own roles", field="person")
        held = AgencyRole.objects.filter(principal=principal, role=self.role, ended=None).first()
        if self.assigned and held is None:
            AgencyRole.objects.create(principal=principal, role=self.role, begun_id=work.number)
        elif not self.assigned and held is not None:
            held.ended_id = work.number
            held.save(update_fields=["ended"])
        return {"person": self.person, "role": self.role, "assigned": self.assigned}


class RegisterHolder(Action):
    """Put down an importer: a person or a legal entity, with the address that invoices and receipts bear."""

    kind: Literal["person", "legal_entity"]
    holder_name: Annotated[Private, pydantic.Field(min_length=1, max_length=200)]
    address: Annotated[Private, pydantic.Field(min_length=1, max_length=500)]

    def run(self, work: Work) -> dict[str, Any]:
        if work.by.kind == "token":
            raise Forbidden("forbidden", "a token can't register a holder")
        holder = Holder.objects.create(
            public_id=work.id("hld"), kind=self.kind, name=self.holder_name, address=self.address, registered_by=work.by
        )
        return {"holder": holder.public_id}


class OpenAccount(Action):
    """Open a CO2 account, for new or for used vehicles; pay as you go. Anyone may; who opens it is its owner. s 189."""

    holder: str
    condition: Literal["new", "used"]
    account_name: AccountName

    def run(self, work: Work) -> dict[str, Any]:
        holder = Holder.objects.filter(public_id=self.holder).first()
        others = Account.objects.filter(holder=holder)
        mine = Q(grants__principal=work.by, grants__verb=permissions.OWNER, grants__ended=None)
        if holder is None or (others.exists() and not others.filter(mine).exists()):
            raise NotVisible("not_found", f"there is no holder {self.holder!r} whose accounts you own", field="holder")
        ((number, public_id),) = work.owners()
        account = Account.objects.create(
            owner_id=number,
            public_id=public_id,
            number=ids.account_number(number),
            holder=holder,
            condition=self.condition,
            name=self.account_name,
            state=ACCOUNT.first,
            opened_on=work.today,
            state_since=work.today,
        )
        Grant.objects.create(principal=work.by, account=account, verb=permissions.OWNER, begun_id=work.number)
        return {"account": account.public_id, "number": account.number}


class OnAccount(Action):
    """What operations on one account share: it is found, seen and locked."""

    account: str

    def find(self, work: Work) -> Account:
        account = permissions.account_for(work.by, self.account)
        work.lock(account.pk)
        account.refresh_from_db()
        bring_up_to_date(work, account)
        return account

    def state(self, work: Work, account: Account, action: str, reason: str = "") -> None:
        """Take the account to the state that the action leads to."""
        held = permissions.permissions(work.by, account)
        account.state = ACCOUNT.go(account.state, action, held)
        account.state_since, account.state_reason = work.today, reason
        account.save()


class RenameAccount(OnAccount):
    """Give an account another name."""

    account_name: AccountName

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, "edit_details")
        account.name = self.account_name
        account.save(update_fields=["name"])
        return {"account": account.public_id}


class Permit(OnAccount):
    """Give a person a permission on an account, or take it away. Who may manage users may; the owner keeps all of theirs."""

    person: str
    verb: Verb
    granted: bool = True

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        held = permissions.require(work.by, account, "manage_users")
        principal = principal_of(self.person)
        if self.granted and self.verb not in held:
            raise Forbidden("forbidden", f"you can't grant {self.verb}, which you don't have", field="verb")
        row = Grant.objects.filter(principal=principal, account=account, verb=self.verb, ended=None).first()
        if self.granted and row is None:
            Grant.objects.create(principal=principal, account=account, verb=self.verb, begun_id=work.number)
        elif not self.granted and row is not None:
            row.ended_id = work.number
            row.save(update_fields=["ended"])
        return {"account": account.public_id, "person": self.person, "verb": self.verb, "granted": self.granted}


class HandOver(OnAccount):
    """Make another person the account's owner; the owner until now keeps nothing unless granted anew."""

    person: str

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, permissions.OWNER)
        principal = principal_of(self.person)
        if principal == work.by:
            raise Conflict("same_owner", "you own the account already", field="person")
        Grant.objects.filter(account=account, principal=work.by, ended=None).update(ended_id=work.number)
        Grant.objects.create(principal=principal, account=account, verb=permissions.OWNER, begun_id=work.number)
        return {"account": account.public_id, "person": self.person}


class SetAutoAccept(OnAccount):
    """Turn automatic acceptance on or off: at or below target, and for fleet average above it too. The owner's to set."""

    at_or_below_target: bool
    above_target: bool = False

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, permissions.OWNER)
        if self.above_target and account.scheme == "payg":
            raise Invalid(
                "above_target",
                "above_target is true; a pay-as-you-go account accepts no charge vehicle by itself, because payment is part of "
                "acceptance: allowed is false",
                field="above_target",
            )
        account.auto_accept_below, account.auto_accept_above = self.at_or_below_target, self.above_target
        account.save(update_fields=["auto_accept_below", "auto_accept_above"])
        return {
            "account": account.public_id,
            "at_or_below_target": self.at_or_below_target,
            "above_target": self.above_target,
        }


class ListForTrade(OnAccount):
    """Put the account on, or take it off, the list of holders who want to be asked for trades. No price is kept.

    ``contact_email`` is shown on the list. ``shown`` in the answer tells whether the account stands on it now: it does while it is
    open and its holder verified (:mod:`.trade_list`).
    """

    listed: bool
    contact_email: Annotated[Private | None, pydantic.Field(max_length=254, pattern=EMAIL)] = None

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, "transfer_credits")
        if self.listed and account.state == "closed":
            raise Conflict("account_not_open", f"account {account.number} is closed and can't be listed")
        if self.contact_email is not None and not self.listed:
            raise Invalid("contact_email", "contact_email is given, but listed is false", field="contact_email")
        account.listed, account.listing_id = self.listed, work.number if self.listed else None
        account.save(update_fields=["listed", "listing"])
        shown = self.listed and account.state == "open" and account.holder.aml == "verified"
        return {"account": account.public_id, "listed": self.listed, "shown": shown}


class SetAml(Action):
    """Note the result of the agency's customer due diligence on a holder: with it credits may be given and received."""

    holder: str
    result: Literal["verified", "refused", "unverified"]

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "case_officer", "approver")
        holder = Holder.objects.filter(public_id=self.holder).first()
        if holder is None:
            raise NotVisible("not_found", f"there is no holder {self.holder!r}", field="holder")
        if permissions.own(work.by, holder.pk):
            raise Forbidden("own_case", "nobody decides on their own account's holder", field="holder")
        holder.aml, holder.aml_reviewed_on, holder.aml_reviewed_by = self.result, work.today, work.by
        holder.save()
        return {"holder": holder.public_id, "result": self.result, "reviewed_on": str(work.today)}


class SuspendAccount(OnAccount):
    """Suspend an account for up to five years, with the reason: it takes no vehicle, acceptance or transfer. s 192."""

    until: dt.date
    reason: Literal["failed_to_comply", "convicted"]
    grounds: Grounds

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        last = years_later(work.today, SUSPENDED_YEARS)
        if not work.today < self.until <= last:
            raise Invalid("until", f"until is {self.until}; allowed is a day from tomorrow to {last}", field="until")
        self.state(work, account, "suspend", self.reason)
        account.suspended_until = self.until
        account.save(update_fields=["suspended_until"])
        return {"account": account.public_id, "state": account.state, "until": str(self.until)}


class LiftSuspension(OnAccount):
    """End a suspension: by the agency at any time, by the daily job when its time is over."""

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        over = account.suspended_until is not None and account.suspended_until < work.today
        if work.by.kind == permissions.SYSTEM and not over:
            raise Conflict("not_over", f"the suspension of {account.number} lasts until {account.suspended_until}")
        self.state(work, account, "lift")
        account.suspended_until = account.appealed_on = None
        account.save(update_fields=["suspended_until", "appealed_on"])
        return {"account": account.public_id, "state": account.state}


class NoteAppeal(OnAccount):
    """Note that the holder appealed to the District Court against the suspension. s 193."""

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        self.state(work, account, "note_appeal", account.state_reason)
        account.appealed_on = work.today
        account.save(update_fields=["appealed_on"])
        return {"account": account.public_id, "appealed_on": str(work.today)}


class GiveNotice(OnAccount):
    """The agency's notice that it means to close an account that is no longer needed, with a day to answer by. s 191."""

    answer_by: dt.date

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        if self.answer_by <= work.today:
            raise Invalid(
                "answer_by", f"answer_by is {self.answer_by}; allowed is a day after {work.today}", field="answer_by"
            )
        self.state(work, account, "give_notice", "not_needed")
        account.answer_by, account.answered_id = self.answer_by, None
        account.save(update_fields=["answer_by", "answered"])
        return {"account": account.public_id, "state": account.state, "answer_by": str(self.answer_by)}


class AnswerNotice(OnAccount):
    """The holder's answer to the agency's notice: why the account is still needed, or what is being done with what it holds. s 191.

    It may come late, as long as the account isn't closed; a later answer replaces an earlier one.
    """

    answer: Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        self.state(work, account, "answer_notice", account.state_reason)
        account.answered_id = work.number
        account.save(update_fields=["answered"])
        return {"account": account.public_id, "answered_on": str(work.today), "answer_by": str(account.answer_by)}


class WithdrawNotice(OnAccount):
    """The agency takes its notice back."""

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        self.state(work, account, "withdraw_notice")
        account.answer_by = account.answered_id = None
        account.save(update_fields=["answer_by", "answered"])
        return {"account": account.public_id, "state": account.state}


#: What is done, before an account is closed, with what is left in a kind of bucket.
BEFORE_CLOSING = {
    "held": "transfer, use or surrender it",
    "reserved": "end what it is reserved for",
    "owed": "settle it",
    "payable": "pay it",
    "unallocated": "the agency's finance gives it back",
    "refund_due": "it is on its way back",
}


class CloseAccount(OnAccount):
    """Close an account, for good: only with nothing owed and nothing held. By its owner (s 190), or after notice (s 191).

    The agency gives ``grounds`` where the holder answered its notice. What becomes of the credits of an account that the agency
    closes was found in no source: it isn't closed while it holds some (``not_determined``); the holder can give them away,
    use or surrender them, or they expire.
    """

    grounds: Annotated[Private | None, pydantic.Field(min_length=1, max_length=2000)] = None

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        held = permissions.permissions(work.by, account)
        ACCOUNT.go(account.state, "close", held)
        agency = permissions.OWNER not in held
        if agency and account.answer_by is not None and work.today <= account.answer_by:
            raise Conflict("notice_runs", f"the holder has until {account.answer_by} to answer the notice")
        if agency and account.answered is not None and self.grounds is None:
            raise Invalid(
                "grounds",
                f"grounds is empty; the holder answered the notice on {account.answered.effective_on}",
                field="grounds",
            )
        nothing_left(account, agency)
        self.state(work, account, "close")
        account.listed, account.listing_id = False, None
        account.save(update_fields=["listed", "listing"])
        return {"account": account.public_id, "state": account.state}


def nothing_left(account: Account, agency: bool) -> None:
    """:class:`Conflict` while anything stands on the account, naming it and what is done about it; see :class:`CloseAccount`."""
    left = sorted(book.balances(account.pk).items())
    if left:
        shown = "; ".join(f"{amount} {unit} {kind}: {BEFORE_CLOSING.get(kind, kind)}" for (kind, unit), amount in left)
        message = f"account {account.number} can't be closed while it has {shown}"
        if agency and all(kind == "held" for (kind, _), _ in left):
            raise NotDetermined(
                "not_determined",
                f"{message}; what becomes of the credits of an account that the agency closes isn't known",
                missing=["credits_of_an_account_closed_by_the_agency"],
            )
        raise Conflict("not_empty", message, left=shown)
    busy = closing_checks(account)
    if busy:
        raise Conflict("not_empty", f"account {account.number} can't be closed: {busy}")


#: What upper rooms bring up to date on an account before it is used: functions of (work, account).
_UP_TO_DATE: list[Any] = []


def up_to_date(step: Any) -> Any:
    """Let an upper room bring an account up to date whenever an operation finds it: what took effect at midnight counts at once."""
    _UP_TO_DATE.append(step)
    return step


def bring_up_to_date(work: Work, account: Account) -> None:
    """What the calendar has changed of a locked account since it was last used."""
    for step in _UP_TO_DATE:
        step(work, account)


#: What upper rooms hold against closing an account: functions that give a reason, or nothing.
_HOLD_OPEN: list[Any] = []


def hold_open(check: Any) -> Any:
    """Let an upper room hold an account open: ``check(account)`` gives the reason or None."""
    _HOLD_OPEN.append(check)
    return check


def closing_checks(account: Account) -> str | None:
    return next((reason for reason in (check(account) for check in _HOLD_OPEN) if reason), None)
