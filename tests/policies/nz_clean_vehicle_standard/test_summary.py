"""A fleet's year: figures typed by hand for both readings of the pool, one cut of the grams, what holds for any fleet."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanfleet import policies
from cleanfleet.law.policy import Policy

NZ = "nz-clean-vehicle-standard"


@cache
def law(
    pool: str = "importer", rounding: str = "truncate", overlays: tuple[str, ...] = (), per_vehicle: str = "truncate"
) -> Policy:
    readings = {"fleet_pool": pool, "fleet_rounding": rounding, "per_vehicle_rounding": per_vehicle}
    return policies.load(NZ, known="2026-11-22", values=overlays, readings=readings)


Car = tuple[str, str, int, str | None]  # condition, class, tare, CO2


def cars(*rows: Car, importer: str | None = "X", day: str = "2026-05-01", scheme: str = "fleet") -> pl.DataFrame:
    """Vehicles; at 1482 kg a Type A vehicle's target of 2026 is 108 g."""
    return pl.DataFrame(
        {
            "condition": [row[0] for row in rows],
            "vehicle_class": [row[1] for row in rows],
            "tare_kg": [row[2] for row in rows],
            "co2_g_per_km": pl.Series(
                [None if row[3] is None else Decimal(row[3]) for row in rows], dtype=pl.Decimal(18, 4)
            ),
            "co2_cycle": ["3P-WLTP"] * len(rows),
            "accepted_on": [day] * len(rows),
            "importer": pl.Series([importer] * len(rows), dtype=pl.String),
            "scheme": [scheme] * len(rows),
        }
    )


def fleets(policy: Policy, *frames: pl.DataFrame) -> pl.DataFrame:
    summary = policy.summary()
    for frame in frames:
        summary.add(policy.assess(frame, also=summary.needs).frame)
    found: pl.DataFrame = summary.frame()
    return found


def one(policy: Policy, *frames: pl.DataFrame) -> dict[str, Any]:
    found = fleets(policy, *frames)
    assert found.height == 1, found
    return found.row(0, named=True)


MIXED = [("new", "MA", 1482, "120"), ("new", "MA", 1482, "100"), ("used", "MA", 1482, "128")]


def test_pool_of_the_importer() -> None:
    """Three vehicles, 12 - 8 + 20 = 24 g over in all, 8 g each: 2 x 8 x 15 + 1 x 8 x 7.50 = 300."""
    row = one(law(), cars(*MIXED))
    assert (row["importer"], row["year"], row["vehicle_type"]) == ("X", 2026, "A")
    assert (row["status"], row["reason"]) == ("determined", None)
    assert (row["count_new"], row["count_used"]) == (2, 1)
    assert (row["mean_tare_kg"], row["target_g_per_km"], row["average_g_per_km"]) == (1482, 108, 116)
    assert row["net_g"] == -24
    assert (row["credit_new_g"], row["credit_used_g"], row["charge_new_g"], row["charge_used_g"]) == (0, 0, 16, 8)
    assert row["charge_nzd"] == Decimal("300.00")
    # new alone 4 g over, used alone 20 g over: 4 x 15 + 20 x 7.50
    assert row["charge_other_reading_nzd"] == Decimal("210.00")
    assert row["flags"] == "doubtful:fleet_pool; doubtful:fleet_rounding"


def test_pool_of_the_condition() -> None:
    row = one(law("condition"), cars(*MIXED))
    assert (row["charge_new_g"], row["charge_used_g"]) == (4, 20)
    assert row["charge_nzd"] == Decimal("210.00")
    assert row["charge_other_reading_nzd"] == Decimal("300.00")
    assert row["net_g"] == -24
    assert "reading:fleet_pool=condition" in row["flags"]


def test_credits_and_charges_on_separate_accounts() -> None:
    """New 30 g below, used 12 g over. One pool: 18 g earned, 9 each. Two: 30 g earned on new, 12 x 7.50 owed on used."""
    both = cars(("new", "MA", 1482, "78"), ("used", "MA", 1482, "120"))
    row = one(law(), both)
    assert (row["credit_new_g"], row["credit_used_g"], row["charge_new_g"], row["charge_used_g"]) == (9, 9, 0, 0)
    assert (row["charge_nzd"], row["charge_other_reading_nzd"]) == (Decimal("0.00"), Decimal("90.00"))
    row = one(law("condition"), both)
    assert (row["credit_new_g"], row["credit_used_g"], row["charge_new_g"], row["charge_used_g"]) == (30, 0, 0, 12)
    assert (row["charge_nzd"], row["charge_other_reading_nzd"]) == (Decimal("90.00"), Decimal("0.00"))


