"""Correcting vehicles of a fleet after acceptance: only the difference is posted, in the original year and vintage."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.accounts.operations import Permit
from cleanfleet.registry.fleets import queries
from cleanfleet.registry.fleets.models import Determination, Share
from cleanfleet.registry.fleets.operations import (
    CorrectFleetVehicle,
    RedetermineFleetYear,
    RefundFleetCharge,
    SettleFleetYear,
    SubmitFleetYear,
    WithdrawFleetVehicle,
)
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotDetermined, NotVisible
from cleanfleet.registry.transfers.operations import AcceptTransfer, OfferTransfer
from cleanfleet.registry.transfers.surrendering import SurrenderCredits
from cleanfleet.registry.vehicles.models import Claim, Result, Version
from registry.people import account, car, do, feed, officer, person, verify

from .scenes import Importer, accept, approved, determine, give, play, share, vintages

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]
OWED, HELD = ("owed", "charge:used:A:2026:fleet"), ("held", "credit:used")


def used_cars(*over: int) -> tuple[Importer, list[str]]:
    """An importer whose used cars of 2026 lie so far over (below zero: under) the target of 108."""
    one = approved()
    with clock.at("2026-06-01"):
        return one, accept(one, one.used, *(car(one.used, co2=108 + grams) for grams in over))


def correct(one: Importer, claim: str, over: int, **more: Any) -> dict[str, Any]:
    given = {"co2_g_per_km": str(108 + over), **more}
    return do(CorrectFleetVehicle(claim=claim, reason="wrong_data", grounds="x", attributes=given), one.case)


def settle(one: Importer, credits_g: int = 0, money_g: int = 0) -> dict[str, Any]:
    return do(
        SettleFleetYear(account=one.used.public_id, year=2026, vehicle_type="A", credits_g=credits_g, money_g=money_g),
        one.owner,
    )


def test_before_the_determination_a_correction_posts_nothing() -> None:
    one, (claim,) = used_cars(50)
    with clock.at("2026-07-01"):
        answer = correct(one, claim, 30)
        assert answer["determined"] == {}
        assert queries.position(one.used, 2026)["types"]["A"]["charge_used_g"] == 30
    assert one.books()["used"] == {}
    assert [v.number for v in Version.objects.order_by("number")] == [1, 2]
    first, second = Result.objects.order_by("pk")
    assert (first.charge_g, second.charge_g, first.on, second.on) == (50, 30, second.on, first.on)
    with clock.at("2027-02-02"):
        assert share(determine(one), "used")["charge_g"] == 30
    assert replay.run() == []


def test_the_next_version_posts_only_the_difference() -> None:
    one, claims = used_cars(50, 50)
    with clock.at("2027-02-02"):
        determine(one)
    with clock.at("2027-02-10"):
        answer = correct(one, claims[0], 70)
        change = answer["determined"]["A"]["shares"][0]["change"]
        assert (change["charged_g"], change["relieved_g"], change["issued_g"]) == (20, 0, 0)
        assert one.books()["used"] == {OWED: 120}
        answer = correct(one, claims[0], -100)
        change = answer["determined"]["A"]["shares"][0]["change"]
        assert (change["relieved_g"], change["issued_g"]) == (120, 50)
        assert one.books()["used"] == {HELD: 50}
    assert vintages(one.used) == {2026: 50}
    (lot,) = book.lots(one.used.pk, "held", "credit:used")
    assert str(lot.earned_on) == "2026-12-31"
    assert list(Determination.objects.order_by("number").values_list("number", "net")) == [
        (1, -1_000_000), (2, -1_200_000), (3, 500_000),
    ]  # fmt: skip
    assert audit.run() == []
    assert replay.run() == []


def test_money_overcharged_is_refund_due_never_credits() -> None:
    one, (claim,) = used_cars(100)
    with clock.at("2027-02-02"):
        determine(one)
        play(settle(one, 0, 100)["payment"], "succeeded")
        correct(one, claim, 60)
        assert one.books()["used"] == {("refund_due", "NZD"): 40 * 750}
        asked = RefundFleetCharge(account=one.used.public_id, year=2026, vehicle_type="A", reference="bank 17")
        with pytest.raises(Forbidden):
            do(asked, one.owner)
        member = officer("finance")
        do(Permit(account=one.used.public_id, person=member.public_id, verb="view"), one.owner)
        with pytest.raises(Forbidden) as caught:
            do(asked, member)
        assert caught.value.code == "own_case"
        finance = officer("finance")
        assert do(asked, finance)["refunded_cents"] == 30_000
        with pytest.raises(Conflict, match="no money to be given back"):
            do(asked, finance)
        found = Share.objects.get()
        assert (found.state, found.money_g, found.charge_g, found.refund_cents) == ("settled", 60, 60, 0)
    assert one.books()["used"] == {}
    assert audit.run() == []


def test_credits_used_for_too_much_come_back_with_their_vintage() -> None:
    one, (claim,) = used_cars(100)
    with clock.at("2027-02-02"):
        give(one.used, 60, 2024)
        give(one.used, 60, 2025)
        determine(one)
        settle(one, 100)
        assert vintages(one.used) == {2025: 20}
        correct(one, claim, 30)
    # The last used come back first.
    assert vintages(one.used) == {2024: 30, 2025: 60}


def test_of_credits_and_money_the_last_comes_back_first() -> None:
    one, (claim,) = used_cars(100)
    with clock.at("2027-02-02"):
        give(one.used, 40, 2025)
        determine(one)
        play(settle(one, 0, 30)["payment"], "succeeded")
        settle(one, 40)
        correct(one, claim, 15)  # 85 less: the 30 outstanding, the 40 credits, 15 of the money
        assert one.books()["used"] == {HELD: 40, ("refund_due", "NZD"): 15 * 750}
    assert Share.objects.get().state == "settled"


def test_what_is_due_and_not_paid_is_no_longer_due() -> None:
    one, (claim,) = used_cars(100)
    with clock.at("2027-02-02"):
        determine(one)
    with clock.at("2027-04-01"):
        daily.run()
        payment = Share.objects.get().settlements.get().payment
        with pytest.raises(Conflict, match="share is collecting"):
            correct(one, claim, 60)
        play(payment.public_id, "declined")
        correct(one, claim, 60)
        assert one.books()["used"] == {("payable", "NZD"): 60 * 750}
        correct(one, claim, 0)
        assert Share.objects.get().state == "settled"
    assert one.books()["used"] == {}


def test_credits_that_were_given_away_stay_with_whoever_received_them() -> None:
    one, (claim,) = used_cars(-100)
    ben = person("Ben")
    theirs = account(ben)
    verify(one.used, theirs)
    with clock.at("2027-02-02"):
        determine(one)
        made = do(OfferTransfer(account=one.used.public_id, to_account=theirs.number, grams=80), one.owner)["offer"]
        do(AcceptTransfer(offer=made), ben)
        answer = correct(one, claim, -50)
        change = answer["determined"]["A"]["shares"][0]["change"]
        assert (change["cancelled_g"], change["charged_g"], change["shortfall_g"]) == (20, 30, 30)
        assert one.books()["used"] == {OWED: 30}
        assert book.balances(theirs.pk) == {HELD: 80}
        give(one.used, 5, 2025)
        with pytest.raises(Conflict, match="owes 30 g"):
            do(OfferTransfer(account=one.used.public_id, to_account=theirs.number, grams=1), one.owner)
        # Corrected again the other way: first what is owed again, then credits.
        correct(one, claim, -90)
        assert one.books()["used"] == {HELD: 15}
    assert vintages(one.used) == {2025: 5, 2026: 10}
    assert audit.run() == []
    assert replay.run() == []


def test_a_shortfall_after_the_last_day_has_days_to_be_settled_at_the_year_s_own_rate() -> None:
    one, (claim,) = used_cars(-100)
    ben = person("Ben")
    theirs = account(ben)
    verify(one.used, theirs)
    with clock.at("2027-02-02"):
        determine(one)
        made = do(OfferTransfer(account=one.used.public_id, to_account=theirs.number, grams=100), one.owner)["offer"]
        do(AcceptTransfer(offer=made), ben)
    with clock.at("2028-06-01"):  # the rate is 33.75 by then
        correct(one, claim, 20)
        found = Share.objects.get()
        assert (found.charge_g, str(found.settle_by), found.state) == (120, "2028-06-21", "owed")
    with clock.at("2028-06-22"):
        daily.run()
    assert one.books()["used"] == {("payable", "NZD"): 120 * 750}


def test_credits_that_expired_unused_are_cancelled_and_not_owed(overlay: Any) -> None:
    one, (claim,) = used_cars(-100)
    with clock.at("2027-02-02"):
        determine(one)
    overlay("  credit_life_years:\n    - {from: '2023-01-01', value: '1', known_from: '2023-01-01'}\n"
            "  credits_none_expires_before:\n    - {from: '2023-01-01', value: '2023-12-31', known_from: '2023-01-01'}\n")  # fmt: skip
    with clock.at("2028-01-01"):
        assert daily.run()["expired_accounts"] == 1
        assert one.books()["used"] == {}
        answer = correct(one, claim, -60)
        change = answer["determined"]["A"]["shares"][0]["change"]
        assert (change["cancelled_g"], change["shortfall_g"]) == (40, 0)
        change = correct(one, claim, 10)["determined"]["A"]["shares"][0]["change"]
        assert (change["cancelled_g"], change["charged_g"], change["shortfall_g"]) == (60, 10, 0)
    assert audit.run() == []


def test_credits_that_were_given_up_are_cancelled_and_not_owed() -> None:
    one, (claim,) = used_cars(-100)
    with clock.at("2027-02-02"):
        determine(one)
        do(SurrenderCredits(account=one.used.public_id, grams=70), one.owner)
        change = correct(one, claim, -60)["determined"]["A"]["shares"][0]["change"]
        assert (change["cancelled_g"], change["shortfall_g"]) == (40, 0)  # 30 that were held, 10 of those given up
        assert one.books()["used"] == {}
        change = correct(one, claim, 10)["determined"]["A"]["shares"][0]["change"]
        assert (change["cancelled_g"], change["charged_g"], change["shortfall_g"]) == (60, 10, 0)
        assert one.books()["used"] == {OWED: 10}
    assert audit.run() == []


def test_a_vehicle_that_changes_its_type_changes_both_fleets() -> None:
    one, claims = used_cars(50, 50)
    with clock.at("2027-02-02"):
        determine(one)
        answer = correct(one, claims[0], 50, vehicle_class="NA")  # 158 under 207: 49 g of credit
    assert set(answer["determined"]) == {"A", "B"}
    assert (answer["determined"]["A"]["number"], answer["determined"]["B"]["number"]) == (2, 1)
    assert one.books()["used"] == {OWED: 50, HELD: 49}


def test_a_withdrawn_vehicle_leaves_its_fleet() -> None:
    one, claims = used_cars(50, -80)
    with clock.at("2027-02-02"):
        determine(one)
        assert one.books()["used"] == {HELD: 30}
        asked = WithdrawFleetVehicle(claim=claims[1], reason="wrong_data", grounds="exported")
        with pytest.raises(Forbidden):
            do(asked, one.owner)
        do(asked, one.case)
        assert one.books()["used"] == {OWED: 50}
        assert Claim.objects.get(public_id=claims[1]).state == "withdrawn"
        with pytest.raises(Conflict, match="isn't accepted under fleet average"):
            do(asked, one.case)
        # The last one too: a fleet that every vehicle has left.
        do(WithdrawFleetVehicle(claim=claims[0], reason="wrong_data", grounds="exported"), one.case)
    assert one.books()["used"] == {}
    assert Determination.objects.order_by("-number").first().count_used == 0  # type: ignore[union-attr]
    assert replay.run() == []


def test_what_a_submission_reserved_follows_a_correction() -> None:
    one, claims = used_cars(50, 50)
    with clock.at("2027-02-02"):
        give(one.used, 110, 2025)
        do(SubmitFleetYear(account=one.used.public_id, year=2026, vehicle_type="A"), one.owner)
        answer = correct(one, claims[0], 30)
        assert answer["reserved"][0]["reserved_g"] == 80
        assert one.books()["used"] == {("reserved", "credit:used"): 80, HELD: 30}
        answer = correct(one, claims[0], 55)
        assert one.books()["used"] == {("reserved", "credit:used"): 105, HELD: 5}
        # More than credits reach: nothing of the rise is reserved, and nothing is refused.
        answer = correct(one, claims[0], 65)
        assert (answer["reserved"][0]["reserved_g"], answer["reserved"][0]["not_reserved_g"]) == (105, 10)
        found = share(determine(one), "used")
        assert (found["used_of_submission_g"], found["outstanding_g"]) == (105, 10)
    assert one.books()["used"] == {OWED: 10, HELD: 5}


def test_corrections_that_can_not_be() -> None:
    one, (claim,) = used_cars(50)
    with clock.at("2026-07-01"):
        with pytest.raises(Invalid, match="'condition' is not one that can be corrected"):
            correct(one, claim, 50, condition="new")
        with pytest.raises(Invalid, match="'colour' is not one"):
            correct(one, claim, 50, colour="red")
        with pytest.raises(Invalid, match="tare_kg is 'heavy'"):
            correct(one, claim, 50, tare_kg="heavy")
        with pytest.raises(Invalid, match="co2_g_per_km"):
            correct(one, claim, 5000)
        with pytest.raises(Conflict, match="the attributes are those"):
            correct(one, claim, 50)
        with pytest.raises(Conflict, match="withdraw it instead"):
            correct(one, claim, 50, exclusion="disability")
        with pytest.raises(NotDetermined, match="so it isn't determined: missing:"):
            correct(one, claim, 50, co2_cycle="NEDC")
        with pytest.raises(NotVisible):
            correct(one, "clm_0", 50)
        with pytest.raises(Forbidden):
            do(CorrectFleetVehicle(claim=claim, reason="appeal", grounds="x", attributes={"tare_kg": 1}), one.owner)
    assert Version.objects.count() == 1


def test_the_law_read_anew(overlay: Any) -> None:
    """A rate or target that turns out otherwise: the next version, by the difference; the register's own feeds change nothing."""
    one, _ = used_cars(50)
    excess_before = one.books()
    with clock.at("2027-02-02"):
        determine(one)
        overlay("  annual_target:\n    - {vehicle_type: A, obligation_year: 2026, value: '118', known_from: '2027-01-15'}\n")
        asked = {"account": one.used.public_id, "year": 2026, "reason": "law_read_anew", "grounds": "court"}
        with pytest.raises(Conflict, match="are those of the last"):
            do(RedetermineFleetYear(**asked), one.case)
        answer = do(RedetermineFleetYear.read({**asked, "known": "2027-02-01"}), one.case)
        assert answer["types"]["A"]["number"] == 2
        with pytest.raises(Forbidden):
            do(RedetermineFleetYear(**asked), one.owner)
    assert excess_before == {"new": {}, "used": {}}
    assert one.books()["used"] == {OWED: 40}


def test_only_a_fleet_s_own_vehicles_are_corrected_here() -> None:
    one = approved()
    with clock.at("2025-12-01"):
        other = account(person("Ben"))
    with clock.at("2026-06-01"):
        (row,) = feed(car(other))
        with pytest.raises(Conflict, match="isn't accepted under fleet average"):
            correct(one, row["claim"], 3)
