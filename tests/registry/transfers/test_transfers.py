"""Giving, receiving and exchanging credits; credits that expire."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import CloseAccount, Permit
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Lot
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible, Short
from cleanfleet.registry.transfers.operations import (
    AcceptTransfer,
    DeclineTransfer,
    OfferTransfer,
    TransferOwn,
    WithdrawTransfer,
)
from registry.people import account, credited, do, person, ready_law, verify

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-04-10"


def held(of: Account) -> dict[tuple[str, str], int]:
    return book.balances(of.pk)


def offer(giver: object, source: Account, target: Account, grams: int, **how: object) -> str:
    made = do(OfferTransfer(account=source.public_id, to_account=target.number, grams=grams, **how), giver)  # type: ignore[arg-type]
    return str(made["offer"])


def test_what_is_offered_is_reserved_and_goes_over_with_its_lot() -> None:
    ready_law()
    giver, taker = person(), person("Ben")
    source, target = credited(giver, 50), account(taker)
    verify(source, target)
    with clock.at(DAY):
        made = offer(giver, source, target, 20)
        assert held(source) == {("held", "credit:used"): 30, ("reserved", "credit:used"): 20}
        assert held(target) == {}
        answer = do(AcceptTransfer(offer=made), taker)
    assert answer["received_grams"] == 20
    assert held(source) == {("held", "credit:used"): 30}
    (lot,) = book.lots(target.pk, "held", "credit:used")
    assert (lot.owner, lot.vintage, lot.earned_on) == (source.pk, 2026, dt.date(2026, 3, 31))
    assert audit.run() == []
    assert replay.run() == []


@pytest.mark.parametrize("how", ["decline", "withdraw", "lapse"])
def test_an_offer_that_comes_to_nothing_frees_the_credits(how: str) -> None:
    ready_law()
    giver, taker = person(), person("Ben")
    source, target = credited(giver, 50), account(taker)
    verify(source, target)
    with clock.at(DAY):
        made = offer(giver, source, target, 20)
        if how == "decline":
            do(DeclineTransfer(offer=made), taker)
        elif how == "withdraw":
            do(WithdrawTransfer(offer=made), giver)
        with pytest.raises(Conflict, match="offered") if how != "lapse" else pytest.raises(Forbidden):
            do(WithdrawTransfer(offer=made), taker if how == "lapse" else giver)
    with clock.at("2026-04-24"):
        assert daily.run()["lapsed"] == 0
    if how == "lapse":
        with clock.at("2026-04-25"):
            with pytest.raises(Conflict, match="lapsed after 2026-04-24"):
                do(AcceptTransfer(offer=made), taker)
            assert daily.run()["lapsed"] == 1
            assert daily.run()["lapsed"] == 0
    assert held(source) == {("held", "credit:used"): 50}
    assert held(target) == {}


def test_one_new_becomes_two_used_and_two_used_one_new_since_2026() -> None:
    ready_law()
    giver, taker = person(), person("Ben")
    new, used = credited(giver, 50, "new"), account(taker, "used")
    verify(new, used)
    with clock.at(DAY):
        do(AcceptTransfer(offer=offer(giver, new, used, 20)), taker)
        assert held(used) == {("held", "credit:used"): 40}
        lot = Lot.objects.get(pk=book.lots(used.pk, "held", "credit:used")[0].lot)
        assert lot.origin is not None
        assert lot.origin.owner_id == new.pk
        with pytest.raises(Invalid, match="each set of 2 used becomes 1 new; 6 or 8 can be exchanged, 7 can't"):
            offer(taker, used, new, 7)
        do(AcceptTransfer(offer=offer(taker, used, new, 8)), giver)
    assert held(used) == {("held", "credit:used"): 32}
    assert held(new) == {("held", "credit:new"): 34}
    assert audit.run() == []


def test_before_2026_only_the_same_condition(settings_demo: None) -> None:
    ready_law()
    giver, taker = person(), person("Ben")
    from cleanfleet.registry.acceptance.operations import AcceptVehicles
    from registry.people import car, feed

    new, used = account(giver, "new"), account(taker, "used")
    verify(new, used)
    with clock.at("2025-11-29"):
        (row,) = feed(car(new, co2=0, ready_on="2025-11-01"))
        do(AcceptVehicles(account=new.public_id, vehicles=[row["claim"]]), giver)
        with pytest.raises(Forbidden, match="exchange"):
            offer(giver, new, used, 10)
    with clock.at("2026-01-01"):
        do(AcceptTransfer(offer=offer(giver, new, used, 10)), taker)
    assert held(used) == {("held", "credit:used"): 20}


def test_between_a_holder_s_own_accounts_one_step() -> None:
    ready_law()
    owner = person()
    new = credited(owner, 50, "new")
    used = account(owner, "used", new.holder.public_id)
    with clock.at(DAY):
        answer = do(TransferOwn(account=new.public_id, to_account=used.number, grams=5), owner)
        assert answer["received_grams"] == 10
        stranger = account(person("Ben"))
        with pytest.raises(Conflict, match="another holder's"):
            do(TransferOwn(account=new.public_id, to_account=stranger.number, grams=5), owner)
    assert held(used) == {("held", "credit:used"): 10}


def test_who_may_not_and_what_can_not() -> None:
    ready_law()
    giver, taker, helper = person(), person("Ben"), person("Cara")
    source, target = credited(giver, 50), account(taker)
    with clock.at(DAY):
        with pytest.raises(Forbidden, match="isn't verified"):
            offer(giver, source, target, 20)
        verify(source, target)
        with pytest.raises(NotVisible):
            offer(helper, source, target, 20)
        do(Permit(account=source.public_id, person=helper.public_id, verb="view"), giver)
        with pytest.raises(Forbidden, match="transfer_credits"):
            offer(helper, source, target, 20)
        do(Permit(account=source.public_id, person=helper.public_id, verb="transfer_credits"), giver)
        with pytest.raises(Short, match="pool used: 51 needed, 50 free, 0 reserved"):
            offer(helper, source, target, 51)
        with pytest.raises(Short, match="pool used, vintage 2025: 1 needed, 0 free"):
            offer(helper, source, target, 1, vintages=[2025])
        with pytest.raises(Invalid, match="the account that gives"):
            offer(giver, source, source, 1)
        with pytest.raises(NotVisible):
            do(OfferTransfer(account=source.public_id, to_account="CO2-00000000", grams=1), giver)
        made = offer(helper, source, target, 20, vintages=[2026])
        with pytest.raises(Forbidden):
            do(AcceptTransfer(offer=made), giver)
        with pytest.raises(NotVisible):
            do(AcceptTransfer(offer=made), person("Dan"))
        do(AcceptTransfer(offer=made), taker)
        closed = account(giver)
        do(CloseAccount(account=closed.public_id), giver)
        with pytest.raises(Conflict, match="is closed"):
            offer(giver, source, closed, 1)
        with pytest.raises(Conflict, match="30 credit:used held"):
            do(CloseAccount(account=source.public_id), giver)


def test_credits_expire_by_the_law_that_is_known_when_they_are_asked_for(
    settings_demo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.conf import settings

    from cleanfleet.registry.acceptance.operations import AcceptVehicles
    from registry.people import car, feed

    ready_law()
    owner, taker = person(), person("Ben")
    of, target = account(owner), account(taker)
    verify(of, target)
    with clock.at("2023-07-01"):
        (row,) = feed(car(of, co2=100, ready_on="2023-06-30"))
        do(AcceptVehicles(account=of.public_id, vehicles=[row["claim"]]), owner)
    assert held(of) == {("held", "credit:used"): 45}
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_KNOWN", dt.date(2024, 12, 31))
    with clock.at("2026-07-01"):
        daily.run()
        assert held(of) == {("held", "credit:used"): 45}
    with clock.at("2026-07-02"), pytest.raises(Short, match="0 free"):
        offer(owner, of, target, 1)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_KNOWN", None)
    with clock.at("2028-12-31"):
        daily.run()
        assert held(of) == {("held", "credit:used"): 45}
    with clock.at("2029-01-01"):
        assert daily.run()["expired_accounts"] == 1
        assert held(of) == {}
        assert daily.run()["expired_accounts"] == 0


@pytest.fixture
def settings_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo without weight adjustment, since the slopes of 2023 aren't known."""
    from django.conf import settings

    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))
