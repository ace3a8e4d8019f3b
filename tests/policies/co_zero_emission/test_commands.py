"""The scheme through the real command line: its commands, the example files, bad input, and nothing lost."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from oracle import co_zero_emission as oracle

from cleanfleet import policies
from cleanfleet.cli import main

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
POLICY = "co-zero-emission"
Run = Callable[..., "Ended"]


class Ended:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> Any:
        return json.loads(self.out, parse_float=Decimal)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``cleanfleet`` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def go(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["cleanfleet", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main.run()
            raise SystemExit(0)
        shown = capsys.readouterr()
        return Ended(int(ended.value.code or 0), shown.out, shown.err)

    return go


# -- zev-report


def test_report_of_the_example_plans(run: Run) -> None:
    ended = run("zev-report", EXAMPLES / "co-purchase-plans.csv", "--known", "2026-11-22", "--json")
    assert ended.code == 0
    found = ended.json()
    rows = {(row["entity"], row["when"], row["duty"]): row for row in found["duties"]}
    assert found["rows"] == 15
    town = rows["Town hall B (made up)", "2025", "public_quota"]
    assert (town["total"], town["achieved"], town["required"], town["shortfall"], town["extra"]) == (13, 2, 4, 2, 3)
    tender = rows["TransMilenio tender", "2025", "bus_schedule"]
    assert (tender["status"], tender["achieved_share"]) == ("met", Decimal("0.527027"))
    city = rows["City A (made up)", "2031", "all_duties"]
    assert (city["status"], city["reason"], city["total"], city["required"]) == ("not_met", "impossible_together", 30, 47)


def test_report_of_one_municipality(run: Run) -> None:
    for word in ("Cali", "santiago de cali"):
        ended = run("zev-report", EXAMPLES / "co-charging-stations.csv", "--municipality", word, "--json")
        stations, buildings = ended.json()["duties"]
        assert (stations["achieved"], stations["required"], stations["status"]) == (5, 5, "met")
        assert stations["reason"] == "not_public:4; not_working:1"
        assert (buildings["duty"], buildings["reason"]) == ("new_building_charging", "missing:new_building_charging_points")


def test_report_for_people_files_and_picture(run: Run, tmp_path: Path) -> None:
    ended = run("zev-report", EXAMPLES / "co-purchase-plans.csv", "--out", "d.csv", "--chart", "p.svg")
    assert ended.code == 0
    for said in (
        "bus schedule",
        "not met",
        "Town hall B (made up)",
        "doubtful:bus_share",
        "written: d.csv",
        "written: p.svg",
    ):
        assert said in ended.out
    with (tmp_path / "d.csv").open(encoding="utf-8") as lines:
        assert {row["duty"] for row in csv.DictReader(lines)} >= {
            "bus_schedule",
            "law1972_fleet",
            "law2128_gas",
            "all_duties",
        }


def test_report_is_strict_where_asked(run: Run, tmp_path: Path) -> None:
    head = "kind,entity,entity_kind,year,vehicles_acquired,zero_emission_acquired\n"
    for zero, code in ((3, 0), (2, 1)):
        (tmp_path / "p.csv").write_text(f"{head}purchase_plan,A,national_government,2026,10,{zero}\n")
        assert run("zev-report", "p.csv", "--strict").code == code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--entity", "Town hall"], "--entity: the file has no duty of 'Town hall'; did you mean Town hall"),
        (["--municipality", "Lima"], "--municipality: municipality: 'Lima' is not one of the allowed values"),
        (["--municipality", "leticia"], "--municipality: the file has no duty of 'leticia'"),
        (["--chart", "p.gif"], "p.gif: a picture ends in .svg or .png"),
        (["--out", "nowhere/d.csv"], "nowhere"),
        (["--known", "soon"], "--known: 'soon' is not a date"),
        (["--reading", "plug_in_hybrids=maybe"], "reading plug_in_hybrids: 'maybe' is not one of law, seed"),
        (["--set", "year"], "--set: 'year' is not NAME=VALUE"),
        (["--min-grade", "Z"], "grade 'Z' is not one of H, D, M, K, L"),
    ],
)
def test_report_says_what_is_wrong(run: Run, tmp_path: Path, words: list[str], message: str) -> None:
    ended = run("zev-report", EXAMPLES / "co-purchase-plans.csv", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []


def test_the_input_is_never_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes((EXAMPLES / "co-purchase-plans.csv").read_bytes())
    for words in (["zev-report", "p.csv", "--out", "p.csv"], ["zev-report", "p.csv", "--out", "x.svg", "--chart", "x.svg"]):
        ended = run(*words)
        assert ended.code == 2
        assert "different files" in ended.err
    assert path.read_bytes() == (EXAMPLES / "co-purchase-plans.csv").read_bytes()


# -- zev-plan


def test_plan_year_by_year(run: Run) -> None:
    found = run("zev-plan", "--acquired", 10, "--zero-emission", 3, "--known", "2026-11-22", "--json").json()
    assert [row["year"] for row in found["years"]] == list(range(2025, 2036))
    shares = ["0.1", "0.1", "0.2", "0.2", "0.4", "0.4", "0.6", "0.6", "0.8", "0.8", "1"]
    assert [row["required_share"] for row in found["years"]] == [Decimal(share) for share in shares]
    assert [row["required"] for row in found["years"]] == [1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 10]
    assert [row["gas"] for row in found["years"]] == [3, 3, 3, 3, 3, 3, 3, None, None, None, None]
    assert [row["shortfall"] for row in found["years"]] == [0, 0, 0, 0, 1, 1, 3, 3, 5, 5, 7]
    # (3 + 2) / 12 is 41.7 %; (3 + 8) / 18 is 61.1 %, (3 + 7) / 17 only 58.8 %; (3 + 25) / 35 is 80 %
    assert [row["extra"] for row in found["years"]] == [0, 0, 0, 0, 2, 2, 8, 8, 25, 25, None]


def test_plan_for_people(run: Run) -> None:
    ended = run("zev-plan", "--acquired", 10, "--entity-kind", "SETP", "--years", "2024-2026")
    assert ended.code == 0
    assert "strategic public-transport system (SETP)" in ended.out
    assert "public_quota" in ended.out
    assert "duty_of_entity" in ended.out


def test_sizes_that_cannot_meet_both_laws(run: Run) -> None:
    """The table of docs/co-zero-emission.md."""
    policy = policies.load(POLICY, known="2026-11-22")
    text = (ROOT / "docs" / "co-zero-emission.md").read_text(encoding="utf-8")
    told = [line.rsplit("|", 2)[1] for line in text.splitlines() if re.match(r"\| 20(25|29|31)", line)]
    sizes = [[int(number) for number in re.findall(r"\d+", cell)] for cell in told]
    for year, impossible in zip((2025, 2029, 2031), sizes, strict=True):
        found = [
            acquired
            for acquired in range(1, 60)
            if policy.one(
                {"kind": "purchase_plan", "entity_kind": "mass_transit", "year": year, "vehicles_acquired": acquired,
                 "zero_emission_acquired": 0}
            )["duties_together"] == "impossible"
        ]  # fmt: skip
        assert found == impossible


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--acquired", "-1"], "--acquired: vehicles_acquired: '-1' is outside the allowed range"),
        (["--acquired", "3", "--zero-emission", "4"], "--zero-emission: 4 is more than the 3 vehicles acquired"),
        (["--acquired", "3", "--years", "soon"], "--years: 'soon' is not a year or FIRST-LAST"),
        (["--acquired", "3", "--years", "2030-2025"], "--years: '2030-2025' ends before it begins"),
        (["--acquired", "3", "--years", "2025-2999"], "--years: year: '2999' is outside the allowed range"),
        (["--acquired", "3", "--entity-kind", "bus"], "--entity-kind: entity_kind: 'bus' is not one of the allowed values"),
        ([], "Missing option"),
    ],
)
def test_plan_says_what_is_wrong(run: Run, words: list[str], message: str) -> None:
    ended = run("zev-plan", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


# -- zev-path


def test_path_with_plans(run: Run, tmp_path: Path) -> None:
    ended = run("zev-path", EXAMPLES / "co-purchase-plans.csv", "--out", "p.svg", "--known", "2026-11-22")
    assert (ended.code, ended.out.strip()) == (0, "written: p.svg")
    text = (tmp_path / "p.svg").read_text(encoding="utf-8")
    described = ElementTree.fromstring(text).find("{http://www.w3.org/2000/svg}desc")
    assert described is not None
    for told in ("from 2025 10 %", "from 2033 80 %", "from 2035 100 %", "City A (made up) 2029: 35.0 %, short of it"):
        assert told in str(described.text)
    for drawn in ("sourced", "recalled, found in no source", "meets the share", "short of it", "TransMilenio tender"):
        assert drawn in text


def test_path_leaves_a_gap_where_the_share_is_not_known(run: Run, tmp_path: Path) -> None:
    run("zev-path", "--out", "p.svg", "--min-grade", "M", "--known", "2026-11-22")
    text = (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert "from 2025 10 %; from 2035 100 %" in text
    assert "20 %" not in re.sub(r"<desc>.*</desc>", "", text)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["purchase_plan,A,national_government,2026,10,3"], "no purchase plan of mass transit"),
        ([f"purchase_plan,City {i},mass_transit,2026,10,3" for i in range(7)], "plans of 7 entities; a picture can tell 6"),
    ],
)
def test_path_refuses_what_it_cannot_draw(run: Run, tmp_path: Path, lines: list[str], message: str) -> None:
    head = "kind,entity,entity_kind,year,vehicles_acquired,zero_emission_acquired"
    (tmp_path / "p.csv").write_text("\n".join([head, *lines]) + "\n")
    ended = run("zev-path", "p.csv", "--out", "p.svg")
    assert ended.code == 2
    assert message in ended.err
    assert not (tmp_path / "p.svg").exists()


def test_path_before_the_law(run: Run, tmp_path: Path) -> None:
    ended = run("zev-path", "--out", "p.svg", "--known", "2018-01-01")
    assert ended.code == 2
    assert "no share of the bus schedule is known on 2018-01-01" in ended.err


# -- assess, explain, values


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_no_row_is_lost(run: Run, tmp_path: Path, engine: str) -> None:
    """A file of random rows, a tenth of them bad in words too: each stands once in the output, with the same answer."""
    rows = oracle.records(1_000, 488)
    names = list(dict.fromkeys(name for row in rows for name in row))
    bad = [{"kind": "vehicle", "on": day} for day in ("2024-02-30", "yesterday")]
    bad += [{"kind": "charging", "fast": "maybe"}, {"kind": "purchase_plan", "vehicles_acquired": "10.5"}]
    bad += [{"kind": "purchase_plan", "zero_emission_acquired": "-2"}, {"kind": "vehicle", "value_cop": "a lot"}]
    reasons = ["not_a_date:on", "not_a_date:on", "not_a_boolean:fast", "not_whole:vehicles_acquired"]
    reasons += ["out_of_range:zero_emission_acquired", "not_a_number:value_cop"]
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.DictWriter(file, names)
        sheet.writeheader()
        sheet.writerows([*rows, *bad])
    ended = run(
        "assess", "in.csv", "-p", POLICY, "--known", "2026-11-22", "--engine", engine, "--out", "out.csv", "--refused", "bad.csv",
        "--fleet-out", "duties.csv", "--json",
    )  # fmt: skip
    assert ended.code == 0
    found = ended.json()
    assert found["rows"] == 1_006 == sum(found["statuses"].values())
    out = pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    assert out["row"].to_list() == [str(number) for number in range(1, 1_007)]
    assert out["reason"].to_list()[-6:] == reasons
    for row, answer in zip(rows, out.iter_rows(named=True), strict=False):
        expected = oracle.answer(row)
        assert answer["status"] == expected["status"]
        assert set((answer["reason"] or "").split("; ")) - {""} == expected["reason"]
    assert pl.read_csv(tmp_path / "bad.csv", infer_schema=False).height == found["statuses"]["refused"]
    assert pl.read_csv(tmp_path / "duties.csv", infer_schema=False).height > 10


def test_spanish_words_and_spellings(run: Run, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(
        "kind;municipality;municipality_category;on;fast;working;publicly_accessible;operator\n"
        "carga;Bogotá D.C.;especial;2026-01-01;sí;si;true;privado\n"
        "estación;San Andrés de Tumaco;primera;2026-01-01;no;no;no;municipio\n"
        "charging;Atlantis;first;2026-01-01;yes;yes;yes;private\n",
        encoding="utf-8",
    )
    found = run("assess", "f.csv", "-p", POLICY, "--known", "2026-11-22", "--json").json()["results"]
    assert [(row["status"], row["reason"], row["required_stations"]) for row in found] == [
        ("counts", None, 20),
        ("not_applicable", "excepted_municipality", None),
        ("refused", "unknown_value:municipality", None),
    ]


def test_explain_shows_the_steps_and_their_sources(run: Run) -> None:
    ended = run(
        "explain", POLICY, "kind=purchase_plan", "entity_kind=mass_transit", "year=2031", "vehicles_acquired=30",
        "zero_emission_acquired=17", "--known", "2026-11-22",
    )  # fmt: skip
    assert ended.code == 0
    for said in ("0.6", "18", "recalled, found in no source", "grade K", "shortfall_vehicles"):
        assert said in ended.out
    assert "tax_bracket_low_cop" not in ended.out


def test_the_example_vehicles(run: Run) -> None:
    words = ["assess", EXAMPLES / "co-electric-vehicles.csv", "-p", POLICY, "--known", "2026-11-22", "--json"]
    found = run(*words, "--values", "bogota-acuerdo-780").json()
    assert found["statuses"] == {"eligible": 5, "not_eligible": 2, "not_determined": 2}
    assert found["results"][6]["tax_after_local_cop"] == 400_000
    assert run(*words).json()["results"][6]["reason"] == "missing:local_tax_discount"


def test_the_example_of_local_incentives(run: Run, tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(
        "kind,powertrain,on,municipality,value_cop,local_incentives\n"
        "vehicle,bev,2026-03-01,cali,100000000,all\nvehicle,bev,2025-12-31,cali,100000000,all\n"
        "vehicle,bev,2026-03-01,medellin,100000000,all\n"
    )
    overlay = EXAMPLES / "co-local-incentives.yaml"
    ended = run("assess", "v.csv", "-p", POLICY, "--known", "2026-11-22", "--values", overlay, "--json")
    first, before, other = ended.json()["results"]
    assert (first["status"], first["tax_after_local_cop"], first["local_registration_discount"]) == (
        "eligible", 500_000, Decimal("0.3"),
    )  # fmt: skip
    assert "overlay:local-incentives-example" in first["flags"].split("; ")
    assert before["status"] == other["status"] == "not_determined"


def test_the_scheme_describes_itself(run: Run) -> None:
    assert POLICY in run("policies").out
    found = run("policies", POLICY, "--json").json()
    assert {output["name"]: output["where"] for output in found["outputs"]}["required_stations"] == "charging_bound"
    shares = run("values", POLICY, "bus_share", "--json", "--known", "2026-11-22")
    assert shares.code == 0
    assert "recalled, found in no source" in shares.out
