"""The running position, and the year's determination."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from cleanfleet.registry import clock, replay
from cleanfleet.registry.accounts.operations import Permit
from cleanfleet.registry.fleets import queries
from cleanfleet.registry.fleets.models import Counted, Determination
from cleanfleet.registry.fleets.operations import DetermineFleetYear, RedetermineFleetYear
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotDetermined, NotVisible
from cleanfleet.registry.rulings.operations import ApproveValue, ProposeValue
from cleanfleet.registry.vehicles.models import Result
from registry.people import account, car, do, feed, officer, person, ready_law

from .scenes import Importer, accept, approve, approved, determine, fleet_law, importer, share, van

pytestmark = pytest.mark.usefixtures("database")

# Typed from the facts, section 2.3: base target, slope, mean tare weight of 2026.
LAW = {"A": (Fraction(108), Fraction("0.0343"), 1482), "B": (Fraction(207), Fraction("0.0526"), 2098)}


def oracle(fleet: Iterable[tuple[str, str, int, Fraction]]) -> dict[str, dict[str, int]]:
    """Grams by type and condition, above zero a credit, from (type, condition, tare, CO2): s 177, averaged over the importer's
    fleet of the type, whole grams cut toward zero once for each type and condition."""
    found: dict[str, dict[str, int]] = {}
    cars = list(fleet)
    for type_ in {one[0] for one in cars}:
        base, slope, mean = LAW[type_]
        mine = [one for one in cars if one[0] == type_]
        tare = Fraction(sum(one[2] for one in mine), len(mine))
        average = sum((one[3] for one in mine), Fraction(0)) / len(mine)
        over = base + slope * (tare - mean) - average
        found[type_] = {c: int(over * sum(1 for one in mine if one[1] == c)) for c in ("new", "used")}
    return found


def test_the_running_position_is_a_quote_by_type_over_both_accounts() -> None:
    one = approved()
    with clock.at("2026-05-05"):
        assert queries.position(one.new, 2026)["types"] == {}
        accept(one, one.new, car(one.new, co2=90, tare=1500), car(one.new, co2=150, tare=1601), van(one.new, co2=250))
        accept(one, one.used, car(one.used, co2="170.5", tare=1700))
        feed(car(one.used, co2=200))  # ready, but not accepted: doesn't count
        found = queries.position(one.used, 2026)
        assert queries.net_position(one.new) == {"year": 2026, "net_g": -97, "open": []}
    assert (found["quote"], found["known"], found["settle_by"]) == (True, "2026-05-05", "2027-03-31")
    a, b = found["types"]["A"], found["types"]["B"]
    assert (a["vehicles"], a["count_new"], a["count_used"], a["tare_sum_kg"]) == (3, 2, 1, 4801)
    # 108 + 0.0343 x (4801 / 3 - 1482) = 112.05883..., 410.5 / 3 = 136.8333...; net 3 x 112.0588... - 410.5
    assert (a["mean_tare_kg"], a["target_g_per_km"], a["average_g_per_km"]) == (
        Decimal("1600.3333"),
        Decimal("112.0588"),
        Decimal("136.8333"),
    )
    assert a["net"] == -743235  # 0.0001 g/km
    assert (a["charge_new_g"], a["charge_used_g"], a["charge_cents"]) == (49, 24, 49 * 1500 + 24 * 750)
    assert (b["vehicles"], b["charge_new_g"], b["charge_cents"]) == (1, 48, 48 * 1500)
    assert one.books() == {"new": {}, "used": {}}


def test_the_new_share_lands_on_the_new_account_and_the_used_on_the_used_one() -> None:
    one = approved()
    with clock.at("2026-12-31T23:59:59+13:00"):
        accept(one, one.new, *(car(one.new, co2=0) for _ in range(3)))
        accept(one, one.used, car(one.used, co2=100), van(one.used, co2=300, tare=2098))
    with clock.at("2027-01-01T00:00:00+13:00"):
        answer = determine(one)
    # Type A: 4 x 112.0474 - 100 = 348.1896; three quarters new. Type B: 207 - 300.
    assert share(answer, "new")["issued_g"] == 261
    assert share(answer, "used")["issued_g"] == 87
    assert share(answer, "used", "B")["charge_g"] == 93
    assert one.books() == {
        "new": {("held", "credit:new"): 261},
        "used": {("held", "credit:used"): 87, ("owed", "charge:used:B:2026:fleet"): 93},
    }
    for of, grams in ((one.new, 261), (one.used, 87)):
        (lot,) = book.lots(of.pk, "held", f"credit:{of.condition}")
        assert (lot.vintage, lot.earned_on, lot.amount) == (2026, dt.date(2026, 12, 31), grams)
    assert share(answer, "new")["state"] == "settled"
    assert share(answer, "used", "B")["state"] == "owed"
    assert audit.run() == []
    assert replay.run() == []


def test_a_determination_is_numbered_and_its_inputs_are_frozen() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        accept(one, one.new, car(one.new, co2=100))
        accept(one, one.used, car(one.used, co2=120))
    with clock.at("2027-02-02"):
        determine(one)
        with pytest.raises(Conflict, match="fleet year is determined"):
            determine(one)
        with pytest.raises(Conflict, match="are those of the last determination"):
            do(
                RedetermineFleetYear(account=one.new.public_id, year=2026, reason="law_read_anew", grounds="x"),
                one.case,
            )
    made = Determination.objects.get()
    assert (made.number, made.on, made.known) == (1, dt.date(2026, 12, 31), dt.date(2026, 12, 31))
    assert set(Counted.objects.values_list("result_id", flat=True)) == set(Result.objects.values_list("pk", flat=True))
    assert (made.count_new, made.count_used, made.tare_kg, made.net) == (1, 1, 3200, 40948)
    (told,) = queries.statement(one.used, 2026)
    assert [version["number"] for version in told["determinations"]] == [1]
    assert told["determinations"][0]["law_id"] == made.law_id


@pytest.mark.parametrize("table", ["fleets_determination", "fleets_counted"])
def test_the_database_itself_keeps_a_determination_as_it_is(table: str) -> None:
    one = approved()
    with clock.at("2026-06-01"):
        accept(one, one.new, car(one.new, co2=100))
    with clock.at("2027-02-02"):
        determine(one)
    statements = [
        f"UPDATE {table} SET id = id",
        f"DELETE FROM {table}",
        f"INSERT INTO {table} SELECT * FROM {table} WHERE TRUE ON CONFLICT (id) DO UPDATE SET id = {table}.id",
        f"TRUNCATE {table} CASCADE" if connection.vendor == "postgresql" else f"REPLACE INTO {table} SELECT * FROM {table}",
    ]
    for sql in statements:
        with (
            pytest.raises(DatabaseError, match=r"only added to|UNIQUE"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
    assert Determination.objects.count() == Counted.objects.count() == 1


def test_a_year_that_runs_or_has_no_fleet_is_not_determined() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        accept(one, one.new, car(one.new, co2=100))
    with clock.at("2026-12-31T23:59:59+13:00"):
        with pytest.raises(Conflict, match="runs until 31 December"):
            determine(one)
        assert queries.to_determine(one.case) == []
    with clock.at("2027-01-01"):
        with pytest.raises(Conflict, match="no vehicle was accepted under fleet average in 2025"):
            determine(one, 2025)
        assert queries.to_determine(one.case) == [(one.holder, 2026)]
        determine(one)
        assert queries.to_determine(one.case) == []


def test_who_may_determine() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        accept(one, one.new, car(one.new, co2=100))
    with clock.at("2027-02-02"):
        asked = DetermineFleetYear(account=one.new.public_id, year=2026)
        for who in (one.owner, one.approver, officer("finance"), officer("support")):
            with pytest.raises(Forbidden, match="needs the permission agency:case_officer"):
                do(asked, who)
        with pytest.raises(NotVisible):
            do(asked, person("Ben"))
        do(Permit(account=one.used.public_id, person=one.case.public_id, verb="view"), one.owner)
        with pytest.raises(Forbidden, match="their own account's holder"):
            do(asked, one.case)


def test_nothing_is_posted_on_doubtful_values_that_nobody_confirmed() -> None:
    ready_law()
    one = importer()
    with clock.at("2025-11-03"):
        approve(one)
    with clock.at("2026-06-01"):
        accept(one, one.new, car(one.new, co2=100))
    with clock.at("2027-02-02"):
        with pytest.raises(NotDetermined, match="fleet_pool, fleet_rounding") as refused:
            determine(one)
        assert refused.value.details["missing"] == ["unconfirmed:fleet_pool", "unconfirmed:fleet_rounding"]
        for name in ("fleet_pool", "fleet_rounding"):
            do(ProposeValue(value=name), one.case)
            do(ApproveValue(value=name), one.approver)
        determine(one)


def test_a_fleet_that_the_law_does_not_determine_is_refused_with_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    fleet_law()
    one = importer()
    with clock.at("2024-11-03"):
        approve(one, 2025)
    with pytest.MonkeyPatch.context() as demo, clock.at("2025-05-05"):
        demo.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
        demo.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))
        accept(one, one.new, car(one.new, co2=100, ready_on="2025-05-01"))
    with clock.at("2026-02-02"), pytest.raises(NotDetermined, match=r"type A isn't determined: vehicles_not_determined:1"):
        determine(one, 2025)  # without the overlay the slope of 2025 isn't known
    assert one.books() == {"new": {}, "used": {}}


def test_readings_that_the_register_can_not_keep_are_refused(overlay: Any) -> None:
    one = approved()
    overlay("  credit_use_by_type:\n    - {value: separate}\n")
    with clock.at("2026-06-01"):
        accept(one, one.new, car(one.new, co2=100))
    with clock.at("2027-02-02"), pytest.raises(NotDetermined, match="credit_use_by_type is 'separate'"):
        determine(one)


def test_a_value_published_after_the_year_s_end_is_read_when_the_agency_says_so(overlay: Any) -> None:
    one = approved()
    overlay("")
    with clock.at("2026-06-01"):
        accept(one, one.new, car(one.new, co2=200))
    with clock.at("2027-02-02"):
        for day in (dt.date(2026, 12, 30), dt.date(2027, 2, 3)):
            with pytest.raises(Invalid, match="allowed is a day from 2026-12-31 to 2027-02-02"):
                determine(one, known=day)
        answer = determine(one, known=dt.date(2027, 1, 20))
    assert answer["known"] == "2027-01-20"
    assert share(answer, "new")["charge_g"] == 92


def test_a_holder_with_two_used_accounts_has_its_share_on_the_older_one() -> None:
    one = approved()
    with clock.at("2026-06-01"):
        other = account(one.owner, "used", one.holder)
        accept(one, other, car(other, co2=100))
        accept(one, one.used, car(one.used, co2=100))
    with clock.at("2027-02-02"):
        determine(one)
    assert book.balances(one.used.pk) == {("held", "credit:used"): 24}
    assert book.balances(other.pk) == {}


def _some(seed: int) -> list[tuple[str, str, int, Fraction]]:
    """A fleet of 1 to 40 vehicles, of all types and conditions."""
    rng = random.Random(seed)
    return [
        (
            rng.choice("AAB"),
            rng.choice(("new", "used")),
            rng.randint(700, 3400),
            Fraction(rng.choice((0, rng.randint(0, 3_500_000))), 10_000),
        )
        for _ in range(rng.randint(1, 40))
    ]


DAYS = ("2026-01-05", "2026-06-01", "2026-12-31")


def _take_in(one: Importer, cars: Iterable[tuple[str, str, int, Fraction]], rng: random.Random) -> None:
    """Accept the cars in their order, on some days of the year, some alone and some together."""
    waiting = list(cars)
    for day in DAYS:
        part = len(waiting) if day == DAYS[-1] else rng.randint(0, len(waiting))
        now, waiting = waiting[:part], waiting[part:]
        with clock.at(day):
            for to in (one.new, one.used):
                rows = [
                    (van if type_ == "B" else car)(to, co2=str(Decimal(int(co2 * 10_000)).scaleb(-4)), tare=tare)
                    for type_, condition, tare, co2 in now
                    if condition == to.condition
                ]
                while rows:
                    size = rng.randint(1, len(rows))
                    accept(one, to, *rows[:size])
                    rows = rows[size:]


@pytest.mark.parametrize("seed", range(5))
def test_the_sum_over_vehicles_is_the_determination_whatever_the_order(seed: int, database: str) -> None:
    """Against an oracle that knows the section and the numbers, not the code; two importers with the same cars in another order."""
    cars = _some(seed)
    rng = random.Random(seed)
    answers = []
    for _ in range(2):
        one = approved()
        rng.shuffle(cars)
        _take_in(one, cars, rng)
        with clock.at("2027-02-02"):
            answer = determine(one)
        answers.append({t: (a["net"], a["credit_g"], a["charge_g"]) for t, a in answer["types"].items()})
        for type_, grams in oracle(cars).items():
            told = answer["types"][type_]
            assert {c: told["credit_g"][c] - told["charge_g"][c] for c in grams} == grams
            # The vehicles' own results, as they were posted, come to the fleet's net.
            results = Result.objects.filter(claim__account__holder=one.new.holder, vehicle_type=type_)
            assert sum(results.values_list("difference", flat=True)) == told["net"]
            made = Determination.objects.get(public_id=told["determination"])
            assert made.counted.count() == results.count() == told["vehicles"]
            assert made.tare_kg == sum(c[2] for c in cars if c[0] == type_)
        # What was posted is what was determined, and nothing else moved.
        moved = Movement.objects.filter(seal_id=made.operation_id).values_list("amount", flat=True)
        assert sum(moved) == sum(abs(g) for grams in oracle(cars).values() for g in grams.values())
    assert answers[0] == answers[1]
    assert audit.run() == []
