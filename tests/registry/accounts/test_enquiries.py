"""Asking whether someone holds an account, and what the answer tells (s 188)."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry.accounts import enquiries
from cleanfleet.registry.accounts.enquiries import DecideEnquiry, EnquireHolder, WithdrawEnquiry
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import CloseAccount
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.ledger.models import Operation, Principal
from cleanfleet.registry.ledger.operations import Action
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible
from registry.people import account, do, officer, person

pytestmark = pytest.mark.usefixtures("database")
REASON = "We want to buy credits of them."


def ask(by: Principal, purpose: Any = "transfer_credits", **more: Any) -> str:
    made = do(EnquireHolder(about_name="Kea Imports", purpose=purpose, reason=REASON, **more), by)
    assert made["state"] == "open"
    return str(made["enquiry"])


@pytest.fixture
def kea(database: str) -> Account:
    """An account of Kea Imports Ltd for used vehicles, one for new ones, and one that is closed."""
    owner = person("Kea")
    used = account(owner)
    account(owner, "new", used.holder.public_id)
    do(CloseAccount(account=account(owner, "used", used.holder.public_id).public_id), owner)
    return used


def decide(number: str, by: Principal | None = None, **more: Any) -> dict[str, Any]:
    return do(DecideEnquiry(enquiry=number, answered=True, grounds="s 188(2)", **more), by or officer())


def test_where_credits_are_to_be_moved_the_numbers_are_told_and_nothing_else(kea: Account) -> None:
    asker, agent = person("Asker"), officer()
    number = ask(asker)
    (waiting,) = enquiries.queue(agent)
    assert (waiting["about_name"], waiting["reason"], waiting["asked_by"]) == ("Kea Imports", REASON, asker.public_id)
    (found,) = enquiries.candidates(agent, number)
    assert found["holder"] == kea.holder.public_id
    told = decide(number, agent, holder=found["holder"])
    numbers = sorted(Account.objects.exclude(state="closed").values_list("number", flat=True))
    assert len(numbers) == 2
    assert told == {
        "enquiry": number,
        "purpose": "transfer_credits",
        "number": None,
        "asked_on": told["asked_on"],
        "state": "answered",
        "holds_account": True,
        "number_is_right": None,
        "numbers": numbers,
    }
    assert enquiries.queue(agent) == []
    assert audit.run() == []


def test_to_verify_an_account_only_yes_or_no_is_told(kea: Account) -> None:
    asker = person("Asker")
    holder = kea.holder.public_id
    right = decide(ask(asker, "verify_account", number=kea.number.lower()), holder=holder)
    assert (right["holds_account"], right["number_is_right"], right["numbers"]) == (True, True, [])
    other = account(person("Ben")).number
    wrong = decide(ask(asker, "verify_account", number=other), holder=holder)
    assert (wrong["holds_account"], wrong["number_is_right"], wrong["numbers"]) == (True, False, [])
    closed = Account.objects.get(state="closed").number
    assert decide(ask(asker, "verify_account", number=closed), holder=holder)["number_is_right"] is False
    nobody = decide(ask(asker, "verify_account", number=kea.number))
    assert (nobody["holds_account"], nobody["number_is_right"], nobody["numbers"]) == (False, False, [])


def test_a_refusal_tells_nothing(kea: Account) -> None:
    number = ask(person("Asker"))
    with pytest.raises(Invalid, match="a refusal names none"):
        do(DecideEnquiry(enquiry=number, answered=False, grounds="x", holder=kea.holder.public_id), officer())
    told = do(DecideEnquiry(enquiry=number, answered=False, grounds="Not for one of the purposes."), officer())
    assert (told["state"], told["holds_account"], told["numbers"]) == ("refused", None, [])
    with pytest.raises(Conflict, match="enquiry is refused"):
        decide(number)


def test_who_may_ask_see_decide_and_withdraw(kea: Account) -> None:
    asker, stranger, agent = person("Asker"), person("Stranger"), officer()
    number = ask(asker)
    owner = kea.grants.get().principal
    for by in (stranger, owner, officer("administrator")):
        for action in (DecideEnquiry(enquiry=number, answered=True, grounds="x"), WithdrawEnquiry(enquiry=number)):
            with pytest.raises(NotVisible, match="no enquiry"):
                do(action, by)
        assert not enquiries.visible(by).exists()
    for role in ("approver", "finance", "support", "auditor"):
        with pytest.raises(Forbidden, match="to answer enquiry needs the permission agency:case_officer"):
            decide(number, officer(role))
    with pytest.raises(Forbidden, match="to withdraw enquiry needs the permission asker"):
        do(WithdrawEnquiry(enquiry=number), agent)
    for refused in (enquiries.queue, lambda by: enquiries.candidates(by, number)):
        with pytest.raises(Forbidden, match="agency role"):
            refused(stranger)
    with pytest.raises(NotVisible, match="no enquiry"):
        enquiries.candidates(agent, "enq_0")
    with pytest.raises(NotVisible, match="no holder"):
        decide(number, agent, holder="hld_0")
    assert do(WithdrawEnquiry(enquiry=number), asker)["state"] == "withdrawn"
    with pytest.raises(Conflict, match="enquiry is withdrawn"):
        decide(number, agent)
    with pytest.raises(Forbidden, match="made by a person"):
        ask(system())


def test_nobody_decides_on_their_own_enquiry_or_about_their_own_holder(kea: Account) -> None:
    agent = officer()
    with pytest.raises(Forbidden) as caught:
        decide(ask(agent), agent)
    assert caught.value.code == "own_case"
    own = account(agent).holder.public_id
    with pytest.raises(Forbidden, match="own account's holder"):
        decide(ask(person("Asker")), agent, holder=own)


def test_a_number_is_one_with_its_check_digit_and_texts_stand_apart(kea: Account) -> None:
    with pytest.raises(Invalid, match="number is 'CO2-1'; allowed is an account number with its check digit"):
        ask(person("Asker"), "verify_account", number="CO2-1")
    actions: list[Action] = [EnquireHolder(about_name="Aroha", purpose="verify_account", reason="Aroha owes me")]
    done = do(actions[0], person("Ben"))
    operation = Operation.objects.get(name="enquire_holder")
    assert "Aroha" not in operation.input
    assert "Aroha" not in str(done)
