"""Every operation of the accounts against every role, compared with a file that was written by hand."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import transaction

from cleanfleet.registry import clock, kinds
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts import enquiries, permissions
from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.ledger.models import Operation, Principal
from cleanfleet.registry.ledger.operations import Action
from cleanfleet.registry.refusals import Refusal
from registry.people import account, do, officer, person

EXPECTED = yaml.safe_load(Path(__file__).with_name("permissions.yaml").read_text())
ROLES = list(EXPECTED["roles"])
OUTCOMES = ("done", "forbidden", "not_visible", "own_case", "wrong_state")
CODES = {"not_found": "not_visible"}
DAY, LATER = "2026-03-31", "2027-01-02"


def expected(entry: dict[str, Any], role: str) -> str:
    found = [outcome for outcome in OUTCOMES if role in entry.get(outcome, [])]
    assert len(found) <= 1, f"{role} stands in {found}"
    return found[0] if found else str(entry["others"])


def everyone(of: Account, owner: Principal) -> dict[str, Principal]:
    """Somebody in each role."""
    people = {"owner": owner, "stranger": person("Stranger"), "system": system(), "blind": person("Blind")}
    people["token"] = Principal.objects.create(public_id="tok_0", kind="token")
    people["member_officer"] = officer()
    given = {verb: [verb] for verb in permissions.VERBS} | {"token": ["transfer_credits"], "member_officer": []}
    for role, verbs in given.items():
        people.setdefault(role, person(role))
        for verb in {"view", *verbs}:
            do(accounts.Permit.read({"account": of.public_id, "person": people[role].public_id, "verb": verb}), owner)
    blind = {"account": of.public_id, "person": people["blind"].public_id, "verb": "transfer_credits"}
    do(accounts.Permit.read(blind), owner)
    return people | {role: officer(role) for role in permissions.ROLES}


@pytest.mark.usefixtures("database")
def test_every_operation_against_every_role() -> None:
    owner, agent, other = person(), officer(), person("Other")
    of = account(owner)
    people = everyone(of, owner)
    assert set(people) == set(ROLES)
    about = {"account": of.public_id}
    asked = do(enquiries.EnquireHolder(about_name="Kea", purpose="verify_account", reason="x"), people["stranger"])
    suspend = accounts.SuspendAccount(**about, until=dt.date(2027, 1, 1), reason="convicted", grounds="x")
    notice = accounts.GiveNotice(**about, answer_by=dt.date(2026, 5, 1))
    #: Entry -> what is tried, on which day, and what the agency did with the account before.
    tried: dict[str, tuple[Action, str, list[Action]]] = {
        "register a person": (accounts.RegisterPerson(full_name="x", email="x@y"), DAY, []),
        "give a role": (accounts.AssignRole(person=other.public_id, role="support"), DAY, []),
        "put down a holder": (accounts.RegisterHolder(kind="person", holder_name="x", address="y"), DAY, []),
        "open a second account of the holder": (
            accounts.OpenAccount(holder=of.holder.public_id, condition="new", account_name="x"),
            DAY,
            [],
        ),
        "rename": (accounts.RenameAccount(**about, account_name="x"), DAY, []),
        "let someone look": (accounts.Permit(**about, person=other.public_id, verb="view"), DAY, []),
        "let someone transfer": (accounts.Permit(**about, person=other.public_id, verb="transfer_credits"), DAY, []),
        "hand over": (accounts.HandOver(**about, person=other.public_id), DAY, []),
        "accept by itself": (accounts.SetAutoAccept(**about, at_or_below_target=True), DAY, []),
        "accept vehicles": (AcceptVehicles(**about, vehicles=["clm_0"]), DAY, []),
        "list for trade": (accounts.ListForTrade(**about, listed=True), DAY, []),
        "verify against money laundering": (accounts.SetAml(holder=of.holder.public_id, result="verified"), DAY, []),
        "suspend": (suspend, DAY, []),
        "lift a suspension that is over": (accounts.LiftSuspension(**about), LATER, [suspend]),
        "note an appeal": (accounts.NoteAppeal(**about), DAY, [suspend]),
        "give notice": (notice, DAY, []),
        "answer the notice": (accounts.AnswerNotice(**about, answer="x"), DAY, [notice]),
        "take the notice back": (accounts.WithdrawNotice(**about), DAY, [notice]),
        "close an open account": (accounts.CloseAccount(**about), DAY, []),
        "close after the notice": (accounts.CloseAccount(**about), LATER, [notice]),
        "ask whether someone holds an account": (
            enquiries.EnquireHolder(about_name="x", purpose="transfer_credits", reason="y"),
            DAY,
            [],
        ),
        "answer an enquiry about the account's holder": (
            enquiries.DecideEnquiry(enquiry=asked["enquiry"], answered=True, grounds="x", holder=of.holder.public_id),
            DAY,
            [],
        ),
        "take an enquiry back": (enquiries.WithdrawEnquiry(enquiry=asked["enquiry"]), DAY, []),
    }
    assert set(tried) == set(EXPECTED["entries"])
    done_before = Operation.objects.count()
    for (what, (action, day, before)), (role, by) in itertools.product(tried.items(), people.items()):
        entry = EXPECTED["entries"][what]
        assert action.name == entry["operation"], what
        outcome = "done"
        with transaction.atomic():  # undone again, so that each meets the same account
            with clock.at(DAY):
                for step in before:
                    do(step, agent)
            try:
                with clock.at(day):
                    do(action, by)
            except Refusal as refusal:
                outcome = CODES.get(refusal.code, refusal.code)
            transaction.set_rollback(True)
        assert outcome == expected(entry, role), (what, role)
    assert Operation.objects.count() == done_before


def test_every_operation_of_the_room_stands_in_the_file() -> None:
    modules = ("cleanfleet.registry.accounts.operations", "cleanfleet.registry.accounts.enquiries")
    room = {name for name, kind in kinds.all_kinds().items() if kind.__module__ in modules}
    assert {entry["operation"] for entry in EXPECTED["entries"].values()} == room | {"accept_vehicles"}
    for entry in EXPECTED["entries"].values():
        named = [role for outcome in OUTCOMES for role in entry.get(outcome, [])]
        assert set(named) <= set(ROLES)
        assert len(named) == len(set(named))
        assert set(entry) <= {"operation", "others", *OUTCOMES}


@pytest.mark.usefixtures("database")
def test_what_each_role_sees() -> None:
    owner = person()
    of, others = account(owner), account(person("Ben"))
    people = everyone(of, owner)
    own = {"owner", "token", *permissions.VERBS}
    every = {*permissions.SEEING, "member_officer", "system"}
    for role, by in people.items():
        seen = set(permissions.visible_to(by).values_list("pk", flat=True))
        assert seen == ({of.pk, others.pk} if role in every else {of.pk} if role in own else set()), role
