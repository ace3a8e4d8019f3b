"""Erasing texts: what goes, what stays, what stands against it; the book, its audit and its replay don't change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from cleanfleet.registry import clock, kinds, replay
from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts.enquiries import DecideEnquiry, EnquireHolder
from cleanfleet.registry.accounts.models import Account, Person
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.erasing.operations import WRITTEN_BY_USERS, EraseHolder, ErasePerson
from cleanfleet.registry.fleets.applications import ApplyFleetAverage
from cleanfleet.registry.ledger import audit, texts
from cleanfleet.registry.ledger.models import Operation, Principal, PrivateText
from cleanfleet.registry.ledger.operations import perform
from cleanfleet.registry.payments.models import Invoice, Receipt
from cleanfleet.registry.refusals import Conflict, Forbidden, NotDetermined, NotVisible
from cleanfleet.registry.statements.statement import statement
from cleanfleet.registry.transfers.surrendering import SurrenderCredits
from cleanfleet.registry.vehicles.models import Claim
from cleanfleet.registry.vehicles.operations import DecideDispute, DisputeVehicle
from registry.people import account, car, credited, do, feed, holder, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
GROUNDS = "Asked by letter of 1 May 2026."


@pytest.fixture
def keep_years() -> Iterator[None]:
    before = settings.OPTIONS["CLEANFLEET_KEEP_YEARS"]
    settings.OPTIONS["CLEANFLEET_KEEP_YEARS"] = 7  # only for these tests; no source tells how many
    yield
    settings.OPTIONS["CLEANFLEET_KEEP_YEARS"] = before


def erase(who: Principal, by: Principal | None = None) -> dict[str, Any]:
    return do(ErasePerson(person=who.public_id, basis="person_asked", grounds=GROUNDS), by or officer("administrator"))


def erase_holder(public_id: str, by: Principal | None = None) -> dict[str, Any]:
    return do(EraseHolder(holder=public_id, basis="person_asked", grounds=GROUNDS), by or officer("administrator"))


def everything() -> str:
    """Every value of every row of every table, as one text."""
    found = []
    for model in apps.get_models():
        found += [str(row) for row in model._default_manager.values_list()]
    return "\n".join(found)


def sound() -> None:
    """The audit finds nothing, and the history done again gives the same book."""
    assert audit.run() == []
    assert replay.run() == []


def test_a_person_s_texts_are_gone_everywhere_and_the_book_is_sound() -> None:
    kinds.all_kinds()
    who = person("Wiremu")
    asked = EnquireHolder(about_name="Tui Cars", purpose="verify_account", reason="Wiremu wonders")
    first = perform(asked, by=who, key="k")
    enquiry = first.answer["enquiry"]
    with pytest.raises(Conflict, match="enquiry of theirs is open"):
        erase(who)
    do(DecideEnquiry(enquiry=enquiry, answered=True, grounds="s 188"), officer())
    assert "Wiremu" in everything()
    assert "wiremu@example.nz" in everything()
    assert erase(who) == {"person": who.public_id, "erased_texts": 4}
    for gone in ("Wiremu", "wiremu@example.nz", "Tui Cars"):
        assert gone not in everything()
    assert Person.objects.get(principal=who).name == "erased"
    assert texts.of([first.operation]) == {first.operation: {"about_name": "erased", "reason": "erased"}}
    assert GROUNDS in everything()
    sound()
    again = perform(asked, by=who, key="k")
    assert (again.repeated, again.answer) == (True, first.answer)
    with pytest.raises(Conflict, match="was used for another operation"):
        perform(asked.model_copy(update={"purpose": "transfer_credits"}), by=who, key="k")
    with pytest.raises(Conflict, match="there are no texts of"):
        erase(who)


def test_others_texts_stay_when_a_person_is_erased() -> None:
    ben, who = person("Ben"), person("Wiremu")
    do(EnquireHolder(about_name="Wiremu", purpose="verify_account", reason="x"), ben)
    erase(who)
    assert set(PrivateText.objects.filter(erased=None, operation__principal=ben).values_list("text", flat=True)) == {
        "Wiremu",
        "x",
    }
    assert Person.objects.get(principal=ben).name == "Ben"


def test_who_has_a_part_in_an_account_a_role_or_an_open_case_is_still_needed() -> None:
    owner, admin = person(), officer("administrator")
    of = account(owner)
    with pytest.raises(Conflict, match=f"they have permissions on {of.number}"):
        erase(owner)
    with pytest.raises(Conflict, match="they have the agency role finance"):
        erase(officer("finance"))
    with pytest.raises(Forbidden, match="nobody erases their own texts"):
        erase(admin, admin)
    for by in (owner, officer("case_officer"), system()):
        with pytest.raises(Forbidden, match="agency role administrator"):
            erase(person("Tui"), by)
    with pytest.raises(NotVisible, match="no person"):
        do(ErasePerson(person="per_0", basis="person_asked", grounds="x"), admin)
    with pytest.raises(Conflict, match="there are no texts of system"):
        erase(system())
    with clock.at("2026-04-10"):
        (row,) = feed(car(of))
        do(DisputeVehicle(claim=row["claim"], reason="not_mine", explanation="Aroha didn't order it"), owner)
        do(accounts.HandOver(account=of.public_id, person=person("Ben").public_id), owner)
        with pytest.raises(Conflict, match="dispute of theirs is open"):
            erase(owner)
        do(DecideDispute(claim=row["claim"], details_stand=False, grounds="True."), officer())
        assert erase(owner)["erased_texts"] == 3
    assert "Aroha" not in everything().replace("Aroha's", "")


def test_an_application_that_is_assessed_is_needed() -> None:
    owner = person()
    of = account(owner)
    signed = {
        "version": "1",
        "authorised": True,
        "carries_on_business": True,
        "correct_and_complete": True,
        "applicant_insolvency": False,
        "related_party_insolvency": False,
    }
    with clock.at("2026-04-10"):
        apply = {"holder": of.holder.public_id, "first_year": 2027, "declaration": signed, "explanation": "We grow."}
        do(ApplyFleetAverage.read(apply), owner)
        assert "We grow" not in Operation.objects.get(name="apply_fleet_average").input
        do(accounts.HandOver(account=of.public_id, person=person("Ben").public_id), owner)
        with pytest.raises(Conflict, match="application for fleet average of theirs is open"):
            erase(owner)
        with pytest.raises(Conflict, match=f"account {of.number} is open; an application for fleet average is open"):
            erase_holder(of.holder.public_id)


@pytest.fixture
def closed(database: str) -> Account:
    """An account that a sole trader closed on 10 April 2026, after a suspension, a dispute, an enquiry and credits given up."""
    ready_law()
    owner = person()
    of = credited(owner, 40)
    with clock.at("2026-04-10"):
        do(accounts.RenameAccount(account=of.public_id, account_name="Wiremu's cars"), owner)
        suspend = accounts.SuspendAccount(
            account=of.public_id, until=dt.date(2027, 1, 1), reason="convicted", grounds="Wiremu lied."
        )
        agent = officer()
        do(suspend, agent)
        do(accounts.LiftSuspension(account=of.public_id), agent)
        (row,) = feed(car(of))
        do(DisputeVehicle(claim=row["claim"], reason="not_mine", explanation="Wiremu says no."), owner)
        do(DecideDispute(claim=row["claim"], details_stand=False, grounds="Wiremu is right."), agent)
        asked = do(EnquireHolder(about_name="Wiremu Kea", purpose="verify_account", reason="x"), person("Asker"))
        do(DecideEnquiry(enquiry=asked["enquiry"], answered=True, grounds="y", holder=of.holder.public_id), agent)
        do(SurrenderCredits(account=of.public_id, grams=40), owner)
        do(accounts.CloseAccount(account=of.public_id), owner)
    of.refresh_from_db()
    return of


def test_a_former_holder_s_texts_are_gone_after_the_record_was_kept(closed: Account, keep_years: None) -> None:
    kinds.all_kinds()
    number = closed.holder.public_id
    with clock.at("2033-04-10"), pytest.raises(Conflict, match="the record is kept until 2033-04-10"):
        erase_holder(number)
    with clock.at("2033-04-11"):
        told = erase_holder(number)
        with pytest.raises(Conflict, match="were erased before"):
            erase_holder(number)
    # name, address; two names of the account; grounds of the suspension and the dispute, its explanation; enquiry 2, decision 1
    assert told == {"holder": number, "erased_texts": 10}
    for gone in ("Wiremu", "Kea Imports", "1 Quay St"):
        assert gone not in everything()
    found = statement(Account.objects.get(pk=closed.pk), dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert (found.number, found.name, len(found.entries)) == (closed.number, "erased", 2)
    with clock.at("2033-04-11"):
        sound()


def test_how_long_a_record_is_kept_is_not_known_without_the_setting(closed: Account) -> None:
    assert settings.OPTIONS["CLEANFLEET_KEEP_YEARS"] is None
    with clock.at("2060-01-01"), pytest.raises(NotDetermined, match="CLEANFLEET_KEEP_YEARS is empty") as caught:
        erase_holder(closed.holder.public_id)
    assert caught.value.details["missing"] == ["CLEANFLEET_KEEP_YEARS"]
    unused = holder(person("Ben"))  # put down, and never had an account: no record of an account to keep
    assert erase_holder(unused)["erased_texts"] == 2


def test_a_holder_with_anything_open_is_needed(keep_years: None) -> None:
    owner = person()
    of = account(owner)
    with pytest.raises(Conflict, match=f"account {of.number} is open"):
        erase_holder(of.holder.public_id)
    with pytest.raises(NotVisible, match="no holder"):
        erase_holder("hld_0")
    admin = officer("administrator")
    own = holder(admin)
    with pytest.raises(Forbidden, match="their own account's holder"):
        erase_holder(own, admin)
    for by in (owner, officer("case_officer"), system()):
        with pytest.raises(Forbidden, match="agency role administrator"):
            erase_holder(of.holder.public_id, by)


def test_a_charge_owed_after_closing_keeps_the_record(closed: Account, keep_years: None) -> None:
    from cleanfleet.registry.charges.correcting import CorrectVehicle

    claim = Claim.objects.get(account=closed, state="accepted").public_id
    with clock.at("2026-05-01"):
        worse = {"co2_g_per_km": "150"}
        do(CorrectVehicle(claim=claim, attributes=worse, reason="wrong_co2", grounds="x"), officer())
    with clock.at("2034-01-01"):
        with pytest.raises(Conflict, match="has 37 charge:used:A:2026 owed"):
            erase_holder(closed.holder.public_id)
        with pytest.raises(Conflict, match="has 37 charge:used:A:2026 owed"):
            erase(closed.grants.get(verb="owner").principal)


def test_receipts_and_invoices_keep_amount_number_and_law_without_the_name(keep_years: None) -> None:
    from cleanfleet.registry.payments.operations import TakeMessage
    from registry.test_kill import _waiting

    owner, of, answer = _waiting()
    with clock.at("2026-04-02T12:05+13:00"):
        paid = TakeMessage(payment=answer["payment"], provider="local", event="e", outcome="succeeded", cents=4200)
        do(paid, system())
    before, invoice = Receipt.objects.get(), Invoice.objects.get()
    for issued in (before, invoice):
        assert (issued.name, issued.address) == ("Kea Imports Ltd", "1 Quay St, Auckland")
    with clock.at("2026-04-03"):
        do(accounts.CloseAccount(account=of.public_id), owner)
    with clock.at("2033-04-04"):
        erase_holder(of.holder.public_id)
    for then, now in ((before, Receipt.objects.get()), (invoice, Invoice.objects.get())):
        assert (now.name, now.address) == ("erased", "erased")
        kept = ("number", "cents", "law_reference", "issued_on", "note")
        assert [getattr(now, name) for name in kept] == [getattr(then, name) for name in kept]
        assert now.law_reference


def test_a_text_that_is_gone_without_an_erasure_is_found() -> None:
    person("Wiremu")
    trigger = "ledger_privatetext_no_delete"
    with connection.cursor() as cursor:  # what only the tables' owner can do
        cursor.execute(f"DROP TRIGGER {trigger}" + (" ON ledger_privatetext" if connection.vendor == "postgresql" else ""))
        cursor.execute("DELETE FROM ledger_privatetext WHERE field = 'email'")
    findings = [(one.check, one.found) for one in audit.run()]
    assert findings == [
        ("guards", "the trigger is missing, changed or switched off"),
        ("private", "email is gone and was erased by no operation"),
    ]


def test_every_operation_with_texts_is_of_one_kind() -> None:
    """Whose texts are they? A new operation with a field other than the agency's ``grounds`` and ``note`` has to be put somewhere."""
    private = {name: set(kind.private_fields()) for name, kind in kinds.all_kinds().items() if kind.private_fields()}
    assert set(WRITTEN_BY_USERS) <= set(private)
    holder_s = {"register_holder", "open_account", "rename_account", "register_mandate"}
    rest = {name for name, fields in private.items() if fields - {"grounds", "note"}}
    assert rest == {*WRITTEN_BY_USERS, *holder_s, "register_person"}
