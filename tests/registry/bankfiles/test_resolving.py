"""What finance does with what could not be matched."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.accounts.operations import AssignRole, CloseAccount
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.bankfiles import checks, queries
from cleanfleet.registry.bankfiles.models import Entry
from cleanfleet.registry.bankfiles.operations import ResolveBankEntry
from cleanfleet.registry.fleets.models import Share
from cleanfleet.registry.fleets.operations import CorrectFleetVehicle
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.payments.models import Payment, Receipt
from cleanfleet.registry.payments.operations import RefundPayment
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible
from cleanfleet.registry.vehicles.models import Claim
from registry.fleets.scenes import Importer, play
from registry.people import account, do, officer, person

from . import scenes
from .scenes import debited, entry, one_day, outcomes, owing, reference, resolve, statement, system_bucket, take

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]
DUE, HELD, BACK = ("payable", "NZD"), ("unallocated", "NZD"), ("refund_due", "NZD")
DAY = "2027-04-05"


def overdue() -> Importer:
    """75.00 dollars due in money since 1 April, whose direct debit failed."""
    one = owing(10)
    with clock.at(scenes.LATE):
        daily.run()
        play(Payment.objects.get().public_id, "declined")
    return one


def came(cents: int = 7500, text: str = "thank you", **how: Any) -> Entry:
    """An entry that a statement brought on its own."""
    number = Entry.objects.count()
    opening = sum(Entry.objects.values_list("cents", flat=True))
    made = entry(cents, text=text, day=DAY)
    told = take(statement(made, moved=cents, name=f"S{number}", opening=opening, day=DAY, sequence=number + 1), **how)[0]
    return Entry.objects.get(public_id=told["entries"][0]["entry"])


def sound() -> bool:
    return audit.run() == checks.run() == replay.run() == []


def test_money_without_a_reference_meets_a_charge_once_somebody_knows_whose_it_is() -> None:
    one = overdue()
    with clock.at(DAY):
        found = came()
        answer = resolve(found, "charge", account=one.used.number, charges=["2026A"])
        assert (answer["state"], answer["account"]) == ("met", one.used.public_id)
        assert book.balances(one.used.pk) == {}
        assert (Share.objects.get().state, Receipt.objects.count()) == ("settled", 1)
        assert (system_bucket("suspense"), system_bucket("revenue"), system_bucket("provider")) == (0, 7500, -7500)
        with pytest.raises(Conflict, match="bank entry is met; to refund it must be"):
            resolve(found, "refund")
    assert sound()


def test_a_charge_is_met_exactly_or_not_at_all() -> None:
    one = overdue()
    with clock.at(DAY):
        found = came(7400)
        for codes, message in (
            (["2026A"], "74.00 came; 2026A on .* come to 75.00"),
            (["2026B"], "no part in the fleet 2026B"),
        ):
            with pytest.raises(Conflict, match=message):
                resolve(found, "charge", account=one.used.number, charges=codes)
        with pytest.raises(NotVisible, match="no account 'CO2-1'"):
            resolve(found, "charge", account="CO2-1", charges=["2026A"])
    assert book.balances(one.used.pk) == {DUE: 7500}
    assert Entry.objects.get().state == "queued"


def test_what_is_held_for_an_account_meets_its_charge_later() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        found = came(text=f"{one.used.number} 2026A")
        assert book.balances(one.used.pk)[HELD] == 7500
    with clock.at(scenes.LATE):
        daily.run()
        with pytest.raises(Conflict, match=r"a direct debit of 2026A on .* is under way"):
            resolve(found, "charge", account=one.used.number, charges=["2026A"])
        play(Payment.objects.get().public_id, "declined")
        with pytest.raises(Conflict, match="held for another account"):
            resolve(found, "charge", account=one.new.number, charges=["2026A"])
        resolve(found, "charge", account=one.used.number, charges=["2026A"])
    assert book.balances(one.used.pk) == {}
    assert system_bucket("revenue") == 7500
    assert sound()


def test_money_goes_back_and_the_next_statement_says_so() -> None:
    one = owing(10)
    with clock.at(DAY):
        held, nobody_s = came(text=f"{one.used.number} 2026A"), came(300)
        answers = [resolve(held, "refund"), resolve(nobody_s, "refund")]
        assert [answer["state"] for answer in answers] == ["refund_due", "refund_due"]
        assert book.balances(one.used.pk)[BACK] == 7500
        assert [one_["refund_reference"] for one_ in queries.refunds(officer("finance"))] == [
            answer["refund_reference"] for answer in answers
        ]
        wrong = came(-299, answers[1]["refund_reference"])
        assert (wrong.outcome, wrong.why) == ("queued", "wrong_amount")
        gone = [came(-7500, answers[0]["refund_reference"]), came(-300, answers[1]["refund_reference"])]
        assert [(found.outcome, found.refund_of_id) for found in gone] == [("refunded", held.pk), ("refunded", nobody_s.pk)]
        twice = came(-300, answers[1]["refund_reference"])
        assert (twice.outcome, twice.why) == ("queued", "not_refund_due")
        assert queries.refunds(officer("finance")) == []
    assert set(Entry.objects.filter(pk__in=[held.pk, nobody_s.pk]).values_list("state", flat=True)) == {"refunded"}
    assert HELD not in book.balances(one.used.pk)
    assert (system_bucket("refunded"), system_bucket("refund_due"), system_bucket("suspense")) == (7800, 0, -599)
    assert sound()


def test_a_refund_that_came_without_its_reference_is_named_by_hand() -> None:
    one = owing(10)
    with clock.at(DAY):
        found, of = came(-300), came(300)
        with pytest.raises(Conflict, match="no entry with this reference whose money is to be refunded"):
            resolve(found, "refund_made", refund_of=of.public_id)
        resolve(of, "refund")
        assert resolve(found, "refund_made", refund_of=of.public_id)["state"] == "matched"
    with clock.at("2027-02-04"):
        payment = debited(one)
        play(payment.public_id, "declined")
        play(payment.public_id, "succeeded")
    with clock.at(DAY):
        gone = came(-7500)
        with pytest.raises(Conflict, match="payment is late"):
            resolve(gone, "refund_made", refund_of=payment.public_id)
        do(RefundPayment(payment=payment.public_id), officer("finance"))
        assert resolve(gone, "refund_made", refund_of=payment.public_id)["payment"] == payment.public_id
    payment.refresh_from_db()
    assert payment.state == "refunded"
    assert (system_bucket("suspense"), system_bucket("refunded")) == (0, 7800)
    assert sound()


def test_a_refund_of_what_a_correction_found_overcharged() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        play(debited(one).public_id, "succeeded")
        given = {"attributes": {"co2_g_per_km": "108"}, "reason": "wrong_data", "grounds": "x"}
        do(CorrectFleetVehicle(claim=Claim.objects.get().public_id, **given), one.case)
        assert book.balances(one.used.pk) == {BACK: 7500}
    with clock.at(DAY):
        found = came(-7500, scenes.charge_reference(one.used))
    assert (found.outcome, found.why, found.account_id) == ("refunded", "overcharged", one.used.pk)
    assert book.balances(one.used.pk) == {}
    assert Share.objects.get().refund_cents == 0
    assert sound()


@pytest.mark.parametrize("cents", [4000, -250])
def test_what_is_not_the_register_s_leaves_it(cents: int) -> None:
    by = officer("finance")
    with clock.at(DAY):
        found = came(cents, "interest", by=by)
        assert resolve(found, "not_ours", by)["state"] == "not_ours"  # no account's money moves: the same person may
    assert (system_bucket("suspense"), system_bucket("elsewhere")) == (0, cents)
    assert queries.waiting(by) == []
    assert sound()


def test_money_moves_only_by_a_second_person_and_nobody_s_own() -> None:
    one = overdue()
    first = officer("finance")
    do(AssignRole(person=one.owner.public_id, role="finance"), system())
    with clock.at(DAY):
        found = came(by=first)
        for by, message in ((first, "another person than the one who took the statement in"), (one.owner, "act themselves")):
            with pytest.raises(Forbidden, match=message):
                resolve(found, "charge", by, account=one.used.number, charges=["2026A"])
        with pytest.raises(Forbidden, match="another person"):
            resolve(found, "refund", first)
        for other in (person(), officer("case_officer"), system()):
            with pytest.raises(Forbidden, match="agency role finance"):
                resolve(found, "refund", other)
    assert Entry.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("cents", "to", "how", "field"),
    [
        (100, "charge", {}, "account"),
        (100, "charge", {"account": "{number}"}, "charges"),
        (100, "refund", {"charges": ["2026A"]}, "charges"),
        (100, "refund", {"account": "{number}"}, "account"),
        (100, "not_ours", {"refund_of": "bke_1"}, "refund_of"),
        (-100, "refund_made", {}, "refund_of"),
        (-100, "refund", {}, "to"),
        (-100, "charge", {"account": "{number}", "charges": ["2026A"]}, "to"),
        (100, "refund_made", {"refund_of": "{entry}"}, "to"),
    ],
)
def test_what_does_not_belong_together(cents: int, to: str, how: dict[str, Any], field: str) -> None:
    one = account(person())
    with clock.at(DAY):
        found = came(cents)
        given = {
            name: value.format(number=one.number, entry=found.public_id) if isinstance(value, str) else value
            for name, value in how.items()
        }
        with pytest.raises(Invalid) as no:
            resolve(found, to, **given)
    assert no.value.field == field
    assert Entry.objects.get().state == "queued"


def test_what_is_not_there() -> None:
    with clock.at(DAY):
        with pytest.raises(NotVisible, match="no bank entry 'bke_0'"):
            resolve("bke_0", "refund")
        with pytest.raises(NotVisible, match="no payment or bank entry 'pay_0'"):
            resolve(came(-5), "refund_made", refund_of="pay_0")
        for wrong in ({"charges": ["26A"]}, {"to": "keep"}, {"note": ""}):
            with pytest.raises(Invalid):
                ResolveBankEntry.read({"entry": "x", "to": "refund", "note": "x", **wrong})


def test_a_closed_account_gets_nothing_any_more() -> None:
    owner = person()
    one = account(owner)
    with clock.at(DAY):
        do(CloseAccount(account=one.public_id), owner)
        found = came(text=f"{one.number} 2026A")
    assert (found.outcome, found.why) == ("queued", "account_closed")


def test_what_a_holder_can_pay_with() -> None:
    one = overdue()
    (due,) = queries.charges(one.used)
    assert due == {"code": "2026A", "reference": scenes.charge_reference(one.used), "cents": 7500, "state": "overdue"}
    with clock.at(DAY):
        assert outcomes(one_day((7500, due["reference"]), day=DAY)) == [("met", "")]
    assert queries.charges(one.used) == []


def test_the_queue_tells_reasons_and_returns() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        one_day((-7500, reference(payment)), (-7500, reference(payment)), reason="MS02")
        (waits,) = queries.waiting(officer("finance"))
    assert (waits["why"], waits["return_reason"], waits["names"], waits["cents"]) == (
        "returned_twice", "MS02", [payment.public_id], -7500,
    )  # fmt: skip
