"""Credits that are given up, and the account that is closed after it."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanfleet.registry import clock
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import AnswerNotice, CloseAccount, GiveNotice, Permit, SuspendAccount
from cleanfleet.registry.charges.correcting import CorrectVehicle, WithdrawVehicle
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Movement, Principal
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotDetermined, Short
from cleanfleet.registry.transfers.operations import TransferOwn
from cleanfleet.registry.transfers.surrendering import SurrenderCredits, plan
from cleanfleet.registry.vehicles.models import Claim
from registry.people import account, credited, do, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-04-10"


@pytest.fixture
def owned(database: str) -> tuple[Principal, Account]:
    """An account with 40 g of used credits, earned on 31 March 2026."""
    ready_law()
    owner = person()
    return owner, credited(owner, 40)


def ends(of: Account) -> dict[str, int]:
    """Where the account's credits went, in all."""
    gone = Movement.objects.filter(source__owner=of.owner, unit__code="credit:used").exclude(target__owner=of.owner)
    found: dict[str, int] = {}
    for kind, amount in gone.values_list("target__kind", "amount"):
        found[kind] = found.get(kind, 0) + amount
    return found


def test_what_is_given_up_is_shown_before_and_after_and_is_gone(owned: tuple[Principal, Account]) -> None:
    owner, of = owned
    with clock.at(DAY):
        before = plan(of, 30)
        assert before == [{"vintage": 2026, "earned_on": "2026-03-31", "last_day": "2030-03-31", "grams": 30}]
        assert book.balance(of.pk, "held", "credit:used") == 40
        answer = do(SurrenderCredits(account=of.public_id, grams=30, vintages=[2026]), owner)
    assert (answer["grams"], answer["lots"]) == (30, before)
    assert book.balances(of.pk) == {("held", "credit:used"): 10}
    assert ends(of) == {"surrendered": 30}
    assert audit.run() == []


def test_an_account_with_credits_is_closed_by_its_holder_once_they_are_given_up(owned: tuple[Principal, Account]) -> None:
    owner, of = owned
    with clock.at(DAY):
        with pytest.raises(Conflict, match="while it has 40 credit:used held: transfer, use or surrender it"):
            do(CloseAccount(account=of.public_id), owner)
        do(SurrenderCredits(account=of.public_id, grams=40), owner)
        assert do(CloseAccount(account=of.public_id), owner)["state"] == "closed"
        with pytest.raises(Conflict, match="is closed and gives up no credits"):
            do(SurrenderCredits(account=of.public_id, grams=1), owner)


def test_only_the_owner_gives_up_only_what_is_free(owned: tuple[Principal, Account]) -> None:
    owner, of = owned
    helper, agent = person("Helper"), officer()
    for verb in ("view", "transfer_credits"):
        do(Permit(account=of.public_id, person=helper.public_id, verb=verb), owner)
    with clock.at(DAY):
        for by in (helper, agent):
            with pytest.raises(Forbidden, match="needs the permission owner"):
                do(SurrenderCredits(account=of.public_id, grams=1), by)
        with pytest.raises(Short, match="41 needed, 40 free"):
            do(SurrenderCredits(account=of.public_id, grams=41), owner)
        with pytest.raises(Short):
            do(SurrenderCredits(account=of.public_id, grams=1, vintages=[2025]), owner)
        with pytest.raises(Invalid, match="grams is 0"):
            SurrenderCredits.read({"account": of.public_id, "grams": 0})
        until = dt.date(2027, 1, 1)
        do(SuspendAccount(account=of.public_id, until=until, reason="convicted", grounds="x"), agent)
        with pytest.raises(Conflict, match="is suspended and gives up no credits"):
            do(SurrenderCredits(account=of.public_id, grams=1), owner)
    assert book.balances(of.pk) == {("held", "credit:used"): 40}


def test_the_agency_closes_no_account_that_holds_credits(owned: tuple[Principal, Account]) -> None:
    owner, of = owned
    agent = officer()
    with clock.at(DAY):
        do(GiveNotice(account=of.public_id, answer_by=dt.date(2026, 5, 1)), agent)
        do(AnswerNotice(account=of.public_id, answer="We give the credits away."), owner)
    with clock.at("2026-05-02"):
        close = CloseAccount(account=of.public_id, grounds="No vehicle since 2024.")
        with pytest.raises(NotDetermined, match="what becomes of the credits") as caught:
            do(close, agent)
        assert caught.value.details["missing"] == ["credits_of_an_account_closed_by_the_agency"]
        do(SurrenderCredits(account=of.public_id, grams=40), owner)  # while the notice runs, too
        with pytest.raises(Invalid, match="the holder answered the notice on 2026-04-10"):
            do(CloseAccount(account=of.public_id), agent)
        assert do(close, agent)["state"] == "closed"


class _Owe(Action):
    """Only for this test: money stands in a bucket of an account."""

    owner: int
    kind: str

    def run(self, work: Work) -> dict[str, str]:
        work.move("NZD", work.bucket(None, "provider", "NZD"), work.bucket(self.owner, self.kind, "NZD"), 500)
        return {}


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("payable", "pay it"),
        ("unallocated", "the agency's finance gives it back"),
        ("refund_due", "it is on its way back"),
        ("reserved", "end what it is reserved for"),
    ],
)
def test_money_is_dealt_with_first(kind: str, what: str) -> None:
    owner, agent = person(), officer()
    of = account(owner)
    do(_Owe(owner=of.pk, kind=kind), owner)
    with pytest.raises(Conflict, match=f"while it has 500 NZD {kind}: {what}"):
        do(CloseAccount(account=of.public_id), owner)
    with clock.at(DAY):
        do(GiveNotice(account=of.public_id, answer_by=dt.date(2026, 5, 1)), agent)
    with clock.at("2026-05-02"), pytest.raises(Conflict, match="500 NZD"):
        do(CloseAccount(account=of.public_id), agent)


@pytest.mark.parametrize("given_up", [40, 25])
def test_what_was_given_up_is_not_owed_when_its_vehicle_is_withdrawn(
    owned: tuple[Principal, Account], given_up: int
) -> None:
    owner, of = owned
    other = account(owner, "used", of.holder.public_id)
    with clock.at(DAY):
        do(SurrenderCredits(account=of.public_id, grams=given_up), owner)
        if given_up < 40:
            do(TransferOwn(account=of.public_id, to_account=other.number, grams=40 - given_up), owner)
        claim = Claim.objects.get().public_id
        attributes = {"co2_g_per_km": "82"}  # 30 g of credit instead of 40
        changed = do(CorrectVehicle(claim=claim, attributes=attributes, reason="wrong_co2", grounds="x"), officer())
        assert (changed["credit_change_g"], changed["shortfall_g"]) == (-10, 0)
        answer = do(WithdrawVehicle(claim=claim, reason="exported", grounds="x"), officer())
    assert answer["shortfall_g"] == 40 - given_up  # what was passed on is owed, what was given up is not
    cancelled = Movement.objects.filter(source__kind="surrendered").values_list("target__kind", "amount")
    assert sum(amount for kind, amount in cancelled if kind == "cancelled") == given_up
    assert audit.run() == []
