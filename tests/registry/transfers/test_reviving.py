"""Credits that ended for who hadn't heard of the Act of November 2025, and live again once it is known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings

from cleanfleet.registry import clock, daily
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import CloseAccount
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import CorrectVehicle, WithdrawVehicle
from cleanfleet.registry.fleets import operations as fleets
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Seal
from cleanfleet.registry.refusals import Conflict, Forbidden
from cleanfleet.registry.transfers.operations import TransferOwn
from cleanfleet.registry.transfers.reviving import ReviveCredits, reviving
from cleanfleet.registry.vehicles.models import Claim
from registry.fleets.scenes import accept, approved, determine
from registry.people import account, car, credited, do, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
#: Lots of 31 March 2026 end after 31 March 2029 by the law as known on this day, a year later by the Act.
BEFORE_THE_ACT = dt.date(2025, 6, 1)
DAY = "2029-04-02"


@contextmanager
def unknown_act() -> Iterator[None]:
    settings.OPTIONS["CLEANFLEET_KNOWN"] = BEFORE_THE_ACT
    try:
        yield
    finally:
        settings.OPTIONS["CLEANFLEET_KNOWN"] = None


def expired(grams: int = 40) -> tuple[object, Account]:
    """An account whose credits were booked out on 1 April 2029."""
    ready_law()
    owner = person()
    of = credited(owner, grams)
    with clock.at("2029-04-01"), unknown_act():
        assert daily.run()["expired_accounts"] == 1
    assert book.balances(of.pk) == {}
    return owner, of


def test_the_daily_job_gives_back_what_may_be_used_again_and_says_by_which_law() -> None:
    _, of = expired()
    with clock.at(DAY):
        with unknown_act():
            assert daily.run()["revived_accounts"] == 0
        assert book.balances(of.pk) == {}
        assert daily.run()["revived_accounts"] == 1
        assert daily.run()["revived_accounts"] == 0
    (lot,) = book.lots(of.pk, "held", "credit:used")
    assert (lot.owner, lot.vintage, lot.earned_on, lot.amount) == (of.pk, 2026, dt.date(2026, 3, 31), 40)
    known = dict(
        Seal.objects.filter(movements__gt=0, operation__name__in=("expire_credits", "revive_credits")).values_list(
            "operation__name", "law_known"
        )
    )
    assert known == {"expire_credits": BEFORE_THE_ACT, "revive_credits": dt.date(2029, 4, 2)}
    with clock.at("2030-04-01"):  # their last day by the Act was yesterday
        daily.run()
        assert book.balances(of.pk) == {}
        assert reviving(clock.today()) == []
    assert audit.run() == []


def test_who_received_them_by_transfer_gets_them_back_there() -> None:
    ready_law()
    owner = person()
    of = credited(owner, 40)
    other = account(owner, "used", of.holder.public_id)
    with clock.at(DAY[:4] + "-01-15"):
        do(TransferOwn(account=of.public_id, to_account=other.number, grams=15), owner)
    with clock.at("2029-04-01"), unknown_act():
        daily.run()
    with clock.at(DAY):
        assert daily.run()["revived_accounts"] == 2
    assert [book.balance(one.pk, "held", "credit:used") for one in (of, other)] == [25, 15]


def test_only_the_register_itself_does_it_and_a_closed_account_takes_nothing() -> None:
    owner, of = expired()
    with clock.at(DAY):
        with pytest.raises(Forbidden):
            do(ReviveCredits(account=of.public_id), owner)  # type: ignore[arg-type]
        with unknown_act():
            do(CloseAccount(account=of.public_id), owner)  # type: ignore[arg-type]
        assert reviving(clock.today()) == []
        with pytest.raises(Conflict, match="is closed"):
            do(ReviveCredits(account=of.public_id), system())


def test_what_lives_again_counts_as_lapsed_no_more_when_a_vehicle_is_withdrawn() -> None:
    owner, of = expired()
    other = account(owner, "used", of.holder.public_id)  # type: ignore[arg-type]
    with clock.at(DAY):
        daily.run()
        do(TransferOwn(account=of.public_id, to_account=other.number, grams=30), owner)  # type: ignore[arg-type]
        claim = Claim.objects.get().public_id
        answer = do(WithdrawVehicle(claim=claim, reason="exported", grounds="x"), officer())
    assert answer["shortfall_g"] == 30
    assert book.balances(of.pk) == {("owed", "charge:used:A:2026"): 30}
    assert book.balances(other.pk) == {("held", "credit:used"): 30}


def test_what_a_correction_cancelled_does_not_live_again() -> None:
    _, of = expired()
    with clock.at(DAY):
        claim = Claim.objects.get().public_id
        # 112.0474 - 82 = 30 g instead of 40: the 10 are taken from what lapsed.
        given = {"attributes": {"co2_g_per_km": "82"}, "reason": "wrong_co2", "grounds": "x"}
        assert do(CorrectVehicle(claim=claim, **given), officer())["shortfall_g"] == 0
        daily.run()
    assert book.balances(of.pk) == {("held", "credit:used"): 30}


def test_a_fleet_s_credits_that_live_again_are_owed_where_they_were_given_away() -> None:
    one = approved()
    with clock.at("2026-04-02"):
        claims = accept(one, one.used, car(one.used, co2=82))
    with clock.at("2027-02-02"):
        determine(one)
    with clock.at("2030-01-01"), unknown_act():
        daily.run()
        assert one.books()["used"] == {}
    with clock.at("2030-01-02"):
        daily.run()
        assert one.books()["used"] == {("held", "credit:used"): 30}
        do(TransferOwn(account=one.used.public_id, to_account=one.new.number, grams=20), one.owner)
        do(fleets.WithdrawFleetVehicle(claim=claims[0], reason="wrong_data", grounds="x"), one.case)
    assert one.books() == {
        "new": {("held", "credit:new"): 10},
        "used": {("owed", "charge:used:A:2026:fleet"): 20},
    }
    assert audit.run() == []
