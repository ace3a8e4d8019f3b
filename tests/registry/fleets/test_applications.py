"""Becoming category 1, and ceasing to be."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.acceptance.models import Acceptance
from cleanfleet.registry.acceptance.operations import AcceptVehicles, AutoAccept
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import AssignRole, Permit, SetAutoAccept
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.fleets import queries
from cleanfleet.registry.fleets.models import Application
from cleanfleet.registry.fleets.operations import (
    ApplyFleetAverage,
    DecideApplication,
    RecommendApplication,
    ReinstateFleetAverage,
    RevokeFleetAverage,
    SuspendFleetAverage,
    WithdrawApplication,
)
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible
from registry.people import account, car, do, feed, officer, person

from .scenes import SIGNED, Importer, accept, apply, approve, approved, determine, fleet_law, importer

pytestmark = pytest.mark.usefixtures("database")


def scheme(of: Account) -> str:
    return Account.objects.get(pk=of.pk).scheme


def test_it_starts_with_the_year_and_changes_nothing_before() -> None:
    fleet_law()
    one = importer()
    with clock.at("2025-11-03"):
        made = apply(one)
        assert scheme(one.used) == "payg"
        do(RecommendApplication(application=made, approve=True, grounds="in order"), one.case)
        answer = do(DecideApplication(application=made, approve=True, grounds="in order"), one.approver)
    assert answer["starts_on"] == "2026-01-01"
    # The last moment of the old year in New Zealand, which is noon in UTC: pay as you go.
    with clock.at("2025-12-31T23:59:59+13:00"):
        rows = feed(car(one.used, co2=100, ready_on="2025-12-01"), car(one.used, co2=100))
        assert rows[0]["outcome"] == "held"  # the slopes of 2025 aren't known
        assert scheme(one.used) == "payg"
    # The first moment of the new one: the acceptance itself takes the account over, before any daily job.
    with clock.at("2026-01-01T00:00:00+13:00"):
        do(AcceptVehicles(account=one.used.public_id, vehicles=[rows[1]["claim"]]), one.owner)
        assert scheme(one.used) == "fleet"
        assert scheme(one.new) == "payg"  # not used yet; the daily job takes it over
        assert daily.run()["schemes"] == 1
        assert daily.run()["schemes"] == 0
        assert scheme(one.new) == "fleet"
    assert Acceptance.objects.get().scheme == "fleet"
    assert one.books() == {"new": {}, "used": {}}
    assert replay.run() == []


def test_vehicles_accepted_before_stay_pay_as_you_go() -> None:
    fleet_law()
    one = importer()
    with clock.at("2026-03-31"):
        accept(one, one.used, car(one.used, co2=100))
    with clock.at("2026-11-03"):
        approve(one, 2027)
    with clock.at("2027-03-31"):
        accept(one, one.used, car(one.used, co2=100))
        assert queries.position(one.used, 2026)["types"] == {}
        assert queries.position(one.used, 2027)["types"]["A"]["vehicles"] == 1
    assert one.books()["used"] == {("held", "credit:used"): 12}


def test_the_declaration_is_kept_with_version_who_and_when() -> None:
    one = importer()
    with clock.at("2025-11-03T10:00+13:00"):
        made = Application.objects.get(public_id=apply(one))
    assert (made.declaration_version, made.declared_by) == ("1", one.owner)
    assert made.declared_at == dt.datetime(2025, 11, 2, 21, 0, tzinfo=dt.UTC)
    unsigned = {**SIGNED.model_dump(), "carries_on_business": False}
    with pytest.raises(Invalid, match=r"declaration\.carries_on_business"):
        ApplyFleetAverage.read({"holder": one.holder, "first_year": 2026, "declaration": unsigned})
    with pytest.raises(Invalid, match=r"declaration\.version"):
        ApplyFleetAverage.read({"holder": one.holder, "first_year": 2026, "declaration": {**unsigned, "version": "0"}})


def test_twice_is_a_conflict() -> None:
    one = importer()
    with clock.at("2025-11-03"):
        made = apply(one)
        with pytest.raises(Conflict, match="being assessed already"):
            apply(one)
        do(WithdrawApplication(application=made), one.owner)
        made = apply(one)
        do(RecommendApplication(application=made, approve=False, grounds="x"), one.case)
        assert do(DecideApplication(application=made, approve=False, grounds="x"), one.approver)["state"] == "declined"
        with pytest.raises(Conflict, match="application is declined"):
            do(DecideApplication(application=made, approve=True, grounds="x"), one.approver)
        approve(one)
        with pytest.raises(Conflict, match="approved for fleet average already"):
            apply(one)


def test_two_persons_decide_and_never_on_their_own_case() -> None:
    one = importer()
    both = officer("case_officer")
    do(AssignRole(person=both.public_id, role="approver"), system())
    with clock.at("2025-11-03"):
        made = apply(one)
        with pytest.raises(Conflict, match="submitted; to approve it must be recommended"):
            do(DecideApplication(application=made, approve=True, grounds="x"), one.approver)
        with pytest.raises(Forbidden, match="agency:case_officer"):
            do(RecommendApplication(application=made, approve=True, grounds="x"), one.approver)
        do(RecommendApplication(application=made, approve=True, grounds="x"), both)
        with pytest.raises(Forbidden, match="that they recommended"):
            do(DecideApplication(application=made, approve=True, grounds="x"), both)
        do(AssignRole(person=one.owner.public_id, role="approver"), system())
        with pytest.raises(Forbidden, match="their own account's holder"):
            do(DecideApplication(application=made, approve=True, grounds="x"), one.owner)
        # Also who may only see one of the holder's accounts stands too near.
        do(Permit(account=one.used.public_id, person=one.approver.public_id, verb="view"), one.owner)
        with pytest.raises(Forbidden, match="their own account's holder"):
            do(DecideApplication(application=made, approve=True, grounds="x"), one.approver)
        with pytest.raises(Forbidden, match="needs the permission agency:approver"):
            do(DecideApplication(application=made, approve=True, grounds="x"), officer("finance"))
        do(DecideApplication(application=made, approve=True, grounds="x"), officer("approver"))


def test_who_may_apply_and_from_when() -> None:
    one = importer()
    stranger, helper = person("Ben"), person("Cara")
    do(Permit(account=one.used.public_id, person=helper.public_id, verb="accept_vehicles"), one.owner)
    with clock.at("2025-11-03"):
        for who in (stranger, helper, one.case):
            with pytest.raises(NotVisible, match="whose accounts you own"):
                do(ApplyFleetAverage(holder=one.holder, first_year=2026, declaration=SIGNED), who)
        for year in (2024, 2025):
            with pytest.raises(Invalid, match=f"first_year is {year}; .* allowed is 2026 or later"):
                apply(one, year)
        made = apply(one)
        for who in (stranger, helper):
            with pytest.raises(NotVisible):
                do(WithdrawApplication(application=made), who)
        assert list(queries.applications(one.case)) == [Application.objects.get()]
        with pytest.raises(Forbidden):
            queries.applications(one.owner)


def test_a_decision_after_the_first_day_starts_with_the_next_year() -> None:
    fleet_law()
    one = importer()
    with clock.at("2025-12-31"):
        made = apply(one)
        do(RecommendApplication(application=made, approve=True, grounds="x"), one.case)
    with clock.at("2026-01-01"):
        answer = do(DecideApplication(application=made, approve=True, grounds="x"), one.approver)
        assert answer["starts_on"] == "2027-01-01"
        daily.run()
        assert scheme(one.used) == "payg"


def test_an_account_opened_later_is_fleet_average_too() -> None:
    one = approved()
    with clock.at("2026-04-01"):
        other = account(one.owner, "used", one.holder)
        accept(one, other, car(other, co2=100))
        assert scheme(other) == "fleet"


@pytest.mark.parametrize("how", ["suspend", "revoke"])
def test_from_suspension_or_revocation_on_pay_as_you_go(how: str) -> None:
    one = approved()
    with clock.at("2026-04-01"):
        accept(one, one.used, car(one.used, co2=100))
        do(SetAutoAccept(account=one.used.public_id, at_or_below_target=True, above_target=True), one.owner)
        if how == "suspend":
            action, by = SuspendFleetAverage(holder=one.holder, reason="obligations_not_met", grounds="x"), one.case
        else:
            action, by = RevokeFleetAverage(holder=one.holder, reason="insolvency", grounds="x"), one.approver
        with pytest.raises(Forbidden):
            do(action, officer("finance"))
        assert do(action, by)["state"] == ("suspended" if how == "suspend" else "revoked")
        assert (scheme(one.used), scheme(one.new)) == ("payg", "payg")
        assert Account.objects.get(pk=one.used.pk).auto_accept_above is False
        (low, high) = feed(car(one.used, co2=100), car(one.used, co2=150))
        assert do(AutoAccept(account=one.used.public_id), system())["accepted"] == 1
        assert one.books()["used"] == {("held", "credit:used"): 12}
        assert do(AcceptVehicles(account=one.used.public_id, vehicles=[high["claim"]]), one.owner)["state"] == "waiting"
        assert low["outcome"] == "ready"
    with clock.at("2027-02-01"):
        answer = determine(one)
    assert answer["types"]["A"]["vehicles"] == 1
    assert replay.run() == []


def test_after_a_suspension_fleet_average_begins_again_with_the_next_year() -> None:
    one = approved()
    with clock.at("2026-04-01"):
        do(SuspendFleetAverage(holder=one.holder, reason="obligations_not_met", grounds="x"), one.case)
        with pytest.raises(Forbidden, match="agency:approver"):
            do(ReinstateFleetAverage(holder=one.holder, grounds="x"), one.case)
        assert do(ReinstateFleetAverage(holder=one.holder, grounds="x"), one.approver)["starts_on"] == "2027-01-01"
        with pytest.raises(Conflict, match="fleet average is approved"):
            do(ReinstateFleetAverage(holder=one.holder, grounds="x"), one.approver)
    with clock.at("2026-12-31"):
        daily.run()
        assert scheme(one.used) == "payg"
    with clock.at("2027-01-01"):
        daily.run()
        assert scheme(one.used) == "fleet"


def test_after_a_revocation_the_holder_may_apply_anew() -> None:
    one = approved()
    with clock.at("2026-04-01"):
        do(RevokeFleetAverage(holder=one.holder, reason="holder_asked", grounds="x"), one.approver)
        with pytest.raises(Conflict, match="fleet average is revoked"):
            do(RevokeFleetAverage(holder=one.holder, reason="holder_asked", grounds="x"), one.approver)
        apply(one, 2027)
    nobody: Importer = importer()
    with pytest.raises(NotVisible, match="isn't approved"):
        do(RevokeFleetAverage(holder=nobody.holder, reason="holder_asked", grounds="x"), one.approver)
