"""Exact least squares, and the two fits that rest on it. All expected numbers are worked by hand or by another method."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanfleet import policies, tables
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.policies.nz_clean_vehicle_standard import conversion_fit, fitting, overlay_file, target_line
from cleanfleet.policies.nz_clean_vehicle_standard.conversion_fit import OFFICIAL, Pair, fit_group
from cleanfleet.policies.nz_clean_vehicle_standard.fitting import NoFit, Sums, factor_of, half_up, line_of, root_half_up

POLICY = "nz-clean-vehicle-standard"
KNOWN = "2026-11-22"
Put = Callable[[str, str], Path]
whole = st.integers(-(10**7), 10**7)
pairs_of = st.lists(st.tuples(whole, whole), min_size=3, max_size=12)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policies.load(POLICY, known=KNOWN)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return make


# ------------------------------------------------------------------------------------------------ arithmetic


def test_line_by_hand() -> None:
    # x 1, 2, 3, 6; y 2, 3, 5, 10: n 4, Σx 12, Σy 20, Σx² 50, Σxy 83; slope (332 - 240) / (200 - 144) = 92/56
    sums = Sums.of([(1, 2), (2, 3), (3, 5), (6, 10)])
    assert sums == Sums(4, 12, 20, 50, 83)
    assert line_of(sums) == (Fraction(23, 14), Fraction(20 * 14 - 23 * 12, 56))
    assert factor_of(sums) == Fraction(83, 50)


@given(pairs_of)
def test_line_has_least_squares(pairs: list[tuple[int, int]]) -> None:
    sums = Sums.of(pairs)
    if len({x for x, _ in pairs}) == 1:
        with pytest.raises(NoFit, match="same value"):
            line_of(sums)
        return
    slope, offset = line_of(sums)
    left = [y - slope * x - offset for x, y in pairs]
    assert sum(left) == 0
    assert sum(one * x for one, (x, _) in zip(left, pairs, strict=True)) == 0


@given(pairs_of)
def test_factor_has_least_squares(pairs: list[tuple[int, int]]) -> None:
    if not any(x for x, _ in pairs):
        with pytest.raises(NoFit, match="0"):
            factor_of(Sums.of(pairs))
        return
    factor = factor_of(Sums.of(pairs))
    assert sum((y - factor * x) * x for x, y in pairs) == 0


@given(pairs_of, st.integers(0, 12))
def test_sums_of_parts(pairs: list[tuple[int, int]], cut: int) -> None:
    assert Sums.of(pairs[:cut]) + Sums.of(pairs[cut:]) == Sums.of(pairs)


@pytest.mark.parametrize("pairs", [[], [(1, 1)], [(1, 1), (2, 2)]])
def test_too_few(pairs: list[tuple[int, int]]) -> None:
    for fit in (factor_of, line_of):
        with pytest.raises(NoFit, match="at least 3 are needed") as why:
            fit(Sums.of(pairs))
        assert why.value.code == "too_few_pairs"


@pytest.mark.parametrize(
    ("number", "places", "shown"),
    [("5/2", 0, "3"), ("-5/2", 0, "-3"), ("1/3", 4, "0.3333"), ("1/20000", 4, "0.0001"), ("-1/20001", 4, "0.0000"),
     ("0", 6, "0.000000"), ("1549.5", 0, "1550"), ("123456789012345678901234567890", 1, "123456789012345678901234567890.0")],
)  # fmt: skip
def test_half_up(number: str, places: int, shown: str) -> None:
    assert str(half_up(Fraction(number), places)) == shown


@given(st.fractions(min_value=0, max_value=10**9, max_denominator=10**6))
def test_root(number: Fraction) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = (Decimal(number.numerator) / Decimal(number.denominator)).sqrt()
        assert abs(root_half_up(number, 4) - exact) <= Decimal("0.00005")
    assert root_half_up(number**2, 4) == half_up(number, 4)


# ------------------------------------------------------------------------------------------------ conversion


def test_group_by_hand() -> None:
    pairs = [Pair(2, 1_000_000, 1_142_000), Pair(3, 1_200_000, 1_369_000), Pair(4, 2_000_000, 2_295_000)]
    # 100 x 114.2 + 120 x 136.9 + 200 x 229.5 = 73,748; 100² + 120² + 200² = 64,400; 73,748 / 64,400 = 1.1451552795...
    group = fit_group("JC08", "petrol", pairs)
    assert (group.n, group.factor, group.offset) == (3, Decimal("1.145155"), Decimal("0.0000"))
    assert (group.co2_from, group.co2_to) == (Decimal(100), Decimal(200))
    # residuals -0.3155, -0.5186, 0.4690; their squares' mean 0.196137..., its root 0.4429
    assert (group.rms, group.largest, group.largest_row) == (Decimal("0.4429"), Decimal("0.5186"), 3)


def test_group_with_offset_is_exact() -> None:
    pairs = [Pair(row, co2 * 10_000, co2 * 9_227 + 345_540) for row, co2 in enumerate((80, 110, 150, 190), 1)]
    group = fit_group("NEDC", "petrol", pairs, with_offset=True)
    assert (group.factor, group.offset) == (Decimal("0.922700"), Decimal("34.5540"))
    assert (group.rms, group.largest) == (Decimal(0), Decimal(0))
    assert fit_group("NEDC", "petrol", pairs).rms > 0  # type: ignore[operator]


def test_groups_without_a_fit() -> None:
    same = [Pair(row, 1_000_000, 1_100_000 + row) for row in range(3)]
    assert fit_group("JC08", "petrol", same).factor == Decimal("1.100001")
    assert fit_group("JC08", "petrol", same, with_offset=True).code == "no_spread"
    assert fit_group("JC08", "petrol", same[:2]).code == "too_few_pairs"
    falling = [Pair(row, (row + 1) * 10_000, (9 - row) * 10_000) for row in range(3)]
    group = fit_group("JC08", "petrol", falling, with_offset=True)
    assert (group.code, group.factor) == ("factor_not_positive", None)
    assert "-1.000000" in group.reason


PAIRS = f"""model,co2_g_per_km,co2_cycle,fuel,powertrain,{OFFICIAL}
a,100,JC08,petrol,,114.2
b,120,jc08,,petrol,136.9
c,200,JC08,gasoline,hybrid,229.5
d,90,JC08,diesel,,95
e,130,JP-WLTC,petrol,,130
f,130,3P-WLTP,,,
g,xx,JC08,petrol,,100
h,120,JC08,,hybrid,100
i,0,JC08,petrol,,100
j,100,,petrol,,1200
k,100,Artemis,petrol,,110
l,100,NEDC,petrol,,
m,100,NEDC,,battery_electric,0
n,100,NEDC,hydrogen,,10
o,,,,,
"""


def test_file_of_pairs_loses_nothing(policy: Policy, put: Put) -> None:
    found = conversion_fit.fit_conversion(put("pairs.csv", PAIRS), policy)
    assert (found.rows, found.used, found.three_phase) == (15, 3, 2)
    assert [(row, reason) for row, reason, _ in found.refused] == [
        (4, "too_few_pairs"),
        (7, "not_a_number:co2_g_per_km"),
        (8, "missing:fuel"),
        (9, "not_above_zero:co2_g_per_km"),
        (10, f"out_of_range:{OFFICIAL}"),
        (11, "unknown_value:co2_cycle"),
        (12, f"missing:{OFFICIAL}"),
        (13, "zero_tailpipe:powertrain"),
        (14, "zero_tailpipe:fuel"),
        (15, f"missing:co2_g_per_km; missing:co2_cycle; missing:fuel; missing:{OFFICIAL}"),
    ]
    assert found.rows == found.used + found.three_phase + len(found.refused)
    assert [(g.co2_cycle, g.fuel, g.n, g.factor) for g in found.groups] == [
        ("JC08", "diesel", 1, None),
        ("JC08", "petrol", 3, Decimal("1.145155")),
    ]
    assert all(message for _, _, message in found.refused)
    assert "1200" in found.refused[4][2]
    assert "0 to 1000" in found.refused[4][2]


def test_order_of_rows_and_kind_of_file_do_not_matter(policy: Policy, tmp_path: Path) -> None:
    rng = random.Random(7)
    rows = [(rng.randrange(500_000, 3_000_000), rng.randrange(500_000, 3_000_000)) for _ in range(200)]
    expected = Fraction(sum(x * y for x, y in rows), sum(x * x for x, _ in rows))
    names = {"co2_g_per_km": 0, OFFICIAL: 1}
    for kind in (pl.Decimal(18, 4), pl.Float64):
        rng.shuffle(rows)
        frame = pl.DataFrame({name: [Decimal(row[i]).scaleb(-4) for row in rows] for name, i in names.items()})
        frame = frame.cast(kind).with_columns(co2_cycle=pl.lit("NEDC"), fuel=pl.lit("diesel"))
        frame.write_parquet(tmp_path / "p.parquet")
        found = conversion_fit.fit_conversion(tmp_path / "p.parquet", policy)
        assert [(g.n, g.factor) for g in found.groups] == [(200, half_up(expected, 6))]


def test_file_that_lacks_a_column(policy: Policy, put: Put) -> None:
    with pytest.raises(InputError, match=OFFICIAL):
        conversion_fit.fit_conversion(put("x.csv", "co2_g_per_km,co2_cycle,fuel\n1,NEDC,petrol\n"), policy)
    with pytest.raises(InputError, match="lacks the column fuel, or powertrain"):
        conversion_fit.fit_conversion(put("y.csv", f"co2_g_per_km,co2_cycle,{OFFICIAL}\n1,NEDC,2\n"), policy)


def test_mapping_and_constants(policy: Policy, put: Put) -> None:
    columns = conversion_fit.pair_columns(policy)
    mapping = put("map.yaml", f"columns: {{co2_g_per_km: old, {OFFICIAL}: new}}\n")
    path = put("x.csv", "old,new\n100,110\n200,220\n300,330\n")
    layout = tables.load_layout(None, mapping, columns)
    given = {"co2_cycle": "US-combined", "fuel": "petrol"}
    found = conversion_fit.fit_conversion(path, policy, layout=layout, constants=given)
    assert [(g.co2_cycle, g.fuel, g.factor) for g in found.groups] == [("US-combined", "petrol", Decimal("1.100000"))]


def test_overlay_makes_a_vehicle_determined(policy: Policy, put: Put) -> None:
    found = conversion_fit.fit_conversion(put("my pairs; 1.csv", PAIRS), policy)
    path = put("overlay.yaml", conversion_fit.conversion_overlay(found))
    record = {"vehicle_class": "MA", "condition": "used", "tare_kg": 1500, "accepted_on": "2026-05-01",
              "co2_g_per_km": 150, "co2_cycle": "JC08", "powertrain": "petrol"}  # fmt: skip
    assert policy.one(record)["status"] == "not_determined"
    fitted = policy.at(values=[path])
    answer = fitted.one(record)
    assert (answer["status"], answer["co2_3p_wltp_g_per_km"]) == ("determined", Decimal("171.7733"))  # 150 x 1.145155
    assert {"fitted:my-pairs-1", "doubtful:conversion_factor"} <= set(answer["flags"].split("; "))
    assert fitted.one({**record, "fuel": "diesel"})["status"] == "not_determined"
    assert fitted.one({**record, "accepted_on": "2022-03-31"})["status"] == "excluded"
    overlay = fitted.program.overlays[0]
    assert (overlay.id, overlay.title.startswith("fitted, not law")) == ("fitted-my-pairs-1", True)
    record_ = overlay.records["conversion_factor"][0]
    assert (record_.applies_from, record_.confidence) == (dt.date(2022, 4, 1), "L")
    for said in ("3 pairs", "my pairs; 1.csv", "0.4429", "0.5186"):
        assert said in record_.references[0].title


def test_overlay_name() -> None:
    assert overlay_file.name_of(Path("a/Año 2026 (b).xlsx")) == "Año-2026-b"
    assert overlay_file.name_of(Path(";;.csv")) == "file"


# ------------------------------------------------------------------------------------------------ target line

HEAD = "vin,vehicle_class,condition,tare_kg,co2_g_per_km,co2_cycle,powertrain,exclusion,accepted_on\n"
ENTRIES = HEAD + (
    "a,MA,new,1000,100,3P-WLTP,petrol,,2025-02-01\n"
    "b,MA,used,1200,120,3P-WLTP,petrol,,2025-03-01\n"
    "c,MC,new,1600,150.5,JP-WLTC,petrol,,2025-12-31\n"
    "d,MB,used,2001,0,,battery_electric,,2026-01-01\n"
    "e,NA,new,2000,200,3P-WLTP,diesel,,2025-02-01\n"
    "f,NA,new,2000,210,3P-WLTP,diesel,,2025-02-01\n"
    "g,NA,new,2000,220,3P-WLTP,diesel,,2025-02-01\n"
    "h,MA,new,1300,130,NEDC,petrol,,2025-02-01\n"
    "i,MA,new,1300,130,3P-WLTP,petrol,motorsport,2025-02-01\n"
    "j,MA,new,,130,3P-WLTP,petrol,,2025-02-01\n"
    "k,MA,old,1300,130,3P-WLTP,petrol,,2025-02-01\n"
    "a,MA,new,1300,130,3P-WLTP,petrol,,2025-02-01\n"
    "l,MA,new,1300,,3P-WLTP,petrol,,\n"
    "m,MA,,1300,130,3P-WLTP,petrol,,2025-02-01\n"
    "n,MD2,new,1300,130,3P-WLTP,petrol,,2025-02-01\n"
)


def test_lines_by_hand(policy: Policy, put: Put) -> None:
    found = target_line.fit_target_lines(put("entries.csv", ENTRIES), policy, 2026)
    assert (found.rows, found.used) == (15, 7)
    assert dict(found.left_out) == {"refused": 2, "excluded": 1, "not_determined": 5}
    assert found.used + sum(found.left_out.values()) == found.rows
    assert dict(found.reasons) == {
        "missing:conversion_factor": 1,
        "missing:conversion_offset": 1,
        "motorsport": 1,
        "missing:tare_kg": 1,
        "unknown_value:condition": 1,
        "duplicate:vin": 1,
        "missing:co2_g_per_km": 1,
        "missing:condition": 1,
        "missing:vehicle_type_of_class": 1,
    }
    assert dict(found.entry_years) == {2025: 6, 2026: 1}
    assert dict(found.bases) == {"given_3p_wltp": 5, "given_jp_wltc": 1, "zero_tailpipe": 1}
    # Type A: n 4, Σt 5,801, Σc 370.5, Σt² 9,004,001, Σtc 484,800;
    # slope (1,939,200 - 2,149,270.5) / (36,016,004 - 33,651,601)
    a, b = found.types
    assert (a.n, a.mean_tare, a.mean_co2) == (4, Fraction(5801, 4), Fraction(3705, 40))
    assert a.slope == Fraction(-2100705, 10 * 2364403)
    assert (a.published_slope, a.published_mean) == (Decimal("-0.0888"), Decimal(1450))
    assert (b.n, b.slope, b.code, b.mean_tare) == (3, None, "no_spread", Fraction(2000))
    assert [(line.vehicle_type, line.condition, line.n, line.code) for line in found.conditions] == [
        ("A", "new", 2, "too_few_pairs"),
        ("A", "used", 2, "too_few_pairs"),
        ("B", "new", 3, "no_spread"),
    ]


def test_dates_refuse_no_row(policy: Policy, put: Put) -> None:
    rows = ["1000,100,2021-06-01", "1200,120,", "1600,150,2029-01-01", "1500,140,2022-12-31", "1500,140,soon"]
    text = "vehicle_class,condition,co2_cycle,tare_kg,co2_g_per_km,accepted_on\n" + "".join(
        f"MA,new,3P-WLTP,{row}\n" for row in rows
    )
    found = target_line.fit_target_lines(put("entries.csv", text), policy, 2023)
    assert dict(found.entry_years) == {2021: 1, None: 1, 2029: 1, 2022: 1}
    assert dict(found.reasons) == {"not_a_date:accepted_on": 1}
    assert "1 rows without a date are read as of 2023-01-01" in found.notes
    assert target_line.years_of(found) == "2021 (1), 2022 (1), 2029 (1), no date (1)"
    bare = text.replace(",accepted_on", ",day")
    found = target_line.fit_target_lines(put("bare.csv", bare), policy, 2026, on=dt.date(2025, 6, 30))
    assert (found.used, dict(found.entry_years)) == (5, {None: 5})
    with pytest.raises(InputError, match="accepted_on"):
        target_line.fit_target_lines(put("bare.csv", bare), policy, 2026, on=dt.date(1700, 1, 1))


def test_line_has_mean_residual_zero(policy: Policy, put: Put) -> None:
    """The overlay on its own file, with the mean CO2 as annual target, gives differences that are 0 on average."""
    rng = random.Random(11)
    lines, places = [], []
    for _ in range(300):
        class_, condition = rng.choice(["MA", "MC", "NA"]), rng.choice(["new", "used"])
        tare = rng.randrange(800, 2600)
        co2 = Decimal(rng.randrange(300_000, 3_000_000)).scaleb(-4)
        lines.append(f"{class_},{condition},{tare},{co2},3P-WLTP,2026-05-01\n")
        places.append(("B" if class_ == "NA" else "A", condition))
    path = put("year.csv", "vehicle_class,condition,tare_kg,co2_g_per_km,co2_cycle,accepted_on\n" + "".join(lines))
    found = target_line.fit_target_lines(path, policy, 2026)
    for of, chosen in (("type", found.types), ("condition", found.conditions)):
        overlay = put(f"{of}.yaml", target_line.target_overlay(found, chosen))
        annual = put(f"annual-{of}.yaml", "overlay: annual\nvalues:\n  annual_target:\n" + "".join(
            f"    - {{vehicle_type: {line.vehicle_type}, obligation_year: 2026, value: '{half_up(line.mean_co2, 4)}', "
            f"reference: {{title: test}}, confidence: D{f', condition: {line.condition}' if line.condition else ''}}}\n"
            for line in chosen
        ))  # fmt: skip
        frame = pl.read_csv(path, schema_overrides={"co2_g_per_km": pl.Decimal(10, 4)}, try_parse_dates=True)
        answers = policy.at(values=[overlay, annual]).assess(frame).frame
        assert answers["status"].cast(pl.String).unique().to_list() == ["determined"]
        assert all("fitted:year" in flags for flags in answers["flags"].cast(pl.String))
        for line in chosen:
            here = [
                Fraction(one)
                for one, (type_, condition) in zip(answers["difference_g_per_km"], places, strict=True)
                if type_ == line.vehicle_type and line.condition in ("", condition)
            ]
            assert len(here) == line.n
            # what is left is the rounding of the annual target and of the mean tare weight
            slope, mean = Fraction(line.published_slope or 0), Fraction(line.published_mean)
            left = Fraction(half_up(line.mean_co2, 4)) - line.mean_co2 + slope * (line.mean_tare - mean)
            assert sum(here, Fraction(0)) / len(here) == left
            assert abs(left) <= Fraction(1, 20000) + abs(slope) / 2
            assert line.slope is not None
            cells = frame.select("tare_kg", "co2_g_per_km").rows()
            exact = [
                line.mean_co2 + line.slope * (Fraction(tare) - line.mean_tare) - Fraction(co2)
                for (tare, co2), (type_, condition) in zip(cells, places, strict=True)
                if type_ == line.vehicle_type and line.condition in ("", condition)
            ]
            assert sum(exact, Fraction(0)) == 0


def test_line_of_a_year_that_the_law_has_no_slope_for(policy: Policy, put: Put) -> None:
    """Year 2024: the law's slope is not known to us, and a vehicle is not determined; under the overlay it is."""
    text = HEAD + "".join(f",MA,new,{1000 + 100 * i},{100 + 5 * i},3P-WLTP,petrol,,2024-05-01\n" for i in range(4))
    found = target_line.fit_target_lines(put("e.csv", text), policy, 2024)
    assert found.used == 4
    assert found.types[0].slope == Fraction(5, 100)
    record = {"vehicle_class": "MA", "condition": "used", "tare_kg": 1250, "accepted_on": "2024-05-01",
              "co2_g_per_km": 100, "co2_cycle": "3P-WLTP"}  # fmt: skip
    assert policy.one(record)["status"] == "not_determined"
    fitted = policy.at(values=[put("o.yaml", target_line.target_overlay(found, found.types))])
    # 133.9 + 0.05 x (1,250 - 1,150)
    assert (fitted.one(record)["status"], fitted.one(record)["target_g_per_km"]) == ("determined", Decimal("138.9000"))


