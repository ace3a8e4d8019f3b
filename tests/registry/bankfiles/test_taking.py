"""A statement is taken in once, whole or not at all, by finance."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.db import connection, connections

from cleanfleet.registry import clock, replay
from cleanfleet.registry.accounts.operations import AssignRole
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.bankfiles import queries
from cleanfleet.registry.bankfiles.models import CollectionAccount, Entry, Statement
from cleanfleet.registry.bankfiles.operations import OpenCollectionAccount, TakeInBankStatement
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.ledger.models import Movement, Operation, PrivateText
from cleanfleet.registry.ledger.operations import perform
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid
from registry.people import do, officer, person

from . import scenes
from .scenes import (
    collection_account,
    debited,
    entry,
    file,
    one_day,
    outcomes,
    owing,
    reference,
    statement,
    system_bucket,
    take,
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]


def nothing_was_written(code: str, *statements: str, kind: type[Exception] = Conflict) -> None:
    """The whole file is refused: no statement, no entry, no movement, no operation."""
    collection_account()
    by = officer("finance")
    before = [table.objects.count() for table in (Statement, Entry, Movement, Operation, PrivateText)]
    with pytest.raises(kind) as no:
        do(TakeInBankStatement.of(file(*statements)), by)
    assert getattr(no.value, "code", None) == code, no.value
    assert before == [table.objects.count() for table in (Statement, Entry, Movement, Operation, PrivateText)]


def test_the_same_statement_twice_answers_as_the_first_time() -> None:
    one = owing(10)
    by = officer("finance")
    with clock.at("2027-02-04"):
        payment = debited(one)
        made = statement(entry(7500, reference(payment)), entry(100), moved=7600)
        (first,) = take(made, by=by, key="k")
        (again,) = take(made, by=by, key="k")
        assert again == first
        (other_key,) = take(made, by=by)
        (other_person,) = take(made)
        (other_id,) = take(made.replace("<Id>S1</Id>", "<Id>downloaded again</Id>"))
    assert other_key == other_person == other_id == {**first, "repeated": True}
    assert (Statement.objects.count(), Entry.objects.count(), Movement.objects.filter(about="bank_entry").count()) == (
        1,
        2,
        1,
    )
    assert system_bucket("revenue") == 7500
    assert audit.run() == []
    assert replay.run() == []


def test_the_same_id_with_other_content_is_a_conflict() -> None:
    with clock.at("2027-02-04"):
        one_day((100, "x"))
        nothing_was_written("other_content", statement(entry(101), moved=101))
        nothing_was_written("other_content", statement(entry(50), entry(50), moved=100))


def test_an_id_may_come_again_another_year() -> None:
    with clock.at("2028-02-04"):
        one_day((100, "x"))
        assert one_day((100, "x"), opening=100, day="2028-02-03")["repeated"] is False


def test_several_statements_are_taken_in_together_or_not_at_all() -> None:
    with clock.at("2027-02-05"):
        first = statement(entry(100), moved=100)
        second = statement(entry(50, day="2027-02-04"), moved=50, name="S2", opening=100, day="2027-02-04")
        bad = second.replace(scenes.balance("CLBD", 150, "2027-02-04"), scenes.balance("CLBD", 151, "2027-02-04"))
        assert bad != second
        nothing_was_written("balance", first, bad, kind=Invalid)
        nothing_was_written("unknown_bank_account", first, second.replace(scenes.OURS, scenes.PAYER), kind=Invalid)
        told = take(second, first, first)
    assert [(one["identification"], one["continuity"]) for one in told] == [
        ("S2", "follows"),
        ("S1", "first"),
        ("S1", "first"),
    ]
    assert Statement.objects.count() == 2
    assert Entry.objects.count() == 2


def test_part_of_a_file_may_be_known() -> None:
    with clock.at("2027-02-05"):
        first = statement(entry(100), moved=100)
        second = statement(entry(50, day="2027-02-04"), moved=50, name="S2", opening=100, day="2027-02-04")
        take(first)
        assert [one["repeated"] for one in take(first, second)] == [True, False]
    assert system_bucket("suspense") == 150


@pytest.mark.parametrize(
    ("opening", "sequence", "told"),
    [(100, 8, "follows"), (100, None, "follows"), (90, 8, "gap"), (100, 9, "gap"), (90, None, "gap")],
)
def test_a_gap_is_told(opening: int, sequence: int | None, told: str) -> None:
    with clock.at("2027-02-06"):
        take(statement(entry(100), moved=100, sequence=7))
        made = statement(moved=0, opening=opening, sequence=sequence, name="S2", day="2027-02-05")
        (second,) = take(made)
    assert second["continuity"] == told
    assert second["before"] == {"identification": "S1", "sequence": 7, "last_on": "2027-02-03", "closing_cents": 100}


def test_a_missing_statement_that_comes_later_closes_the_gap() -> None:
    with clock.at("2027-02-07"):
        take(statement(entry(100), moved=100))
        take(statement(opening=150, name="S3", day="2027-02-05"))
        (gap,) = queries.gaps(CollectionAccount.objects.get())
        assert (gap["after"], gap["closing_cents"], gap["before"], gap["opening_cents"]) == ("S1", 100, "S3", 150)
        (told,) = take(statement(entry(50, day="2027-02-04"), moved=50, opening=100, name="S2", day="2027-02-04"))
        assert told["continuity"] == "follows"
        assert queries.gaps(CollectionAccount.objects.get()) == []


def test_the_bank_s_count_begins_anew_with_the_year() -> None:
    with clock.at("2028-02-07"):
        take(statement(entry(100), moved=100, sequence=240))
        (told,) = take(statement(opening=100, name="S2", day="2028-01-05", sequence=1))
    assert told["continuity"] == "follows"


def test_statements_that_overlap_are_refused() -> None:
    """A week's statement and a day's of the same week hold the same money."""
    week = statement(
        entry(100, day="2027-02-03"), entry(50, day="2027-02-05"), moved=150, name="W", day="2027-02-05",
        more="<FrToDt><FrDtTm>2027-02-01T00:00:00</FrDtTm></FrToDt>",
    )  # fmt: skip
    day = statement(entry(50, day="2027-02-05"), moved=50, opening=100, name="D", day="2027-02-05")
    with clock.at("2027-02-07"):
        take(week.replace("<FrToDt>", "<ElctrncSeqNb>3</ElctrncSeqNb><FrToDt>"))
        nothing_was_written("overlaps", day)
        nothing_was_written("overlaps", day.replace("<Id>D</Id>", "<Id>D</Id><ElctrncSeqNb>35</ElctrncSeqNb>"))
        nothing_was_written("overlaps", statement(entry(100), moved=100, name="D", day="2027-02-03"))
        # What goes on from there on the same day is another statement.
        assert one_day((5, "x"), name="E", opening=150, day="2027-02-05")["continuity"] == "follows"


def test_several_statements_of_one_day_in_any_order() -> None:
    first = statement(entry(100), moved=100, sequence=1)
    second = statement(entry(7), moved=7, opening=100, name="S2", sequence=2)
    third = statement(entry(3), moved=3, opening=107, name="S3", sequence=3)
    with clock.at("2027-02-07"):
        assert [take(made)[0]["continuity"] for made in (first, third, second)] == ["first", "gap", "follows"]
        assert queries.gaps(CollectionAccount.objects.get()) == []


def test_an_entry_that_was_on_another_statement_is_refused() -> None:
    """An account that is emptied every night opens and closes at nothing: balances alone don't show it."""
    with clock.at("2027-02-07"):
        made = [entry(100, bank_reference="B1"), entry(-100, bank_reference="B2")]
        take(statement(*made))
        nothing_was_written("overlaps", statement(*made, entry(0), name="S2"))
        # The same reference of another day or amount is another entry; within one statement it may come twice.
        other = [entry(100, bank_reference="B1", day="2027-02-04")] * 2 + [
            entry(-200, bank_reference="B2", day="2027-02-04")
        ]
        take(statement(*other, name="S2", day="2027-02-04"))
    assert system_bucket("suspense") == 0
    assert Entry.objects.count() == 5