def test_grams_are_cut_once() -> None:
    """Ten vehicles 0.9 g over each: none is charged alone, the fleet owes 9 g; a hundred times 0.0101 g is 1 g."""
    row = one(law(), cars(*[("used", "MA", 1482, "108.9")] * 10))
    assert (row["charge_used_g"], row["charge_nzd"]) == (9, Decimal("67.50"))
    row = one(law(), cars(*[("used", "MA", 1482, "108.0101")] * 100))
    assert (row["net_g"], row["charge_used_g"]) == (Decimal("-1.01"), 1)
    # a credit is cut toward nought as well
    row = one(law(), cars(*[("used", "MA", 1482, "107.9")] * 19))
    assert (row["net_g"], row["credit_used_g"]) == (Decimal("1.9"), 1)
    # 5 g over two new and one used: 3.33 and 1.66
    three = cars(("new", "MA", 1482, "113"), ("new", "MA", 1482, "108"), ("used", "MA", 1482, "108"))
    row = one(law(), three)
    assert (row["charge_new_g"], row["charge_used_g"], row["charge_nzd"]) == (3, 1, Decimal("52.50"))
    row = one(law(rounding="half_up"), three)
    assert (row["charge_new_g"], row["charge_used_g"], row["charge_nzd"]) == (3, 2, Decimal("60.00"))
    assert "reading:fleet_rounding=half_up" in row["flags"]
    # a half goes up in size, owed or earned
    for co2, charge, credit in [("108.5", 1, 0), ("107.5", 0, 1), ("108.4999", 0, 0)]:
        row = one(law(rounding="half_up"), cars(("new", "MA", 1482, co2)))
        assert (row["charge_new_g"], row["credit_new_g"]) == (charge, credit)


def test_weight_adjustment_of_a_fleet() -> None:
    """1000 and 2000 kg: targets 91.4674 and 125.7674, mean 108.6174; average CO2 110: 2.7652 g over in all."""
    row = one(law(), cars(("used", "MA", 1000, "100"), ("used", "MC", 2000, "120")))
    assert (row["mean_tare_kg"], row["target_g_per_km"], row["average_g_per_km"]) == (1500, Decimal("108.6174"), 110)
    assert (row["net_g"], row["charge_used_g"], row["charge_nzd"]) == (Decimal("-2.7652"), 2, Decimal("15.00"))


def test_means_are_shown_rounded_but_not_used_rounded() -> None:
    """Three vehicles of 108.0001, 108.0001 and 107.9999: the average is 108.00003..., shown as 108; the sum is exact."""
    row = one(law(), cars(*[("used", "MA", 1482, co2) for co2 in ("108.0001", "108.0001", "107.9999")]))
    assert (row["average_g_per_km"], row["net_g"]) == (Decimal("108.0000"), Decimal("-0.0001"))


def test_types_years_and_importers_are_fleets_of_their_own() -> None:
    found = fleets(
        law(),
        cars(("new", "MA", 1482, "110"), ("new", "NA", 2098, "208")),
        cars(("new", "MA", 1549, "104"), day="2027-05-01"),
        cars(("new", "MA", 1482, "109"), importer="B"),
        cars(("new", "MA", 1482, "500"), scheme="payg"),
        cars(("new", "MA", 1482, "108"), importer=None),
    )
    rows = [tuple(row) for row in found.select("importer", "year", "vehicle_type", "charge_new_g", "charge_nzd").iter_rows()]
    assert rows == [
        ("B", 2026, "A", 1, Decimal("15.00")),
        (None, 2026, "A", 0, Decimal("0.00")),
        ("X", 2026, "A", 2, Decimal("30.00")),
        ("X", 2026, "B", 1, Decimal("15.00")),
        ("X", 2027, "A", 1, Decimal("15.00")),
    ]


@pytest.mark.parametrize(
    ("day", "new", "used", "doubtful"),
    [("2026-12-31", "15.00", "7.50", False), ("2027-01-01", "15.00", "7.50", False), ("2028-06-01", "67.50", "33.75", True)],
)  # fmt: skip
def test_rates_of_the_year(day: str, new: str, used: str, doubtful: bool) -> None:
    tare, target = (1482, 108) if day < "2027" else (1549, 103 if day < "2028" else 76)
    row = one(law("condition"), cars(("new", "MA", tare, str(target + 1)), ("used", "MA", tare, str(target + 1)), day=day))
    assert row["charge_nzd"] == Decimal(new) + Decimal(used)
    assert ("doubtful:charge_rate" in row["flags"]) == doubtful


