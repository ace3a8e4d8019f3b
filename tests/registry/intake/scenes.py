"""A registry with everything that a package can tell, made by the operations themselves."""

from __future__ import annotations

import datetime as dt

from cleanfleet.registry import clock
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import CorrectVehicle, WithdrawVehicle
from cleanfleet.registry.fleets.operations import SettleFleetYear
from cleanfleet.registry.payments.operations import RefundPayment, TakeMessage, TimeOutPayment
from cleanfleet.registry.transfers.operations import AcceptTransfer, OfferTransfer, TransferOwn
from registry.charges.test_correcting import charged
from registry.fleets import scenes as fleets
from registry.people import account, car, credited, do, feed, officer, person, verify

LAST = "2027-03-01"


def everything() -> None:
    """Pay as you go with credits spent, given away, exchanged, taken back and expired; fleet average with a year half settled;
    money that came too late; vehicles that wait; accounts in every state."""
    fleet = fleets.approved(2026)
    agent, owner, friend = officer(), person(), person("Ben")
    one = credited(owner, 100)
    (first,) = one.claims.all()
    new = account(owner, "new", one.holder.public_id)
    other = account(friend)
    verify(one, other)
    with clock.at("2026-04-02"):
        second = charged(owner, one, 150, credits_g=20)
        do(accounts.Permit(account=one.public_id, person=friend.public_id, verb="view"), owner)
        do(accounts.SetAutoAccept(account=one.public_id, at_or_below_target=True), owner)
        feed(car(one, own_reference="stock 7", client="Kiwi"), car(new))
        feed(car(other, ready_on=None, vin=None, chassis="ZVW30-1234567"), source="fuelsaver")
        do(TransferOwn(account=one.public_id, to_account=new.number, grams=30), owner)
        made = do(OfferTransfer(account=one.public_id, to_account=other.number, grams=25), owner)
        do(AcceptTransfer(offer=made["offer"]), friend)
    with clock.at("2026-05-01"):
        do(CorrectVehicle(claim=second, attributes={"co2_g_per_km": "145"}, reason="wrong_co2", grounds="x"), agent)
        do(WithdrawVehicle(claim=first.public_id, reason="exported", grounds="x"), agent)
        _money(friend, other.public_id)
        _states(agent)
    with clock.at("2026-06-01"):
        fleets.give(new, 6, 2023)
        fleets.give(fleet.new, 50, 2025)
        fleets.excess(fleet, fleet.new, 300)
        fleets.excess(fleet, fleet.used, -70)
        fleets.accept(fleet, fleet.used, fleets.van(fleet.used, co2=250))
    with clock.at("2027-02-01"):
        fleets.determine(fleet)
        settle = SettleFleetYear(account=fleet.new.public_id, year=2026, vehicle_type="A", credits_g=40)
        do(settle, fleet.owner)
        paid = do(settle.model_copy(update={"credits_g": 0, "money_g": 30}), fleet.owner)
        fleets.play(paid["payment"], "succeeded")
        fleets.accept(fleet, fleet.new, car(fleet.new, co2=90))


def _money(owner, of: str) -> None:  # type: ignore[no-untyped-def]
    """Two payments that come too late; one of them is on its way back."""
    for number in (1, 2):
        with clock.at(f"2026-05-0{number}"):
            to = accounts.Account.objects.get(public_id=of)
            (row,) = feed(car(to, co2=150 + number))
            answer = do(AcceptVehicles(account=of, vehicles=[row["claim"]]), owner)
        with clock.at(f"2026-05-0{number + 1}"):
            do(TimeOutPayment(payment=answer["payment"]), system())
            late = TakeMessage(
                payment=answer["payment"],
                provider="local",
                event=f"e{number}",
                outcome="succeeded",
                cents=answer["money_cents"],
            )
            do(late, system())
    with clock.at("2026-05-04"):
        do(RefundPayment(payment=answer["payment"]), officer("finance"))


def _states(agent) -> None:  # type: ignore[no-untyped-def]
    suspended, closing, closed, listed = (account(person(name)) for name in ("Cleo", "Dan", "Eve", "Finn"))
    until = dt.date(2027, 5, 1)
    do(accounts.SuspendAccount(account=suspended.public_id, until=until, reason="convicted", grounds="x"), agent)
    do(accounts.NoteAppeal(account=suspended.public_id), agent)
    do(accounts.GiveNotice(account=closing.public_id, answer_by=dt.date(2027, 6, 1)), agent)
    do(accounts.CloseAccount(account=closed.public_id), _owner(closed))
    do(accounts.ListForTrade(account=listed.public_id, listed=True), _owner(listed))


def _owner(of: accounts.Account):  # type: ignore[no-untyped-def]
    return of.grants.get(verb="owner").principal