def test_only_finance_takes_in() -> None:
    collection_account()
    made = TakeInBankStatement.of(file(statement(entry(1), moved=1)))
    for by in (person(), officer("case_officer"), officer("administrator"), officer("auditor"), system()):
        with pytest.raises(Forbidden, match="agency role finance"):
            do(made, by)
    assert Statement.objects.count() == 0


def test_nobody_takes_in_for_their_own_account() -> None:
    one = owing(10)
    do(AssignRole(person=one.owner.public_id, role="finance"), system())
    with clock.at("2027-02-04"):
        payment = debited(one)
        collection_account()
        made = TakeInBankStatement.of(file(statement(entry(7500, reference(payment)), moved=7500)))
        with pytest.raises(Forbidden, match="account on which you act yourself"):
            do(made, one.owner)
        assert (Payment.objects.get().state, Statement.objects.count()) == ("created", 0)
        assert outcomes(do(made, officer("finance"))["statements"][0]) == [("confirmed", "")]


def test_collection_accounts_are_the_administrator_s() -> None:
    with pytest.raises(Forbidden):
        do(OpenCollectionAccount(number=scenes.OURS, account_name="x"), officer("finance"))
    for number in ("01-0242-0100195-00", "99-0242-0100194-00", "NL91ABNA0417164300", ""):
        with pytest.raises(Invalid, match="no New Zealand bank account number"):
            do(OpenCollectionAccount(number=number, account_name="x"), officer("administrator"))
    do(OpenCollectionAccount(number=scenes.OURS, account_name="x"), officer("administrator"))
    with pytest.raises(Conflict, match="01-0242-0100194-000 is a collection account already"):
        do(OpenCollectionAccount(number=scenes.DIGITS, account_name="y"), officer("administrator"))


