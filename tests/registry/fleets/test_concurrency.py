"""Several at once on one fleet year: it is determined once, and no gram is met or spent twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from cleanfleet.registry import clock
from cleanfleet.registry.fleets.models import Determination, Share
from cleanfleet.registry.fleets.operations import ApplyFleetAverage, DetermineFleetYear, SettleFleetYear
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.refusals import Busy, Conflict, Invalid, Refusal, Short
from registry.people import do

from .scenes import SIGNED, approved, determine, excess, give, importer

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]


def at_once(number: int, work: Callable[[], Any]) -> list[Any]:
    """What so many threads got: an answer, or the refusal."""
    found: list[Any] = []
    ready = threading.Barrier(number)

    def run() -> None:
        try:
            ready.wait()
            for _ in range(50):
                try:
                    found.append(work())
                except Busy:
                    continue
                break
        except Refusal as refusal:
            found.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == number
    return found


def test_a_year_is_determined_once() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        excess(one, one.used, 100)
        excess(one, one.new, 50)
    with clock.at("2027-02-02"):
        asked = DetermineFleetYear(account=one.new.public_id, year=2026)
        found = at_once(8, lambda: do(asked, one.case))
    assert sum(isinstance(answer, dict) for answer in found) == 1
    assert all(isinstance(answer, dict | Conflict) for answer in found)
    assert Determination.objects.count() == 1
    # 150 over in two cars: half each.
    assert one.books() == {
        "new": {("owed", "charge:new:A:2026:fleet"): 75},
        "used": {("owed", "charge:used:A:2026:fleet"): 75},
    }
    assert audit.run() == []


def test_no_gram_is_met_twice() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        excess(one, one.used, 100)
        give(one.used, 45, 2025)
    with clock.at("2027-02-02"):
        determine(one)
        given = {"account": one.used.public_id, "year": 2026, "vehicle_type": "A", "credits_g": 7}
        found = at_once(12, lambda: do(SettleFleetYear(**given), one.owner))
    assert sum(isinstance(answer, dict) for answer in found) == 6
    assert {type(answer) for answer in found} == {dict, Short}
    assert all("7 needed, 3 free" in answer.message for answer in found if isinstance(answer, Short))
    assert one.books()["used"] == {("held", "credit:used"): 3, ("owed", "charge:used:A:2026:fleet"): 58}
    assert Share.objects.get().credits_g == 42
    assert audit.run() == []


def test_no_more_is_met_than_is_owed() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        excess(one, one.used, 45)
        give(one.used, 500, 2025)
    with clock.at("2027-02-02"):
        determine(one)
        given = {"account": one.used.public_id, "year": 2026, "vehicle_type": "A", "credits_g": 7}
        found = at_once(12, lambda: do(SettleFleetYear(**given), one.owner))
    assert {type(answer) for answer in found} == {dict, Invalid}
    assert one.books()["used"] == {("held", "credit:used"): 458, ("owed", "charge:used:A:2026:fleet"): 3}


def test_one_application_at_a_time() -> None:
    one = importer()
    with clock.at("2025-11-03"):
        asked = ApplyFleetAverage(holder=one.holder, first_year=2026, declaration=SIGNED)
        found = at_once(6, lambda: do(asked, one.owner))
    assert sum(isinstance(answer, dict) for answer in found) == 1
    assert all(isinstance(answer, dict | Conflict) for answer in found)
