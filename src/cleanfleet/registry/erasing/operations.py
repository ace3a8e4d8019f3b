"""Erasing texts on request: of a person who uses the register, and of a holder whose accounts are closed.

What is kept for ever is who did what, when, with which figures; only ids of persons stand there. What is erased: names, addresses and
free texts, in the operations' private texts and in the tables that show them. Copies made by 'backup' before keep them.

| text | erased with |
|---|---|
| a person's name and e-mail; what they wrote as a user: explanations, answers, enquiries, contact on the trade list | ErasePerson |
| a holder's name and address, its accounts' names, grounds of decisions on it, name and address on its receipts and invoices | EraseHolder |
| name and bank account of a holder's direct debit authorities | EraseHolder |
| payers and what they wrote in a bank's statement, which the agency keeps whole | never |
| grounds of the agency's other decisions | never: the agency answers for them |
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any, Literal

from django.conf import settings
from django.db.models import Max, QuerySet

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account, AgencyRole, Enquiry, Grant, Holder, Person
from cleanfleet.registry.accounts.operations import Grounds, principal_of
from cleanfleet.registry.bankfiles.models import Mandate
from cleanfleet.registry.clock import years_later
from cleanfleet.registry.fleets.models import Application, Deferral
from cleanfleet.registry.intake import hooks as intake
from cleanfleet.registry.ledger import book, texts
from cleanfleet.registry.ledger.models import Operation, Principal, PrivateText, Seal
from cleanfleet.registry.ledger.operations import Action, Work, canonical, chunks
from cleanfleet.registry.ledger.texts import ERASED
from cleanfleet.registry.payments.models import Invoice, Payment, Receipt
from cleanfleet.registry.refusals import Conflict, Forbidden, NotDetermined, NotVisible
from cleanfleet.registry.vehicles.models import Claim, Dispute

#: Operations whose private texts are what a user wrote; those of all others are the holder's record or the agency's grounds.
WRITTEN_BY_USERS = (
    "answer_notice",
    "apply_fleet_average",
    "dispute_vehicle",
    "enquire_holder",
    "list_for_trade",
)
Basis = Literal["person_asked", "no_longer_needed", "recorded_wrongly"]


class ErasePerson(Action):
    """Erase a person's name, e-mail address and what they wrote; who they are can't be told any more, what they did can.

    By an administrator, not of themselves. ``grounds``: who asked, when, and why it is done. Refused while the person has a
    permission on an account that isn't closed or on which something stands, or a role at the agency, or a case of theirs is open: an
    enquiry, a dispute, an application or a deferral.
    """

    person: str
    basis: Basis
    grounds: Grounds

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "administrator")
        principal = principal_of(self.person)
        if principal == work.by:
            raise Forbidden("own_case", "nobody erases their own texts", field="person")
        person = Person.objects.filter(principal=principal).first()
        if person is None or person.name == ERASED:
            raise Conflict("nothing_to_erase", f"there are no texts of {self.person}", field="person")
        _refuse(f"the texts of {self.person} can't be erased", _needs_person(principal))
        person.name, person.email = ERASED, ""
        person.save()
        made = [*_made("register_person", "person", self.person), *intake.texts_of(self.person)]
        erased = texts.erase(work, [*made, *_written(principal)])
        return {"person": self.person, "erased_texts": erased}


class EraseHolder(Action):
    """Erase the name, address and texts of a holder whose accounts are all closed, once their record needn't be kept any longer.

    By an administrator who has nothing to do with the holder. Numbers, vehicles, grams, money and days stay, and so do amount,
    number and law on receipts and invoices. Refused while an account is open, something stands on one or a case is open; and for
    ``CLEANFLEET_KEEP_YEARS`` years after the last account was closed and the last receipt or invoice was issued. How many years
    the law asks for was found in no source: where the setting is empty, it is ``not_determined`` and nothing is erased.
    """

    holder: str
    basis: Basis
    grounds: Grounds

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "administrator")
        holder = Holder.objects.filter(public_id=self.holder).first()
        if holder is None:
            raise NotVisible("not_found", f"there is no holder {self.holder!r}", field="holder")
        if permissions.own(work.by, holder.pk):
            raise Forbidden("own_case", "nobody erases the texts of their own account's holder", field="holder")
        if holder.name == ERASED:
            raise Conflict("nothing_to_erase", f"the texts of {self.holder} were erased before", field="holder")
        accounts = list(Account.objects.filter(holder=holder).order_by("pk"))
        work.lock(*(account.pk for account in accounts))
        what = f"the texts of holder {self.holder} can't be erased"
        _refuse(what, _needs_holder(holder, accounts))
        _kept_long_enough(what, holder, accounts, work.today)
        made = [*_made("register_holder", "holder", self.holder), *intake.texts_of(self.holder)]
        erased = texts.erase(work, [*made, *_about(holder, accounts)])
        holder.name = holder.address = ERASED
        holder.save(update_fields=["name", "address"])
        Account.objects.filter(holder=holder).update(name=ERASED)
        Mandate.objects.filter(account__holder=holder).update(payer_name=ERASED, number="")
        for issued in _issued(holder):
            issued.update(name=ERASED, address=ERASED)
        return {"holder": self.holder, "erased_texts": erased}


def _refuse(what: str, reasons: list[str]) -> None:
    if reasons:
        raise Conflict("record_needed", f"{what}: {'; '.join(reasons)}", reasons=reasons)


def _needs_person(principal: Principal) -> list[str]:
    """Why the register still needs to know who the person is."""
    grants = Grant.objects.filter(principal=principal, ended=None).exclude(account__state="closed")
    numbers = sorted(set(grants.values_list("account__number", flat=True)))
    roles = sorted(AgencyRole.objects.filter(principal=principal, ended=None).values_list("role", flat=True))
    found = [f"they have permissions on {', '.join(numbers)}"] if numbers else []
    closed = Account.objects.filter(grants__principal=principal, grants__ended=None, state="closed").distinct()
    found += _left(closed)
    found += [f"they have the agency role {', '.join(roles)}"] if roles else []
    open_ = {
        "enquiry": Enquiry.objects.filter(asked_by=principal, ended=None),
        "dispute": Dispute.objects.filter(raised__principal=principal, answered=None),
        "application for fleet average": Application.objects.filter(declared_by=principal, ended=None),
        "deferral": Deferral.objects.filter(begun__principal=principal, ended=None),
    }
    return found + [f"{what} of theirs is open" for what, rows in open_.items() if rows.exists()]


def _needs_holder(holder: Holder, accounts: list[Account]) -> list[str]:
    """Why the register still needs to know who the holder is."""
    found = [f"account {account.number} is {account.state}" for account in accounts if account.state != "closed"]
    found += _left(accounts)
    open_ = {
        "a dispute": Dispute.objects.filter(claim__account__holder=holder, answered=None),
        "an application for fleet average": Application.objects.filter(holder=holder, ended=None),
        "a deferral": Deferral.objects.filter(fleet_year__holder=holder, ended=None),
    }
    found += [f"{what} is open" for what, rows in open_.items() if rows.exists()]
    waiting = Payment.objects.filter(account__holder=holder, state__in=("created", "started", "late", "refund_due"))
    return [*found, "a payment is open"] if waiting.exists() else found


def _left(accounts: Iterable[Account]) -> list[str]:
    """What stands on the accounts, as a correction may put it on one that is closed."""
    numbers = {account.pk: account.number for account in accounts}
    return [
        f"account {numbers[pk]} has {amount} {unit} {kind}"
        for pk, there in sorted(book.balances_of(numbers).items())
        for (kind, unit), amount in sorted(there.items())
    ]


def _kept_long_enough(what: str, holder: Holder, accounts: list[Account], today: dt.date) -> None:
    if not accounts:
        return
    years: int | None = settings.OPTIONS["CLEANFLEET_KEEP_YEARS"]
    if years is None:
        raise NotDetermined(
            "not_determined",
            f"{what}: for how many years the record of an account is kept isn't known; CLEANFLEET_KEEP_YEARS is empty",
            missing=["CLEANFLEET_KEEP_YEARS"],
        )
    days = [account.state_since for account in accounts]
    for issued in _issued(holder):
        last = issued.aggregate(last=Max("issued_on"))["last"]
        days += [last] if last is not None else []
    until = years_later(max(days), years)
    if today <= until:
        raise Conflict("record_needed", f"{what}: the record is kept until {until}", until=str(until))


def _issued(holder: Holder) -> tuple[QuerySet[Any], ...]:
    """What was issued to the holder, with name and address of that day."""
    return (Invoice.objects.filter(account__holder=holder), Receipt.objects.filter(payment__account__holder=holder))


def _made(name: str, what: str, public_id: str) -> list[int]:
    """The operation of that name that answered with nothing but this id: the one that made it."""
    found = Seal.objects.filter(operation__name=name, answer=canonical({what: public_id}))
    return list(found.values_list("operation_id", flat=True))


def _written(principal: Principal) -> list[int]:
    found = Operation.objects.filter(principal=principal, name__in=WRITTEN_BY_USERS)
    return list(found.values_list("pk", flat=True))


def _about(holder: Holder, accounts: list[Account]) -> list[int]:
    """The operations with texts that name the holder, an account, a vehicle or a case of the holder's in their input; erasures aside."""
    named: dict[str, list[int]] = {}
    given = PrivateText.objects.filter(erased=None).exclude(operation__name=EraseHolder.name).order_by("operation_id")
    for number, text in given.values_list("operation_id", "operation__input").distinct().iterator(2000):
        for value in json.loads(text).values():
            if isinstance(value, str):
                named.setdefault(value, []).append(number)
    mine = {holder.public_id, *(a.public_id for a in accounts), *(a.number for a in accounts)} & named.keys()
    for _, part in chunks(sorted(named), 500):
        mine |= _ids(Claim.objects.filter(public_id__in=part, account__holder=holder))
        mine |= _ids(Application.objects.filter(public_id__in=part, holder=holder))
        mine |= _ids(Deferral.objects.filter(public_id__in=part, fleet_year__holder=holder))
        mine |= _ids(Enquiry.objects.filter(public_id__in=part, holder=holder))
    asked = Enquiry.objects.filter(holder=holder).values_list("begun_id", flat=True)
    return sorted({number for value in mine for number in named[value]} | set(asked))


def _ids(rows: Any) -> set[str]:
    found: Iterable[str] = rows.values_list("public_id", flat=True)
    return set(found)
