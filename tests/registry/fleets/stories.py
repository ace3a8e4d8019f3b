"""Each operation of the fleet average, ready to be performed: for the test that kills it before each of its statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cleanfleet.registry import clock, daily
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.fleets import operations as fleets
from cleanfleet.registry.fleets.models import Settlement
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action
from cleanfleet.registry.vehicles.models import Result
from registry.people import car, do, officer

from .scenes import SIGNED, Importer, accept, apply, approve, approved, determine, fleet_law, give, importer, play

#: The action, by whom, on which day.
Told = tuple[Action, Principal, str]
BEFORE, RUNS, AFTER, LATE = "2025-11-03", "2026-04-02", "2027-02-02", "2027-04-02"


def _applied() -> tuple[Importer, str]:
    one = importer()
    with clock.at(BEFORE):
        return one, apply(one)


def _recommended() -> tuple[Importer, str]:
    one, made = _applied()
    with clock.at(BEFORE):
        do(fleets.RecommendApplication(application=made, approve=True, grounds="x"), one.case)
    return one, made


def _apply() -> Told:
    one = importer()
    return fleets.ApplyFleetAverage(holder=one.holder, first_year=2026, declaration=SIGNED), one.owner, BEFORE


def _recommend() -> Told:
    one, made = _applied()
    return fleets.RecommendApplication(application=made, approve=True, grounds="x"), one.case, BEFORE


def _decide() -> Told:
    one, made = _recommended()
    return fleets.DecideApplication(application=made, approve=True, grounds="x"), one.approver, BEFORE


def _withdraw() -> Told:
    one, made = _recommended()
    return fleets.WithdrawApplication(application=made), one.owner, BEFORE


def _suspend() -> Told:
    one = approved()
    return fleets.SuspendFleetAverage(holder=one.holder, reason="insolvency", grounds="x"), one.case, RUNS


def _reinstate() -> Told:
    one = approved()
    with clock.at(RUNS):
        do(fleets.SuspendFleetAverage(holder=one.holder, reason="insolvency", grounds="x"), one.case)
    return fleets.ReinstateFleetAverage(holder=one.holder, grounds="x"), one.approver, RUNS


def _revoke() -> Told:
    one = approved()
    return fleets.RevokeFleetAverage(holder=one.holder, reason="insolvency", grounds="x"), one.approver, RUNS


def _begin() -> Told:
    fleet_law()
    one = importer()
    with clock.at(BEFORE):
        approve(one)
    return fleets.BringUpToDate(account=one.used.public_id), system(), RUNS


def _fleet(*over: int) -> tuple[Importer, list[str]]:
    """Used cars of 2026 so far over the target of 112.0474, with 30 g of credits of 2025."""
    one = approved()
    with clock.at(RUNS):
        claims = accept(one, one.used, *(car(one.used, co2=112 + grams) for grams in over))
        give(one.used, 30, 2025)
    return one, claims


def _year(one: Importer, **more: Any) -> dict[str, Any]:
    return {"account": one.used.public_id, "year": 2026, "vehicle_type": "A", **more}


def _determine() -> Told:
    one, _ = _fleet(40, 21)
    with clock.at(AFTER):
        do(fleets.SubmitFleetYear(**_year(one, credits_g=30)), one.owner)
    return fleets.DetermineFleetYear(account=one.used.public_id, year=2026), one.case, AFTER


def _determined() -> tuple[Importer, list[str]]:
    one, claims = _fleet(40, 21)
    with clock.at(AFTER):
        determine(one)
    return one, claims


def _redetermine() -> Told:
    one, _ = _determined()
    last = Result.objects.order_by("-pk")[0]  # what another room's correction would leave: a later result
    last.pk = None
    last.save()
    grounds = {"reason": "law_read_anew", "grounds": "x"}
    return fleets.RedetermineFleetYear(account=one.used.public_id, year=2026, **grounds), one.case, AFTER


def _correct() -> Told:
    one, claims = _determined()
    given = {"attributes": {"co2_g_per_km": "20"}, "reason": "wrong_data", "grounds": "x"}
    return fleets.CorrectFleetVehicle(claim=claims[0], **given), one.case, AFTER


def _withdraw_vehicle() -> Told:
    one, claims = _determined()
    return fleets.WithdrawFleetVehicle(claim=claims[0], reason="wrong_data", grounds="x"), one.case, AFTER


def _submit() -> Told:
    one, _ = _fleet(40)
    return fleets.SubmitFleetYear(**_year(one, credits_g=30)), one.owner, AFTER


def _settle() -> Told:
    one, _ = _determined()
    return fleets.SettleFleetYear(**_year(one, credits_g=20, money_g=5)), one.owner, AFTER


def _fall_due() -> Told:
    one, _ = _determined()
    return fleets.FallFleetYearDue(**_year(one)), system(), LATE


def _collect() -> Told:
    one, _ = _determined()
    with clock.at(LATE):
        daily.run()
        settlement = Settlement.objects.get()
        assert settlement.payment is not None
        play(settlement.payment.public_id, "declined")
    return fleets.CollectFleetCharge(**_year(one, settlement=settlement.public_id)), one.owner, LATE


def _refund() -> Told:
    one, claims = _determined()
    with clock.at(AFTER):
        answer = do(fleets.SettleFleetYear(**_year(one, money_g=60)), one.owner)
        play(answer["payment"], "succeeded")
        given = {"attributes": {"co2_g_per_km": "120"}, "reason": "wrong_data", "grounds": "x"}
        do(fleets.CorrectFleetVehicle(claim=claims[0], **given), one.case)
    return fleets.RefundFleetCharge(**_year(one, reference="bank 17")), officer("finance"), AFTER


def _owing_2025() -> Importer:
    """An importer that owes for 2025, under a law without weight adjustment; to be made as a demo."""
    one = approved(2025)
    with clock.at("2025-06-01"):
        accept(one, one.used, car(one.used, co2=150, ready_on="2025-05-01"))
    with clock.at("2026-02-02"):
        determine(one, 2025)
    return one


def _deferral(ends: str) -> Callable[[], Told]:
    def make() -> Told:
        one = _owing_2025()
        asked = fleets.RequestDeferral(account=one.used.public_id, year=2025, vehicle_type="A")
        if ends == "request":
            return asked, one.owner, "2026-02-03"
        with clock.at("2026-02-03"):
            made = do(asked, one.owner)["deferral"]
        if ends == "decide":
            return fleets.DecideDeferral(deferral=made, granted=True, grounds="x"), one.approver, "2026-02-03"
        return fleets.WithdrawDeferral(deferral=made), one.owner, "2026-02-03"

    return make


STORIES: dict[str, Callable[[], Told]] = {
    "apply_fleet_average": _apply,
    "recommend_application": _recommend,
    "decide_application": _decide,
    "withdraw_application": _withdraw,
    "suspend_fleet_average": _suspend,
    "reinstate_fleet_average": _reinstate,
    "revoke_fleet_average": _revoke,
    "bring_up_to_date": _begin,
    "determine_fleet_year": _determine,
    "redetermine_fleet_year": _redetermine,
    "correct_fleet_vehicle": _correct,
    "withdraw_fleet_vehicle": _withdraw_vehicle,
    "submit_fleet_year": _submit,
    "settle_fleet_year": _settle,
    "fall_fleet_year_due": _fall_due,
    "collect_fleet_charge": _collect,
    "refund_fleet_charge": _refund,
    "request_deferral": _deferral("request"),
    "decide_deferral": _deferral("decide"),
    "withdraw_deferral": _deferral("withdraw"),
}
#: Those that need a demo without weight adjustment, because the slopes of their year aren't known.
FLAT = ("request_deferral", "decide_deferral", "withdraw_deferral")
