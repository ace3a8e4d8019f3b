"""Deferring what a fleet year of 2023-2025 owes to the next year."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.fleets import queries
from cleanfleet.registry.fleets.models import Share
from cleanfleet.registry.fleets.operations import DecideDeferral, RequestDeferral, SettleFleetYear, WithdrawDeferral
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.refusals import Conflict, Forbidden, NotDetermined, NotVisible, Short
from registry.people import car, do, person

from .scenes import Importer, accept, approved, determine, give, play, van, vintages

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]


def owing(year: int, over: int = 100) -> Importer:
    """An importer whose used car of the year lies so far over its target, determined on 2 February of the next one."""
    target = {2023: "145", 2024: "133.9", 2025: "112.6", 2026: "108"}[year]
    one = approved(year)
    with clock.at(f"{year}-06-01"):
        accept(one, one.used, car(one.used, co2=str(over + float(target)), ready_on=f"{year}-05-01"))
    with clock.at(f"{year + 1}-02-02"):
        determine(one, year)
    return one


def request(one: Importer, year: int, vehicle_type: Any = "A") -> str:
    return str(do(RequestDeferral(account=one.used.public_id, year=year, vehicle_type=vehicle_type), one.owner)["deferral"])


def grant(one: Importer, deferral: str, granted: bool = True) -> dict[str, Any]:
    return do(DecideDeferral(deferral=deferral, granted=granted, grounds="x"), one.approver)


def settle(one: Importer, year: int, credits_g: int = 0, money_g: int = 0, **how: Any) -> dict[str, Any]:
    given = {"account": one.used.public_id, "year": year, "vehicle_type": "A", "credits_g": credits_g, "money_g": money_g}
    return do(SettleFleetYear(**given, **how), one.owner)


def test_a_deferred_charge_is_met_with_the_next_year_s_credits() -> None:
    one = owing(2024)
    with clock.at("2025-03-31"):
        made = request(one, 2024)
        with pytest.raises(Forbidden, match="agency:approver"):
            do(DecideDeferral(deferral=made, granted=True, grounds="x"), one.case)
        assert list(queries.deferrals(one.case).values_list("to_year", flat=True)) == [2025]
        answer = grant(one, made)
        assert (answer["due_on"], answer["deferred_g"]) == ("2026-03-31", 100)
        assert Share.objects.get().state == "deferred"
    with clock.at("2025-06-01"):
        assert daily.run()["fleet_years_due"] == 0
        accept(one, one.used, car(one.used, co2=0, ready_on="2025-05-01"))  # 112 under in 2025
    with clock.at("2026-02-02"):
        give(one.used, 50, 2026)
        with pytest.raises(Short):
            settle(one, 2024, 1)
        determine(one, 2025)
        with pytest.raises(Short, match="vintage 2026: 1 needed, 0 free"):
            settle(one, 2024, 1, vintages=[2026])
        assert settle(one, 2024, 100)["state"] == "settled"
    assert vintages(one.used) == {2025: 12, 2026: 50}
    assert audit.run() == []
    assert replay.run() == []


def test_missed_in_the_next_year_it_is_due_at_once_each_year_at_its_own_rate() -> None:
    one = owing(2024)
    with clock.at("2025-02-03"):
        grant(one, request(one, 2024))
    with clock.at("2025-06-01"):
        accept(one, one.used, car(one.used, co2="162.6", ready_on="2025-05-01"))  # 50 over in 2025
    with clock.at("2026-02-02"):
        determine(one, 2025)
    with clock.at("2026-03-31"):
        assert daily.run()["fleet_years_due"] == 0
    with clock.at("2026-04-01"):
        assert daily.run()["fleet_years_due"] == 2
        due = {s.fleet_year.year: s.payable_cents for s in Share.objects.select_related("fleet_year")}
        assert due == {2024: 100 * 2250, 2025: 50 * 3375}
        with pytest.raises(Conflict, match="applied for or granted already"):
            request(one, 2024)


def test_a_deferred_charge_may_be_paid_before() -> None:
    one = owing(2024)
    with clock.at("2025-02-03"):
        grant(one, request(one, 2024))
        payment = settle(one, 2024, 0, 100)["payment"]
        assert play(payment, "succeeded")["state"] == "settled"
    assert one.books()["used"] == {}


@pytest.mark.parametrize("granted", [False, None])
def test_declined_or_withdrawn_it_falls_due_as_before(granted: bool | None) -> None:
    one = owing(2023)
    with clock.at("2024-03-31"):
        made = request(one, 2023)
    with clock.at("2024-04-02"):
        assert daily.run()["fleet_years_due"] == 0  # the decision is waited for
        if granted is None:
            do(WithdrawDeferral(deferral=made), one.owner)
        else:
            grant(one, made, granted)
        assert daily.run()["fleet_years_due"] == 1
    assert one.books()["used"] == {("payable", "NZD"): 100 * 2250}


def test_after_2025_it_is_not_determined_without_an_overlay(overlay: Any) -> None:
    one = owing(2026)
    with clock.at("2027-02-03"):
        with pytest.raises(NotDetermined, match="deferral_years") as refused:
            request(one, 2026)
        assert refused.value.details["missing"] == ["deferral_years"]
        overlay("  deferral_years:\n    - {obligation_year: 2026, value: '1', known_from: '2026-01-01'}\n")
        assert grant(one, request(one, 2026))["due_on"] == "2028-03-31"


def test_a_deferral_is_for_one_type() -> None:
    one = approved(2025)
    with clock.at("2025-06-01"):
        accept(one, one.used, car(one.used, co2="162.6", ready_on="2025-05-01"))
        accept(one, one.used, van(one.used, co2="253", ready_on="2025-05-01"))
    with clock.at("2026-02-02"):
        determine(one, 2025)
        grant(one, request(one, 2025, "B"))
    assert dict(Share.objects.values_list("fleet_year__vehicle_type", "state")) == {"A": "owed", "B": "deferred"}


def test_who_may_and_when() -> None:
    one = owing(2025)
    ben = person("Ben")
    asked = RequestDeferral(account=one.used.public_id, year=2025, vehicle_type="A")
    with clock.at("2026-02-03"):
        with pytest.raises(NotVisible):
            do(asked, ben)
        with pytest.raises(Forbidden, match="only the owner"):
            do(asked, one.case)
        with pytest.raises(Conflict, match="type B isn't determined"):
            request(one, 2025, "B")
        made = request(one, 2025)
        with pytest.raises(Conflict, match="applied for or granted already"):
            request(one, 2025)
        with pytest.raises(NotVisible):
            do(WithdrawDeferral(deferral=made), ben)
        do(WithdrawDeferral(deferral=made), one.owner)
        with pytest.raises(Conflict, match="deferral is withdrawn"):
            grant(one, made)
    with clock.at("2026-04-01"):
        with pytest.raises(Conflict, match="last day to apply was 2026-03-31"):
            request(one, 2025)
        play(_due(), "succeeded")
        with pytest.raises(Conflict, match="nothing is owed"):
            request(one, 2025)


def _due() -> str:
    daily.run()
    payment = Share.objects.get().settlements.get().payment
    assert payment is not None
    return payment.public_id
