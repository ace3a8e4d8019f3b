"""The company table: what is lacking, left out or contradictory; published lines; official totals; the command line."""

from __future__ import annotations

import csv
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.cli import main
from cleanfleet.law.errors import InputError
from cleanfleet.tables.assess_file import assess_file

POLICY = policies.load("cn-dual-credit", known="2026-11-22")
ROOT = Path(__file__).resolve().parents[3]
PETROL = {
    "entity": "X", "year": 2021, "powertrain": "petrol", "volume": 100_000, "curb_mass_kg": 1500, "seat_rows": 2,
    "fuel_consumption_l_per_100km": "5.8", "origin": "domestic",
}  # fmt: skip
LINE = {"entity": "X", "year": 2021, "volume": 1000, "cafc_target": "6.00", "cafc_actual": "5.50"}


def put(path: Path, rows: list[dict[str, Any]]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def table(path: Path, rows: list[dict[str, Any]], **how: Any) -> list[dict[str, Any]]:
    policy = policies.load("cn-dual-credit", known="2026-11-22", **how)
    outcome = assess_file(put(path / "in.csv", rows), policy, summarise=True)
    assert outcome.summary is not None
    assert outcome.rows == len(rows)
    return outcome.summary.rows(named=True)


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_sums_over_variants_leave_exports_out(tmp_path: Path) -> None:
    rows = [PETROL, {**PETROL, "volume": 50_000, "fuel_consumption_l_per_100km": "6.2"}, {**PETROL, "exported": "true"}]
    (found,) = table(tmp_path, rows)
    # A = (100,000 x 5.8 + 50,000 x 6.2) / 150,000 = 5.9333; 6.2 is above the bar of 5.85
    assert (found["volume"], found["cafc_actual"], found["fuel_efficient_volume"]) == (150_000, Decimal("5.93"), 100_000)
    assert found["cafc_balance"] == -12_000  # (5.85 - 5.93) x 150,000
    assert found["nev_balance"] == -14_000  # 0.14 x (50,000 + 0.5 x 100,000)


TWO_LINES = "contradiction:two_lines_for_this_company_and_year; missing:conventional_volume; missing:nev_actual"
LACKING: dict[str, tuple[list[dict[str, Any]], str, str | None]] = {
    "volume": ([without(PETROL, "volume"), {**PETROL, "volume": 5}], "not_determined", "missing:volume (1 row)"),
    "powertrain": ([{**PETROL, "powertrain": ""}], "not_determined", "missing:powertrain (1 row)"),
    "a refused cell": (
        [PETROL, {**PETROL, "curb_mass_kg": 5}], "not_determined", "rows_refused (1 row)",
    ),
    "seat rows": ([{**PETROL, "seat_rows": ""}], "not_determined", "missing:seat_rows (1 row)"),
    "seat rows of a car that can't be fuel-efficient for lack of cars": (
        [{**PETROL, "seat_rows": "", "volume": 29_999}], "partly_determined", "missing:seat_rows (1 row)",
    ),
    "entity": ([without(PETROL, "entity")], "not_determined", "missing:entity"),
    "two origins": ([PETROL, {**PETROL, "origin": "import", "importer_authorised": "true"}], "not_determined", "contradiction:origin"),
    "no cars": ([{**PETROL, "volume": 0}], "not_determined", "no_volume"),
    "two lines": ([LINE, LINE], "not_determined", TWO_LINES),
    "independence of a small maker": ([{**PETROL, "volume": 2000}], "partly_determined", "missing:independent_maker"),
    "the year before of a small maker": (
        [{**PETROL, "volume": 2000, "independent_maker": "true"}], "partly_determined", "missing:previous_cafc_actual",
    ),
    "origin of a small company": ([{**PETROL, "volume": 2000, "origin": ""}], "partly_determined", "missing:origin"),
    "authorisation of a small importer": (
        [{**PETROL, "volume": 2000, "origin": "import"}], "not_determined", "missing:importer_authorised",
    ),
    "a parallel importer with more": (
        [{**PETROL, "volume": 2001, "origin": "import", "importer_authorised": "false"}], "determined", None,
    ),
    "the standard of 2026": (
        [{**PETROL, "year": 2026}], "not_determined",
        "missing:economical_limit (1 row); missing:off_cycle_counts (1 row); missing:target_line_low_kg (1 row); missing:year_ratio (1 row)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", LACKING)
def test_what_is_lacking_is_said(why: str, tmp_path: Path) -> None:
    rows, status, reason = LACKING[why]
    found = table(tmp_path, rows)[0]
    assert found["status"] == status
    if why != "the standard of 2026":
        assert found["reason"] == reason
    else:
        assert "missing:target_line_low_kg (1 row)" in found["reason"]
    if status == "not_determined":
        assert found["nev_balance"] is found["cafc_balance"] is None


def test_the_year_before_is_taken_from_the_table(tmp_path: Path) -> None:
    small = {**PETROL, "volume": 1000, "independent_maker": "true"}
    rows = [
        {**small, "year": 2020, "fuel_consumption_l_per_100km": "6.00", "previous_cafc_actual": "6"},
        {**small, "fuel_consumption_l_per_100km": "5.76"},
    ]
    found = table(tmp_path, [without(rows[0], "previous_cafc_actual"), rows[1]])
    assert [row["relief"] for row in found] == [None, Decimal("1.6")]
    published = {"entity": "X", "year": 2020, "volume": 1000, "cafc_target": "5.3", "cafc_actual": "5.88"}
    found = table(tmp_path, [published, rows[1]])
    assert [row["relief"] for row in found] == [None, Decimal("1.3")]  # 5.88 to 5.76 is 2.04 %


def test_the_ratio_of_2026_is_known_for_a_published_line(tmp_path: Path) -> None:
    line = {
        "entity": "X",
        "year": 2027,
        "volume": 100_000,
        "conventional_volume": 40_000,
        "fuel_efficient_volume": 30_000,
        "nev_actual": 9000,
    }
    (found,) = table(tmp_path, [line])
    # 0.58 x (10,000 + 0.1 x 30,000) = 7,540
    assert (found["nev_target"], found["nev_balance"], found["status"]) == (7540, 1460, "partly_determined")


def test_readings_of_the_threshold_and_of_rounding(tmp_path: Path) -> None:
    line = {"entity": "X", "year": 2021, "volume": 100_003, "conventional_volume": 40_000, "fuel_efficient_volume": 30_000,
            "nev_actual": "0.5", "cafc_target": "5.01", "cafc_actual": "5.00"}  # fmt: skip
    (before,) = table(tmp_path, [line])
    # 25,000 count, 40,000 are made; 0.14 x 25,000 = 3,500; 0.01 x 100,003 = 1,000.03
    assert (before["nev_target"], before["nev_balance"], before["cafc_balance"]) == (3500, -3500, 1000)
    assert "doubtful:ratio_volume_counts" in before["flags"]
    (after,) = table(tmp_path, [line], readings={"ratio_volume_counts": "after", "balance_rounding": "truncate"})
    assert (after["nev_target"], after["nev_balance"]) == (0, 0)
    (both,) = table(tmp_path, [line], readings={"ratio_volume_counts": "after"})
    assert both["nev_balance"] == 1  # half away from zero


def test_least_grade_leaves_what_is_recalled_out(tmp_path: Path) -> None:
    bev = {
        **PETROL,
        "powertrain": "bev",
        "electric_range_km": 400,
        "battery_energy_density_wh_per_kg": 140,
        "energy_use_kwh_per_100km": 14,
    }
    found = table(tmp_path, [bev], min_grade="C")[0]
    assert found["nev_actual"] is None
    assert "missing:per_vehicle_rounding (1 row)" in found["reason"]


def test_orientation_values_of_2026_by_overlay() -> None:
    bev = {
        "year": 2026,
        "powertrain": "bev",
        "curb_mass_kg": 1500,
        "battery_energy_density_wh_per_kg": 125,
        "energy_use_kwh_per_100km": "15.5",
    }
    policy = policies.load("cn-dual-credit", known="2026-11-22", values=["orientation-2026-27"])
    # 0.0017 x 400 + 0.15; 0.3 x 0.7; the cap of 1.2
    for reach, earned in ((400, "0.83"), (100, "0.21"), (900, "1.20")):
        assert policy.one({**bev, "electric_range_km": reach})["nev_credit_per_vehicle"] == Decimal(earned)
    assert POLICY.one({**bev, "electric_range_km": 400})["nev_credit_per_vehicle"] is None


def test_chinese_names_and_words(tmp_path: Path) -> None:
    text = "企业名称,年度,动力类型,产量,整备质量,座椅排数,综合燃料消耗量,产地\n甲,2021,汽油,100000,1500,2,5.8,国产\n"
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    outcome = assess_file(tmp_path / "in.csv", POLICY, summarise=True)
    assert outcome.summary is not None
    (found,) = outcome.summary.rows(named=True)
    assert (found["entity"], found["cafc_balance"], found["nev_balance"]) == ("甲", 5000, -7000)
    lines = "企业名称,年度,产量,达标值,实际值,CAFC积分\n乙,2024,491572,5.73,4.84,437499\n"
    (tmp_path / "lines.csv").write_text(lines, encoding="utf-8")
    outcome = assess_file(tmp_path / "lines.csv", POLICY, summarise=True)
    assert outcome.summary is not None
    assert outcome.summary["cafc_difference"].to_list() == [0]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_the_same_company_table_on_another_engine(engine: Any, tmp_path: Path) -> None:
    rows = [PETROL, {**PETROL, "entity": "Y", "powertrain": "bev", "electric_range_km": 400, "battery_energy_density_wh_per_kg": 140,
                     "energy_use_kwh_per_100km": 14}, LINE | {"entity": "Z"}]  # fmt: skip
    path = put(tmp_path / "in.csv", rows)
    ours = assess_file(path, POLICY, summarise=True).summary
    theirs = assess_file(path, POLICY, summarise=True, engine=engine).summary
    assert ours is not None
    assert ours.equals(theirs)  # type: ignore[arg-type]


# -- official totals: they stand in the docs page, which is read here


def _totals() -> list[list[str]]:
    text = (ROOT / "docs" / "cn-dual-credit.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if re.match(r"\| *(20\d\d|domestic|import) *\|", line)
    ]
    return [row for row in rows if len(row) >= 9]


def test_official_totals_add_up() -> None:
    rows = _totals()
    assert [row[0] for row in rows[::3]] == [str(year) for year in range(2016, 2024)]
    for total, domestic, imported in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        assert (domestic[0], imported[0]) == ("domestic", "import")
        for place in (1, 2, 5, 6, 7, 8):  # companies, volume, CAFC + and -, NEV + and -
            if total[place] == "-":
                continue
            cells = [Decimal(row[place].replace(",", "")) for row in (total, domestic, imported)]
            places = max(-int(cell.as_tuple().exponent) for cell in cells)
            step = Decimal(1).scaleb(-min(places, 2)) if total[0] != "2023" else Decimal("0.1")
            assert abs(cells[0] - cells[1] - cells[2]) <= step, (total[0], place)


# -- the command line


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["cleanfleet", *arguments])
    with pytest.raises(SystemExit) as end:
        main.run()
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


OWNERS = [
    {"holder": "X", "relation": "is", "held": "domestic_maker"}, {"holder": "Z", "relation": "is", "held": "domestic_maker"},
    {"holder": "X", "relation": "holds", "held": "Z", "share_percent": "25"},
]  # fmt: skip
DEFICIT = {
    "entity": "Z",
    "year": 2021,
    "volume": 1000,
    "cafc_target": "5.00",
    "cafc_actual": "5.60",
    "nev_actual": "0",
    "conventional_volume": "1000",
}


def test_report_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = put(tmp_path / "in.csv", [{**LINE, "nev_actual": 70, "conventional_volume": 0}, DEFICIT])
    owners = put(tmp_path / "owners.csv", OWNERS)
    events = put(
        tmp_path / "events.csv",
        [{"entity": "X", "year": 2021, "kind": "cafc", "event": "transferred", "amount": 400, "counterparty": "Z"}],
    )
    code, out, err = run(monkeypatch, capsys, "dual-credit", "report", str(path), "--ownership", str(owners), "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert [(c["entity"], c["nev_balance"], c["cafc_balance"]) for c in content["companies"]] == [
        ("X", 70, 500),
        ("Z", 0, -600),
    ]
    assert [(o["way"], o["available"], o["leaves"]) for o in content["ways"]] == [
        ("own_cafc", 0, 600), ("affiliate_cafc", 500, 100), ("own_nev", 0, 600), ("purchased_nev", None, 0),
    ]  # fmt: skip
    code, out, err = run(
        monkeypatch, capsys, "dual-credit", "report", str(path), "--ownership", str(owners), "--events", str(events), "--json",
        "--out", str(tmp_path / "out.xlsx"),
    )  # fmt: skip
    content = json.loads(out)
    assert [(e["entity"], e["amount"], e["deficit_year"]) for e in content["uncovered"]] == [("Z", 200, 2021)]
    sheets = pl.read_excel(tmp_path / "out.xlsx", sheet_id=0)
    assert set(sheets) == {"results", "companies", "ways", "statement", "positions", "uncovered", "law"}
    assert sheets["companies"]["cafc_balance"].to_list() == [500, -600]
    assert {"nev_ratio", "carry_factor"} <= set(sheets["law"]["value"])
    code, out, err = run(monkeypatch, capsys, "dual-credit", "report", str(path), "--out", str(tmp_path / "out.csv"))
    assert code == 0
    assert "ways to meet each deficit" in out
    assert pl.read_csv(tmp_path / "out.csv")["entity"].to_list() == ["X", "Z"]


def test_report_as_pdf(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("typst")
    path = put(tmp_path / "in.csv", [LINE, {**DEFICIT, "entity": '#quote "]" \\ Z'}])
    code, _, err = run(monkeypatch, capsys, "dual-credit", "report", str(path), "--bank", "--out", str(tmp_path / "r.pdf"))
    assert (code, err) == (0, "")
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


def test_plan_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("highspy")
    path = put(tmp_path / "in.csv", [{**LINE, "nev_actual": 70, "conventional_volume": 0}, DEFICIT])
    owners = put(tmp_path / "owners.csv", OWNERS)
    held = put(tmp_path / "held.csv", [{"entity": "Z", "kind": "cafc", "vintage": 2020, "amount": 10}])
    code, out, err = run(
        monkeypatch, capsys, "dual-credit", "plan", str(path), "--price", "2021=2088", "--ownership", str(owners), "--opening",
        str(held), "--json", "--out", str(tmp_path / "plan.csv"),
    )  # fmt: skip
    assert (code, err) == (0, "")
    content = json.loads(out)
    # 600 = 10 held + 500 of the affiliate + 70 NEV credits of X + 20 bought
    assert content["cost_rmb"] == 20 * 2088
    assert sorted((s["way"], s["amount"]) for s in content["steps"]) == [
        ("affiliate_cafc", 500), ("group_nev", 70), ("own_cafc", 10), ("purchased_nev", 20),
    ]  # fmt: skip
    assert pl.read_csv(tmp_path / "plan.csv")["amount"].sum() == 600
    code, out, _ = run(monkeypatch, capsys, "dual-credit", "plan", str(path), "--no-trade-within")
    assert code == 0
    assert "uncovered: Z, cafc deficit of 2021: 600" in out


BAD: dict[str, tuple[list[str], str]] = {
    "a price that is none": (["plan", "IN", "--price", "2021=dear"], "--price: 2021=dear is not a year and a number"),
    "a price below zero": (["plan", "IN", "--price", "2021=-1"], "the number 0 or more"),
    "a year that is none": (["plan", "IN", "--supply", "0=5"], "the year must be from 2001 to 2099"),
    "a way to settle": (["report", "IN", "--settle", "later"], "--settle: 'later' is not own or none"),
    "an event": (["report", "IN", "--events", "BAD"], "row 1: kind: 'co2' is not one of the allowed values"),
    "no such folder": (["report", "IN", "--out", "/nowhere/x.xlsx"], "the folder of /nowhere/x.xlsx does not exist"),
    "its own input": (["report", "IN", "--out", "IN"], "is read too; name another file"),
    "owners without a share": (["report", "IN", "--ownership", "OWN"], "row 1: share_percent is empty"),
}


@pytest.mark.parametrize("why", BAD)
def test_bad_input_is_one_line(
    why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = {
        "IN": put(tmp_path / "in.csv", [LINE]),
        "BAD": put(tmp_path / "bad.csv", [{"entity": "X", "year": 2021, "kind": "co2", "event": "sold", "amount": 1}]),
        "OWN": put(tmp_path / "own.csv", [{"holder": "X", "relation": "holds", "held": "Z"}]),
    }
    arguments, message = BAD[why]
    code, out, err = run(monkeypatch, capsys, "dual-credit", *[str(files.get(a, a)) for a in arguments])
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_ownership_files_are_read_whole(tmp_path: Path) -> None:
    from cleanfleet.policies.cn_dual_credit.inputs import read_ownership

    rows = [
        *OWNERS, {"holder": "F", "relation": "authorises", "held": "I"}, {"holder": "X", "relation": "registered_in", "held": "Hubei"},
        {"holder": "F", "relation": "holds", "held": "X", "share_percent": "33.333333", "from_year": 2020, "to_year": 2022},
    ]  # fmt: skip
    owns = read_ownership(put(tmp_path / "o.csv", rows))
    assert owns.authorised_by == {"I": frozenset({"F"})}
    assert owns.regions == {"X": "Hubei"}
    assert owns.links[1].first == 2020
    with pytest.raises(InputError, match="row 1: held 'shop' is not a role; allowed is domestic_maker"):
        read_ownership(put(tmp_path / "p.csv", [{"holder": "X", "relation": "is", "held": "shop"}]))


BEV_2021 = {
    "year": 2021, "powertrain": "battery_electric", "curb_mass_kg": 1500, "seat_rows": 2, "electric_range_km": 400,
    "battery_energy_density_wh_per_kg": 125, "energy_use_kwh_per_100km": "15.5",
}  # fmt: skip


@pytest.mark.parametrize(
    ("known", "credit", "ratio"),
    # before Order 53 the formula of Order 44 had no end, but no ratio of 2021 was known
    [
        ("2018-06-01", "5.00", None),
        ("2020-06-14", "5.00", None),
        ("2020-06-15", "2.64", "0.14"),
        ("2026-11-22", "2.64", "0.14"),
    ],
)
def test_the_law_as_it_was_known(known: str, credit: str, ratio: str | None) -> None:
    policy = policies.load("cn-dual-credit", known=known)
    assert policy.one(BEV_2021)["nev_credit_per_vehicle"] == Decimal(credit)
    value = policy.value("nev_ratio", period=2021)[0]
    assert value == (None if ratio is None else Decimal(ratio))


@pytest.mark.parametrize("grade", ["A", "B", "C+", "C", "I", "M"])
def test_every_least_grade_loads_and_refuses_rather_than_guesses(grade: str) -> None:
    answer = policies.load("cn-dual-credit", known="2026-11-22", min_grade=grade).one(BEV_2021)
    assert (answer["status"] == "determined") is (grade == "M")
    assert answer["nev_credit_per_vehicle"] in (None, Decimal("2.64"))


def test_every_step_has_its_source() -> None:
    explained = POLICY.explain(BEV_2021)
    assert explained.step("bev_credit").result == "2.64"
    used = {value.name: value for step in explained.steps for value in step.values}
    assert used["bev_base_slope"].references
    assert {value.confidence for value in used.values()} <= {"A", "B", "C+", "C", "I", "M"}
    assert all(step.heading for step in explained.steps)


def test_every_doubtful_value_is_graded_so_and_no_value_lacks_a_source() -> None:
    recalled = {
        value.name for value in POLICY.definition.values.values() for record in value.records
        if any(reference.tag == "RECALL" for reference in record.references) and len(record.references) == 1
    }  # fmt: skip
    assert {"density_factor", "per_vehicle_rounding", "fcv_power_share"} & recalled
    for name in recalled:
        for record in POLICY.definition.values[name].records:
            if [reference.tag for reference in record.references] == ["RECALL"]:
                assert record.confidence in ("M", "I"), name