def test_conversions_under_an_overlay_count(put: Put) -> None:
    policy = policies.load(POLICY, known=KNOWN, values=["indicative-cycle-averages"])
    text = HEAD + "".join(f",MA,used,{1000 + 100 * i},{100 + i},JC08,petrol,,2025-05-01\n" for i in range(3))
    found = target_line.fit_target_lines(put("e.csv", text), policy, 2026)
    assert dict(found.bases) == {"converted": 3}
    assert "Average ratios" in target_line.target_overlay(found, found.types)


def test_fits_do_not_depend_on_batches(policy: Policy, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put("entries.csv", ENTRIES)
    once = target_line.fit_target_lines(path, policy, 2026)
    monkeypatch.setattr("cleanfleet.tables.table.BATCH_ROWS", 2)
    read = tables.read
    monkeypatch.setattr(tables, "read", lambda *given, **how: read(*given, **how, batch_rows=2))
    again = target_line.fit_target_lines(path, policy, 2026)
    assert (again.types, again.conditions, again.reasons) == (once.types, once.conditions, once.reasons)
    pairs = put("pairs.csv", PAIRS)
    assert conversion_fit.fit_conversion(pairs, policy).groups[1].factor == Decimal("1.145155")


def test_no_float(policy: Policy, put: Put) -> None:
    """Figures are Decimals and fractions."""
    group = conversion_fit.fit_conversion(put("pairs.csv", PAIRS), policy).groups[1]
    assert {type(one) for one in (group.factor, group.offset, group.rms, group.largest)} == {Decimal}
    line = target_line.fit_target_lines(put("entries.csv", ENTRIES), policy, 2026).types[0]
    assert {type(one) for one in (line.slope, line.mean_co2, line.mean_tare)} == {Fraction}
    assert fitting.FEWEST == 3