def test_a_vehicle_without_an_answer_opens_its_fleet_only() -> None:
    found = fleets(
        law(),
        cars(*MIXED, ("new", "MA", 1482, None), ("new", "NA", 2098, "208")),
        cars(*MIXED, importer="Y"),
    )
    rows = {(row["importer"], row["vehicle_type"]): row for row in found.iter_rows(named=True)}
    open_ = rows["X", "A"]
    assert (open_["status"], open_["reason"]) == ("not_determined", "vehicles_not_determined:1")
    assert (open_["count_new"], open_["average_g_per_km"]) == (2, 116)  # of those that have an answer
    assert open_["charge_nzd"] is open_["net_g"] is open_["charge_other_reading_nzd"] is open_["flags"] is None
    assert rows["X", "B"]["status"] == rows["Y", "A"]["status"] == "determined"
    assert rows["Y", "A"]["charge_nzd"] == Decimal("300.00")


def test_a_fleet_of_open_vehicles_only() -> None:
    row = one(law(), cars(("new", "MA", 1482, None), ("used", "MA", 1482, None)))
    assert (row["status"], row["reason"], row["count_new"]) == ("not_determined", "vehicles_not_determined:2", 0)
    assert row["mean_tare_kg"] is None


def test_a_refused_vehicle_opens_every_fleet_that_it_may_belong_to() -> None:
    bad = cars(("new", "ZZ", 1482, "100"))  # its type is not known
    found = fleets(law(), cars(*MIXED, ("new", "NA", 2098, "208")), cars(*MIXED, importer="Y"), bad)
    rows = {(row["importer"], row["vehicle_type"]): (row["status"], row["reason"]) for row in found.iter_rows(named=True)}
    assert rows["X", "A"] == rows["X", "B"] == ("not_determined", "vehicles_refused:1")
    assert rows["Y", "A"] == ("determined", None)
    # one without a date may belong to any year of its importer (nor is its type told without a date)
    undated = cars(("new", "MA", 1482, "100")).with_columns(accepted_on=pl.lit(None, dtype=pl.String))
    later = cars(("new", "MA", 1549, "100"), day="2027-05-01")
    found = fleets(law(), cars(*MIXED, ("new", "NA", 2098, "208")), later, undated)
    assert found.select("year", "vehicle_type", "reason").rows() == [
        (year, type_, "vehicles_not_determined:1") for year, type_ in ((2026, "A"), (2026, "B"), (2027, "A"))
    ]
    # nor is a scheme that can't be read
    found = fleets(law(), cars(*MIXED), cars(("new", "MA", 1482, "100"), scheme="flet"))
    assert found["reason"].to_list() == ["vehicles_refused:1"]


def test_a_record_that_could_not_be_read_opens_every_fleet() -> None:
    policy = law()
    summary = policy.summary()
    whole = cars(*MIXED).with_columns(refusal=pl.lit(None, dtype=pl.String))
    unread = whole.head(1).select(pl.lit(None).cast(dtype).alias(n) for n, dtype in whole.schema.items())
    unread = unread.with_columns(refusal=pl.lit("ragged_row"))
    for frame in (whole, whole.with_columns(importer=pl.lit("Y")), unread):
        summary.add(policy.assess(frame, also=summary.needs, refusal="refusal").frame)
    assert summary.frame().select("importer", "status", "reason").rows() == [
        ("X", "not_determined", "vehicles_refused:1"), ("Y", "not_determined", "vehicles_refused:1"),
    ]  # fmt: skip


def test_excluded_vehicles_do_not_count() -> None:
    row = one(law(), cars(*MIXED, ("used", "LC", 200, "90"), ("used", "NB", 4000, "400")))
    assert (row["count_new"], row["count_used"], row["charge_nzd"]) == (2, 1, Decimal("300.00"))


def test_no_fleet_at_all() -> None:
    assert fleets(law(), cars(("new", "MA", 1482, "200"), scheme="payg")).height == 0
    assert fleets(law()).height == 0
    assert fleets(law(), cars()).height == 0


def test_what_the_vehicles_values_are_marked_with_marks_the_fleet() -> None:
    row = one(law(overlays=("no-weight-adjustment",), per_vehicle="half_up"), cars(("used", "MA", 1000, "118")))
    assert (row["target_g_per_km"], row["charge_nzd"]) == (108, Decimal("75.00"))
    marks = row["flags"].split("; ")
    assert "overlay:no-weight-adjustment" in marks
    assert not any("per_vehicle_rounding" in mark for mark in marks)  # a fleet's grams are rounded by another rule
    assert marks == sorted(set(marks))


