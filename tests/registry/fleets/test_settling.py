"""Settling a fleet year: submission, credits, direct debit, and what falls due."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.accounts.operations import CloseAccount, Permit, SuspendAccount
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.settling import SettleCharges
from cleanfleet.registry.fleets import queries
from cleanfleet.registry.fleets.models import Settlement, Share
from cleanfleet.registry.fleets.operations import (
    CollectFleetCharge,
    FallFleetYearDue,
    SettleFleetYear,
    SubmitFleetYear,
)
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.payments.models import Payment, Receipt
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible, Short
from cleanfleet.registry.transfers.operations import AcceptTransfer, OfferTransfer, TransferOwn
from registry.people import account, do, officer, person, verify

from .scenes import Importer, approved, determine, excess, give, play, share, van, vintages
from .scenes import accept as take_in

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]
A, USED, NEW = ("owed", "charge:used:A:2026:fleet"), ("held", "credit:used"), ("held", "credit:new")


def owing(grams: int = 1000, credits_g: int = 0, vintage: int = 2025) -> Importer:
    """An importer whose used fleet of 2026 lies so many grams over, with credits of a vintage; the year is over, not determined."""
    one = approved()
    with clock.at("2026-06-01"):
        excess(one, one.used, grams)
        give(one.used, credits_g, vintage)
    return one


def settle(one: Importer, credits_g: int = 0, money_g: int = 0, **how: Any) -> dict[str, Any]:
    given = {"account": one.used.public_id, "year": 2026, "vehicle_type": "A", "credits_g": credits_g, "money_g": money_g}
    return do(SettleFleetYear(**{**given, **how}), one.owner)


def submit(one: Importer, **how: Any) -> dict[str, Any]:
    return do(SubmitFleetYear(**{"account": one.used.public_id, "year": 2026, "vehicle_type": "A", **how}), one.owner)


def test_a_deficit_is_owed_at_once_and_met_by_credits_and_debit() -> None:
    one = owing(1000, 600)
    with clock.at("2027-02-02"):
        determine(one)
        assert one.books()["used"] == {A: 1000, USED: 600}
        answer = settle(one, 400)
        assert (answer["state"], answer["outstanding_g"], answer["payment"]) == ("owed", 600, None)
        answer = settle(one, 200, 400)
        assert (answer["state"], answer["outstanding_g"]) == ("paying", 600)
        assert one.books()["used"] == {A: 600, ("reserved", "credit:used"): 200}
        payment = Payment.objects.get()
        assert (payment.cents, payment.purpose) == (400 * 750, "fleet_year")
        with pytest.raises(Conflict, match="share is paying"):
            settle(one, 0, 1)
        done = play(payment.public_id, "succeeded")
    assert (done["state"], done["outstanding_g"], done["met_by_credits_g"], done["met_by_money_g"]) == (
        "settled",
        0,
        600,
        400,
    )
    assert one.books()["used"] == {}
    receipt = Receipt.objects.get()
    assert (receipt.cents, receipt.note) == (300_000, "no GST")
    assert "s 177" in receipt.law_reference
    assert audit.run() == []
    assert replay.run() == []


def test_a_new_vehicle_s_gram_costs_twice_a_used_one_s() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        excess(one, one.new, 10)
    with clock.at("2027-02-02"):
        determine(one)
        settle(one, 0, 10, account=one.new.public_id)
    assert Payment.objects.get().cents == 10 * 1500


@pytest.mark.parametrize("outcome", ["declined", "timed_out"])
def test_a_failed_debit_frees_the_credits_and_may_be_tried_again(outcome: str) -> None:
    one = owing(1000, 300)
    with clock.at("2027-03-20T10:00+13:00"):
        determine(one)
        answer = settle(one, 300, 700)
    with clock.at("2027-03-24T10:00+13:00"):
        assert daily.time_out() == 0  # a debit waits for days, not for minutes
        play(answer["payment"], outcome)
        assert Share.objects.get().state == "debit_failed"
        assert one.books()["used"] == {A: 1000, USED: 300}
        again = settle(one, 300, 700)
        play(again["payment"], "succeeded")
        assert Share.objects.get().state == "settled"
    assert one.books()["used"] == {}


def test_a_debit_that_is_never_answered_fails_by_itself_and_money_that_comes_late_is_the_holder_s() -> None:
    one = owing(10)
    with clock.at("2027-03-20T10:00+13:00"):
        determine(one)
        answer = settle(one, 0, 10)
    with clock.at("2027-03-25T10:00+13:00"):
        assert daily.time_out() == 1
        assert Share.objects.get().state == "debit_failed"
        assert play(answer["payment"], "succeeded")["state"] == "late"
        assert one.books()["used"] == {A: 10, ("unallocated", "NZD"): 7500}


def test_what_is_left_after_31_march_is_due_in_money_and_debited() -> None:
    one = owing(1000, 300)
    with clock.at("2027-03-31T23:59:59+13:00"):
        determine(one)
        settle(one, 300)
        assert daily.run()["fleet_years_due"] == 0
        with pytest.raises(Conflict, match="may be settled until 2027-03-31"):
            do(FallFleetYearDue(account=one.used.public_id, year=2026, vehicle_type="A"), system())
    with clock.at("2027-04-01"):
        with pytest.raises(Conflict, match="was to be settled by 2027-03-31"):
            settle(one, 0, 1)
        assert daily.run()["fleet_years_due"] == 1
        assert daily.run()["fleet_years_due"] == 0
        found = Share.objects.get()
        assert (found.state, found.payable_cents, found.outstanding_g) == ("collecting", 700 * 750, 0)
        assert one.books()["used"] == {("payable", "NZD"): 525_000}
        play(Payment.objects.get().public_id, "declined")
        assert Share.objects.get().state == "overdue"
        assert [s.pk for s in queries.overdue(one.case)] == [found.pk]
    with clock.at("2028-04-01"):  # no interest, however late
        settlement = Settlement.objects.get(state="due")
        asked = CollectFleetCharge(account=one.used.public_id, year=2026, vehicle_type="A", settlement=settlement.public_id)
        with pytest.raises(NotVisible):
            do(asked, person("Ben"))
        payment = do(asked, officer("finance"))["payment"]
        assert Payment.objects.get(public_id=payment).cents == 525_000
        assert play(payment, "succeeded")["state"] == "settled"
        assert one.books()["used"] == {}
        assert play(payment, "reversed")["owed_cents"] == 525_000
        assert Share.objects.get().state == "overdue"
        assert one.books()["used"] == {("payable", "NZD"): 525_000}
        again = do(asked, one.owner)["payment"]
        assert play(again, "succeeded")["state"] == "settled"
    assert one.books()["used"] == {}
    assert audit.run() == []


def test_a_debit_that_the_bank_takes_back_is_due_again() -> None:
    one = owing(10)
    with clock.at("2027-02-02"):
        determine(one)
        answer = settle(one, 0, 10)
        assert play(answer["payment"], "succeeded")["state"] == "settled"
        assert play(answer["payment"], "reversed")["owed_cents"] == 7500
        assert one.books()["used"] == {("payable", "NZD"): 7500}
        assert Share.objects.get().state == "overdue"


def test_submitting_reserves_the_deficit_at_once_and_the_determination_uses_it() -> None:
    one = owing(1000, 1500)
    with clock.at("2026-12-31"), pytest.raises(Conflict, match="runs until 31 December"):
        submit(one)
    with clock.at("2027-02-02"):
        assert submit(one)["reserved_g"] == 1000
        assert one.books()["used"] == {USED: 500, ("reserved", "credit:used"): 1000}
        # Reserved grams can't be given away.
        other = account(person("Ben"))
        verify(one.used, other)
        with pytest.raises(Short, match="501 needed, 500 free, 1000 reserved"):
            do(OfferTransfer(account=one.used.public_id, to_account=other.number, grams=501), one.owner)
        answer = determine(one)
        assert share(answer, "used")["used_of_submission_g"] == 1000
        assert share(answer, "used")["state"] == "settled"
    assert one.books()["used"] == {USED: 500}
    assert replay.run() == []


def test_a_submission_takes_the_place_of_the_one_before() -> None:
    one = owing(1000, 1500)
    with clock.at("2027-02-02"):
        submit(one)
        assert submit(one, credits_g=200)["reserved_g"] == 200
        assert one.books()["used"] == {USED: 1300, ("reserved", "credit:used"): 200}
        with pytest.raises(Invalid, match="credits_g is 1001; the charge comes to 1000 g"):
            submit(one, credits_g=1001)
        answer = determine(one)
        assert share(answer, "used")["outstanding_g"] == 800
        with pytest.raises(Conflict, match="fleet year is determined"):
            submit(one)
    assert one.books()["used"] == {A: 800, USED: 1300}


def test_what_was_submitted_for_more_than_is_determined_is_free_again(overlay: Any) -> None:

    one = owing(1000, 1500)
    overlay("  annual_target:\n    - {vehicle_type: A, obligation_year: 2026, value: '118', known_from: '2027-01-15'}\n")
    with clock.at("2027-02-02"):
        assert submit(one)["reserved_g"] == 1000
        found = share(determine(one, known=dt.date(2027, 2, 1)), "used")  # two cars, 10 g less each
        assert (found["used_of_submission_g"], found["charge_g"], found["state"]) == (980, 980, "settled")
    assert one.books()["used"] == {USED: 520}


def test_a_submission_that_credits_do_not_cover_is_refused_whole() -> None:
    one = owing(1000, 999)
    with clock.at("2027-02-02"), pytest.raises(Short, match="pool used: 1000 needed, 999 free, 0 reserved"):
        submit(one)
    with clock.at("2027-04-01"), pytest.raises(Conflict, match="to be submitted by 2027-03-31"):
        submit(one, credits_g=1)
    assert one.books()["used"] == {USED: 999}


def test_vintages_up_to_the_year_only() -> None:
    one = owing(1000)
    with clock.at("2027-02-02"):
        give(one.used, 300, 2025)
        give(one.used, 300, 2026)
        give(one.used, 300, 2027)
        determine(one)
        with pytest.raises(Short, match="601 needed, 600 free"):
            settle(one, 601)
        with pytest.raises(Short, match="vintage 2027: 1 needed, 0 free"):
            settle(one, 1, vintages=[2027])
        settle(one, 200, vintages=[2026])
        assert vintages(one.used) == {2025: 300, 2026: 100, 2027: 300}
        settle(one, 350)
    assert vintages(one.used) == {2026: 50, 2027: 300}  # the oldest first


def test_unless_the_value_says_otherwise(overlay: Any) -> None:
    one = owing(1000)
    overlay("  credit_vintages_taken:\n    - {value: any}\n")
    with clock.at("2027-02-02"):
        give(one.used, 300, 2027)
        determine(one)
        settle(one, 300)
    assert vintages(one.used) == {}


def test_one_type_s_surplus_meets_the_other_s_charge() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        excess(one, one.used, -500)
        take_in(one, one.used, van(one.used, co2=507))  # 300 over 207
    with clock.at("2027-02-02"):
        determine(one)
        assert one.books()["used"] == {USED: 500, ("owed", "charge:used:B:2026:fleet"): 300}
        assert settle(one, 300, vehicle_type="B")["state"] == "settled"
    assert one.books()["used"] == {USED: 200}


def test_the_new_account_s_surplus_meets_the_used_one_s_charge_by_exchange() -> None:
    """Type B of the new account and type A of the used one: two fleets, whose credits are of two pools."""
    one = owing(1000)
    with clock.at("2026-06-01"):
        take_in(one, one.new, van(one.new, co2=7), van(one.new, co2=7), van(one.new, co2=7))  # 600 under
    with clock.at("2027-02-02"):
        determine(one)
        do(TransferOwn(account=one.new.public_id, to_account=one.used.number, grams=500), one.owner)
        assert settle(one, 1000)["state"] == "settled"
    assert one.books() == {"new": {NEW: 100}, "used": {}}
    assert audit.run() == []


def test_an_account_that_owes_gives_no_credits_away_and_is_not_closed() -> None:
    one = owing(10, 100)
    other = account(person("Ben"))
    with clock.at("2027-02-02"):
        verify(one.used, other)
        with pytest.raises(Conflict, match="the fleet year 2026 isn't determined"):
            settle_all(one)
        determine(one)
        with pytest.raises(Conflict, match="owes 10 g of charge:used:A:2026:fleet"):
            do(OfferTransfer(account=one.used.public_id, to_account=other.number, grams=1), one.owner)
        settle(one, 10)
        made = do(OfferTransfer(account=one.used.public_id, to_account=other.number, grams=90), one.owner)["offer"]
        ben = other.grants.get().principal
        do(AcceptTransfer(offer=made), ben)
        assert settle_all(one)["state"] == "closed"


def settle_all(one: Importer) -> dict[str, Any]:
    """Close the used account, with nothing in it but what the fleet holds."""
    if book.balances(one.used.pk) and not Share.objects.exists():
        other = account(one.owner, "used", one.holder)
        grams = book.balance(one.used.pk, "held", "credit:used")
        do(TransferOwn(account=one.used.public_id, to_account=other.number, grams=grams), one.owner)
        try:
            return do(CloseAccount(account=one.used.public_id), one.owner)
        finally:
            do(TransferOwn(account=other.public_id, to_account=one.used.number, grams=grams), one.owner)
    return do(CloseAccount(account=one.used.public_id), one.owner)


def test_a_fleet_year_is_not_settled_at_pay_as_you_go_rates() -> None:
    one = owing(10, 100)
    with clock.at("2027-02-02"):
        determine(one)
        with pytest.raises(Conflict, match="owes no charge"):
            do(SettleCharges(account=one.used.public_id, credits_g=10), one.owner)
    assert one.books()["used"] == {A: 10, USED: 100}


def test_charges_of_a_suspended_account_stay_payable() -> None:

    one = owing(10)
    with clock.at("2027-02-02"):
        determine(one)
        grounds = {"until": dt.date(2028, 1, 1), "reason": "failed_to_comply", "grounds": "x"}
        do(SuspendAccount(account=one.used.public_id, **grounds), one.case)
        assert play(settle(one, 0, 10)["payment"], "succeeded")["state"] == "settled"
        assert queries.statement(one.used, 2026)[0]["shares"][0]["met_by_money_g"] == 10


def test_who_may_settle_and_how_much() -> None:
    one = owing(10, 10)
    helper = person("Cara")
    with clock.at("2027-02-02"):
        with pytest.raises(NotVisible, match="has no part in the fleet of type A of 2026"):
            settle(one, 1)
        determine(one)
        asked = SettleFleetYear(account=one.used.public_id, year=2026, vehicle_type="A", credits_g=1)
        with pytest.raises(NotVisible):
            do(asked, helper)
        do(Permit(account=one.used.public_id, person=helper.public_id, verb="accept_vehicles"), one.owner)
        do(Permit(account=one.used.public_id, person=helper.public_id, verb="view"), one.owner)
        with pytest.raises(Forbidden, match="transfer_credits"):
            do(asked, helper)
        do(Permit(account=one.used.public_id, person=helper.public_id, verb="transfer_credits"), one.owner)
        assert do(asked, helper)["outstanding_g"] == 9
        with pytest.raises(Invalid, match="credits_g is 4 and money_g 6; 9 g are outstanding"):
            settle(one, 4, 6)
        with pytest.raises(Invalid, match="say how many grams"):
            settle(one)
        with pytest.raises(Invalid, match="credits_g"):
            SettleFleetYear.read({**asked.model_dump(), "credits_g": 1.5})
        with pytest.raises(Invalid, match="charge_cents"):
            SettleFleetYear.read({**asked.model_dump(), "charge_cents": 1})


def test_a_year_determined_late_gives_days_to_settle_but_no_later_credits() -> None:
    """Credits that came from elsewhere after 31 March aren't usable for the year, also where it may still be settled."""
    one = owing(1000, 100)
    ben = person("Ben")
    theirs = account(ben)
    verify(one.used, theirs)
    with clock.at("2027-04-10"):
        give(theirs, 500, 2026)
        made = do(OfferTransfer(account=theirs.public_id, to_account=one.used.number, grams=500), ben)["offer"]
        do(AcceptTransfer(offer=made), one.owner)
    with clock.at("2027-04-20"):
        answer = determine(one)
        assert share(answer, "used")["settle_by"] == "2027-05-10"
        with pytest.raises(Short, match="101 needed, 100 free"):
            settle(one, 101)
        settle(one, 100)
    with clock.at("2027-05-10"):
        assert daily.run()["fleet_years_due"] == 0
    with clock.at("2027-05-11"):
        assert daily.run()["fleet_years_due"] == 1
    assert one.books()["used"] == {USED: 500, ("payable", "NZD"): 900 * 750}