def test_texts_are_private_and_can_be_erased() -> None:
    with clock.at("2027-02-04"):
        told = take(statement(entry(100, text="for the blue one"), entry(200, payer="Moa Motors"), moved=300))[0]
        operation = Operation.objects.get(name="take_in_bank_statement")
        for secret in ("blue one", "Kea Imports", "Moa"):
            assert secret not in operation.input
        waiting = queries.waiting(officer("auditor"))
        assert [(one["payer"], one["text"]) for one in waiting] == [
            ("Kea Imports Ltd", "for the blue one"),
            ("Moa Motors", ""),
        ]
        assert [one["entry"] for one in waiting] == [one["entry"] for one in told["entries"]]
        with pytest.raises(Forbidden):
            queries.waiting(officer("case_officer"))
    # What is done again after an erasure comes to the same: nothing is decided by a text.
    kept = {name: "erased" if isinstance(value, dict) else value for name, value in json.loads(operation.input).items()}
    again, given = TakeInBankStatement.model_validate(kept), PrivateText.objects.filter(operation=operation)
    assert set(again.texts) == set(given.values_list("field", flat=True))
    assert set(again.texts.values()) == {"erased"}
    assert again.statements[0].digest == Statement.objects.get().digest
    assert audit.run() == []
    assert replay.run() == []


def test_what_a_client_may_not_write() -> None:
    for name, value in (("outcome", "met"), ("texts", {"note:1:1": "x"}), ("text:1", "x"), ("statements", [])):
        with pytest.raises(Invalid):
            TakeInBankStatement.read({"statements": [], name: value})
    content: dict[str, Any] = TakeInBankStatement.of(file(statement(entry(1), moved=1))).model_dump(mode="json")
    content["statements"][0]["items"][0]["cents"] = 1.5
    with pytest.raises(Invalid, match=r"items\.0\.cents is 1\.5"):
        TakeInBankStatement.read(content)


def test_two_at_once_take_a_statement_in_once() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        people = [officer("finance") for _ in range(4)]
        collection_account()
        made = TakeInBankStatement.of(file(statement(entry(7500, reference(payment)), moved=7500)))
        answers: list[dict[str, Any]] = []

        def work(number: int) -> None:
            try:
                answers.append(perform(made, by=people[number], key="same").answer)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        connection.ensure_connection()
    assert sorted(answer["statements"][0]["repeated"] for answer in answers) == [False, True, True, True]
    assert (Statement.objects.count(), system_bucket("revenue")) == (1, 7500)
    assert audit.run() == []
