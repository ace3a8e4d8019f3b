"""Vehicles that wait: held ones and what is missing, asked about again; disputes; those found excluded."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles, clearance
from cleanfleet.registry.accounts.operations import SuspendAccount
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.refusals import Forbidden
from cleanfleet.registry.rulings.operations import RevokeValue
from cleanfleet.registry.vehicles import queries
from cleanfleet.registry.vehicles.models import Claim, Dispute
from cleanfleet.registry.vehicles.operations import DisputeVehicle
from cleanfleet.registry.vehicles.reassessing import ReassessVehicles, stale
from registry.people import account, car, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-03-31"
BIKE = {"vehicle_class": "LC", "tare_kg": 200}


def test_the_queue_tells_account_since_when_and_what_is_missing() -> None:
    agent = officer()
    one, other = account(person()), account(person("Ben"))
    with clock.at(DAY):
        bare = {"vehicle_class": "MA", "tare_kg": 1600}
        rows = [
            car(one),
            car(one, attributes=bare),
            car(other, attributes={**bare, "co2_g_per_km": "150", "co2_cycle": "JC08"}),
        ]
        feed(rows[0], rows[1])
    with clock.at("2026-04-01"):
        feed(rows[2])
        feed(rows[1])  # told again: it is held since the first day
    found = queries.held_page(agent)
    assert [(row.account, row.vehicle, row.since, row.state) for row in found] == [
        (one.number, rows[0]["vin"], dt.date(2026, 3, 31), "ready"),
        (one.number, rows[1]["vin"], dt.date(2026, 3, 31), "ready"),
        (other.number, rows[2]["vin"], dt.date(2026, 4, 1), "ready"),
    ]
    assert found[0].missing == ("unconfirmed:per_vehicle_rounding",)
    counts = queries.held_counts(agent)
    assert counts["missing:co2_g_per_km"] == counts["unconfirmed:per_vehicle_rounding"] == 1
    assert sum(len(row.missing) for row in found) == sum(counts.values())
    assert [row.vehicle for row in queries.held_page(agent, missing="missing:fuel")] == [rows[2]["vin"]]
    assert queries.held_page(agent, missing="missing:fue") == []
    assert queries.held_page(agent, after=1, size=1) == found[1:2]
    with pytest.raises(Forbidden):
        queries.held_page(person("Cara"))


def test_held_vehicles_are_asked_again_once_the_agency_has_confirmed() -> None:
    to = account(person())
    with clock.at(DAY):
        good, bare = car(to), car(to, attributes={"vehicle_class": "MA", "tare_kg": 1600})
        feed(good, bare)
        before = Operation.objects.count()
        assert daily.reassess() == 0
        assert Operation.objects.count() == before
        ready_law()
        assert daily.reassess() == 2
        assert daily.reassess() == 0
        assert [row.missing for row in queries.held_page(officer())] == [("missing:co2_g_per_km",)]
        claim = Claim.objects.get(missing="")
        assert (claim.held_since, claim.preview_charge_g) == (None, 37)
    with clock.at("2026-04-01"):
        assert daily.reassess() == 0
        do(RevokeValue(value="per_vehicle_rounding"), officer("approver"))
        assert daily.reassess() == 2
        assert queries.held_counts(officer())["unconfirmed:per_vehicle_rounding"] == 1
        assert Claim.objects.get(pk=claim.pk).held_since == dt.date(2026, 4, 1)
    assert audit.run() == []
    assert replay.run() == []


def test_an_overlay_that_brings_what_was_missing_frees_the_vehicle(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    ready_law()
    owner = person()
    to = account(owner)
    with clock.at("2025-05-05"):
        (row,) = feed(car(to, co2=150, ready_on="2025-05-01"))
        assert "missing:slope" in row["missing"]
        monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
        monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))
        assert daily.run()["reassessed"] == 1
        answer = do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]]), owner)
    assert answer["state"] == "waiting"


def test_a_new_year_s_targets_are_asked_for() -> None:
    ready_law()
    to = account(person())
    with clock.at("2026-12-31"):
        feed(car(to))
        assert Claim.objects.get().preview_charge_g == 37
    with clock.at("2027-01-01"):
        assert daily.reassess() == 1
        assert Claim.objects.get().preview_charge_g == 45


def test_only_the_system_asks_again_and_what_is_accepted_or_ended_is_left_alone() -> None:
    ready_law()
    owner = person()
    to = account(owner)
    with clock.at(DAY):
        (row,) = feed(car(to, co2=100))
        do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]]), owner)
        assert not stale("another law").exists()
        with pytest.raises(Forbidden, match="agency role system"):
            do(ReassessVehicles(), officer())
        assert do(ReassessVehicles(), system())["asked"] == 0


def test_many_vehicles_are_asked_about_in_few_statements() -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    to = account(person())
    with clock.at(DAY):
        feed(*(car(to) for _ in range(60)))
        ready_law()
        with CaptureQueriesContext(connection) as few:
            assert daily.reassess() == 60
    assert len(few) < 40


def test_a_vehicle_found_excluded_is_taken_off_its_account() -> None:
    ready_law()
    owner = person()
    to = account(owner)
    with clock.at(DAY):
        row, other = car(to), car(to)
        (entered, disputed) = feed(row, other)
        do(DisputeVehicle(claim=disputed["claim"], reason="wrong_class"), owner)
        assert feed({**row, "attributes": BIKE}, {**other, "account": "", "attributes": BIKE}) == [
            {"outcome": "not_subject", "reason": "motorcycle", "claim": entered["claim"]},
            {"outcome": "not_subject", "reason": "motorcycle", "claim": disputed["claim"]},
        ]
        assert {(c.state, c.ended_on) for c in Claim.objects.all()} == {("not_subject", dt.date(2026, 3, 31))}
        assert Dispute.objects.get().state == "corrected"
        assert clearance("vin", row["vin"]) == {"cleared": True, "for": None, "reason": "not subject: motorcycle"}
        assert feed(row)[0]["outcome"] == "ready"  # and back: it is subject after all, by a claim of its own
        assert clearance("vin", row["vin"])["cleared"] is False
    assert audit.run() == []
    assert replay.run() == []


def test_an_excluded_vehicle_is_not_subject_whatever_is_wrong_with_the_account() -> None:
    to, new = account(person()), account(person("Ben"), "new")
    bike = {"attributes": BIKE}
    with clock.at(DAY):
        do(SuspendAccount(account=to.public_id, until=dt.date(2027, 1, 1), reason="convicted", grounds="x"), officer())
        rows = [car(to, **bike), car(new, entry_channel="used", **bike), car(to, account="CO2-99999999", **bike)]
        assert {row["outcome"] for row in feed(*rows)} == {"not_subject"}
        plain = [car(to), car(new, entry_channel="used"), car(to, account="CO2-99999999"), car(to, account="")]
        codes = [row["code"] for row in feed(*plain)]
    assert codes == ["account_not_open", "wrong_account", "unknown_account", "no_account"]


def test_a_law_that_excludes_a_vehicle_later_ends_its_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))
    ready_law()
    to = account(person())
    disability = {
        "vehicle_class": "MA",
        "tare_kg": 1600,
        "co2_g_per_km": "200",
        "co2_cycle": "3P-WLTP",
        "exclusion": "disability",
    }
    with clock.at("2024-09-04"):
        (row,) = feed(car(to, attributes=disability, ready_on="2024-09-01"))
        assert row["outcome"] == "ready"
    with clock.at("2024-09-05"):
        assert daily.reassess() == 1
    assert Claim.objects.get().state == "not_subject"


def test_open_disputes_tell_who_must_answer_by_when() -> None:
    ready_law()
    agent, owner = officer(), person()
    to = account(owner)
    with clock.at(DAY):
        rows = feed(car(to), car(to))
        do(DisputeVehicle(claim=rows[0]["claim"], reason="wrong_co2", explanation="it is a hybrid"), owner)
        do(DisputeVehicle(claim=rows[1]["claim"], reason="not_mine"), owner)
    found = queries.disputes(agent, dt.date(2026, 4, 10))
    assert [(d.reason, d.with_whom, str(d.answer_by), d.overdue, d.explanation) for d in found] == [
        ("wrong_co2", "certifier", "2026-04-10", False, "it is a hybrid"),
        ("not_mine", "agency", "2026-04-10", False, None),
    ]
    assert [d.overdue for d in queries.disputes(agent, dt.date(2026, 4, 11))] == [True, True]
    assert [d.reason for d in queries.disputes(agent, dt.date(2026, 4, 1), with_whom="agency")] == ["not_mine"]
    assert queries.disputes_of(to, dt.date(2026, 4, 1)) == queries.disputes(system(), dt.date(2026, 4, 1))
    with pytest.raises(Forbidden):
        queries.disputes(owner, dt.date(2026, 4, 1))
