"""An operation is done once, in one piece, by one key."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from cleanfleet.registry.accounts.models import Account, Holder
from cleanfleet.registry.accounts.operations import OpenAccount, RegisterHolder, RegisterPerson, RenameAccount
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.ledger import guards
from cleanfleet.registry.ledger.models import Operation, PrivateText, Seal
from cleanfleet.registry.ledger.operations import perform
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible
from registry.people import account, do, holder, person

pytestmark = pytest.mark.usefixtures("database")


def test_the_guards_are_all_there() -> None:
    assert guards.missing() == []


def test_a_key_gives_its_first_answer_again() -> None:
    aroha = person()
    action = RegisterHolder(kind="person", holder_name="Aroha", address="Nelson")
    first = perform(action, by=aroha, key="k")
    again = perform(action, by=aroha, key="k")
    assert not first.repeated
    assert again.repeated
    assert again.answer == first.answer
    assert again.operation == first.operation
    assert Holder.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        RegisterHolder(kind="person", holder_name="Aroha", address="Napier"),
        RegisterHolder(kind="legal_entity", holder_name="Aroha", address="Nelson"),
    ],
)
def test_a_key_with_another_content_is_a_conflict(other: RegisterHolder) -> None:
    aroha = person()
    perform(RegisterHolder(kind="person", holder_name="Aroha", address="Nelson"), by=aroha, key="k")
    with pytest.raises(Conflict, match="key 'k' was used for another operation") as caught:
        perform(other, by=aroha, key="k")
    assert caught.value.problem()["status"] == 409
    assert Holder.objects.count() == 1


def test_two_principals_may_use_the_same_key() -> None:
    for name in ("Aroha", "Ben"):
        perform(RegisterHolder(kind="person", holder_name=name, address="Nelson"), by=person(name), key="k")
    assert Holder.objects.count() == 2


def test_a_refusal_writes_nothing_and_is_not_remembered() -> None:
    aroha = person()
    before = Operation.objects.count()
    opening = OpenAccount(holder="hld_0", condition="new", account_name="x")
    with pytest.raises(NotVisible):
        perform(opening, by=aroha, key="k")
    assert Operation.objects.count() == before
    opening = opening.model_copy(update={"holder": holder(aroha)})
    assert perform(opening, by=aroha, key="k").answer["number"].startswith("CO2-")


def test_private_texts_stand_apart_and_their_digest_in_the_input() -> None:
    aroha = person("Aroha")
    operation = Operation.objects.get(name="register_person")
    assert "Aroha" not in operation.input
    assert "example.nz" not in operation.input
    assert set(PrivateText.objects.values_list("field", "text")) == {("full_name", "Aroha"), ("email", "aroha@example.nz")}
    assert aroha.public_id in Seal.objects.get(operation=operation).answer


def test_a_private_text_that_may_be_left_out_stands_apart_too() -> None:
    from cleanfleet.registry.vehicles.operations import DisputeVehicle

    said = DisputeVehicle(claim="c", reason="wrong_co2", explanation="it is Aroha's")
    assert said.private() == {"explanation": "it is Aroha's"}
    assert "Aroha" not in said.written("salt")
    assert DisputeVehicle(claim="c", reason="wrong_co2").private() == {}


def test_unknown_fields_are_refused_by_name() -> None:
    with pytest.raises(Invalid, match="grams_owed is 5: extra inputs are not permitted"):
        RenameAccount.read({"account": "a", "account_name": "b", "grams_owed": 5})
    with pytest.raises(Invalid, match="condition is 'both': input should be 'new' or 'used'"):
        OpenAccount.read({"holder": "h", "condition": "both", "account_name": "b"})


def test_one_key_from_many_threads_is_done_once() -> None:
    aroha = person()
    action = RegisterHolder(kind="person", holder_name="Aroha", address="Nelson")
    answers, errors = [], []

    def run() -> None:
        try:
            answers.append(perform(action, by=aroha, key="k"))
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert Holder.objects.count() == 1
    assert [answer.repeated for answer in answers].count(False) == 1
    assert len({str(answer.answer) for answer in answers}) == 1


def test_an_account_has_a_number_with_a_check_digit() -> None:
    from cleanfleet.registry.ids import is_account_number

    found = account(person())
    assert is_account_number(found.number)
    assert not is_account_number(found.number[:-1] + str((int(found.number[-1]) + 1) % 10))
    assert Account.objects.get().public_id == found.public_id


def test_system_registers_people_and_others_do_not() -> None:
    from cleanfleet.registry.refusals import Forbidden

    aroha = person()
    with pytest.raises(Forbidden, match="agency role administrator"):
        do(RegisterPerson(full_name="x", email="x@y"), aroha)
    assert system().kind == "system"