def test_a_floor_leaves_the_fleets_tare_alone() -> None:
    """Counted with 1,200 kg alone (target 98.3274), the vehicle stands in its fleet with its real 1000 kg (91.4674)."""
    policy = policies.load(NZ, known="2026-11-22", values=["weight-floor-1200"])
    one_car = cars(("used", "MA", 1000, "100"))
    assert policy.assess(one_car).frame["target_g_per_km"].to_list() == [Decimal("98.3274")]
    row = one(policy, one_car)
    assert (row["mean_tare_kg"], row["target_g_per_km"], row["charge_used_g"]) == (1000, Decimal("91.4674"), 8)
    counted = policy.at(readings={"fleet_tare_reading": "counted"})
    row = one(counted, one_car)
    assert (row["mean_tare_kg"], row["target_g_per_km"], row["charge_used_g"]) == (1200, Decimal("98.3274"), 1)


def test_a_missing_rate_is_named(tmp_path: Path) -> None:
    """The year's rate is that of its last day: not known here, though it was when the vehicle came in."""
    path = tmp_path / "gap.yaml"
    path.write_text(
        "overlay: gap\ntitle: no rate in December\nvalues:\n  charge_rate:\n"
        "    - {scheme: fleet, condition: new, from: '2026-12-01', value: null, reference: {title: out}, confidence: D}\n"
    )
    policy = policies.load(NZ, known="2026-11-22", values=[path])
    row = one(policy, cars(("new", "MA", 1482, "110")))
    assert (row["status"], row["reason"], row["charge_nzd"]) == ("not_determined", "missing:charge_rate", None)
    assert one(policy, cars(("used", "MA", 1482, "110")))["charge_nzd"] == Decimal("15.00")  # no new one, no rate needed


def test_a_missing_reading_is_named() -> None:
    readings = {"per_vehicle_rounding": "half_up"}
    car = cars(("new", "MA", 1482, "110"))
    row = one(policies.load(NZ, known="2026-11-22", min_grade="M", readings=readings), car)
    assert (row["status"], row["charge_nzd"]) == ("not_determined", None)
    assert "fleet_pool" in row["reason"]
    readings |= {"fleet_pool": "condition", "fleet_rounding": "half_up"}
    row = one(policies.load(NZ, known="2026-11-22", min_grade="M", readings=readings), car)
    assert (row["status"], row["charge_nzd"]) == ("determined", Decimal("30.00"))


# -- for any fleet

FLEET = st.lists(
    st.tuples(
        st.sampled_from(["new", "used"]),
        st.sampled_from(["MA", "MC", "NA"]),
        st.integers(650, 3400),
        st.integers(0, 400_0000).map(lambda number: str(Decimal(number).scaleb(-4))),
        st.sampled_from(["X", "Y"]),
        st.sampled_from(["2026-05-01", "2027-05-01"]),
    ),
    min_size=1,
    max_size=25,
)


def frame_of(rows: Sequence[tuple[str, str, int, str, str, str]]) -> pl.DataFrame:
    parts = [cars(row[:4], importer=row[4], day=row[5]) for row in rows]
    return pl.concat(parts)


@settings(max_examples=60, deadline=None)
@given(FLEET, st.data())
def test_any_fleet(rows: list[tuple[str, str, int, str, str, str]], data: st.DataObject) -> None:
    """The net is the vehicles' differences, exactly; and the table is the same however the vehicles come in."""
    policy = law()
    frame = frame_of(rows)
    whole = fleets(policy, frame)
    answers = policy.assess(frame).frame.with_columns(year=pl.col("accepted_on").str.head(4).cast(pl.Int64))
    for row in whole.iter_rows(named=True):
        mine = answers.filter(
            (pl.col("importer") == row["importer"])
            & (pl.col("year") == row["year"])
            & (pl.col("vehicle_type").cast(pl.String) == row["vehicle_type"])
        )
        differences: list[Decimal] = mine["difference_g_per_km"].to_list()
        assert row["net_g"] == sum(differences, Decimal(0))
        assert mine.height == row["count_new"] + row["count_used"]
        grams = row["credit_new_g"] + row["credit_used_g"] - row["charge_new_g"] - row["charge_used_g"]
        assert abs(grams - row["net_g"]) < 2  # at most one gram is cut for each condition
        assert abs(grams) <= abs(row["net_g"])
    assert sum(whole["count_new"].to_list()) + sum(whole["count_used"].to_list()) == len(rows)
    places = data.draw(st.permutations(range(len(rows))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    mixed = frame[list(places)]
    parts = [mixed.slice(a, b - a) for a, b in pairwise([0, *cuts, len(rows)])]
    assert fleets(policy, *parts).equals(whole)
    # the other reading's money is what the other reading says
    other = fleets(law("condition"), frame)
    assert other["charge_nzd"].equals(whole["charge_other_reading_nzd"], check_names=False)
    assert other["charge_other_reading_nzd"].equals(whole["charge_nzd"], check_names=False)
    assert other["net_g"].equals(whole["net_g"])
