"""Reports in files, through the real command line: what is written, what is refused, how it ends; and ``diesel-sulfur``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.cli import main

FILE = """report,fuel,size_class,gvw_kg,obd,in_circulation,standard,on,cycle,unit,co,hc,thc,nmhc,ch4,nox,pm,pn_per_kwh,nh3_ppm,lab
A,diesel,,12000,true,false,Euro VI,2024-05-01,WHTC,g/kWh,1,,0.1,,,0.46,0.005,6x10^11,<1,north
B,diesel,,12000,,false,Euro IV,2016-05-01,ETC,g/kWh,1,,,0.2,,3.51,0.005,,,
A,,,,,,,,WHSC,g/kWh,1,,0.1,,,0.4,0.005,8×10¹¹,3,north
B,diesel,,12000,,false,Euro IV,2016-05-01,ESC,g/kWh,1,,0.1,,,,0.005,,,
C,gasoline,LHDGE,5000,,false,US 1998,2012-01-01,US HDTC,g/kWh,10,1,,,,4,,,,
D,diesel,,12000,true,false,Euro VI,2024-05-01,WHTC,g/kWh,1,,0.1,,,0.46,0.005,6x1011,1,
D,diesel,,12000,true,false,Euro VI,2024-05-01,WHSC,g/kWh,1,,0.1,,,0.4,0.005,6e11,1,south
,diesel,,4500,true,false,Euro II,2012-12-31,ECE R-49,g/kWh,1,,0.1,,,0.46,0.005,,,
E,diesel,,4500,true,false,Euro II,2012-12-31,ECE R-49,g/kWh,1,,0.1,,,0.46,0.005,,,
E,cng,,4500,true,false,Euro II,2012-12-31,r49,g/kWh,1,,0.1,,,0.46,0.005,,,
F,diesel,,4500,true,false,Euro II,2012-12-31,ECE R-49,g/kWh,5.5,,0.1,,,0.46,0.005,,,"only, one"
"""
STATUSES = {"A": "pass", "B": "incomplete", "C": "refused", "D": "refused", None: "refused", "E": "refused", "F": "fail"}


class Ended:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ended]:
    (tmp_path / "r.csv").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def go(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["cleanfleet", *words])
        with pytest.raises(SystemExit) as ended:
            main.run()
        told = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, told.out, told.err)

    return go


POLICY = ["--policy", "co-heavy-duty-engines", "--known", "2026-11-22"]


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_assessed(run: Callable[..., Ended], engine: str) -> None:
    words = ["assess", "r.csv", *POLICY, "--engine", engine, "--out", "a.parquet", "--refused", "x.csv", "--detail", "d.csv"]
    ended = run(*words)
    assert ended.code == 0, ended.err
    assert "7 reports (11 rows) of r.csv = 1 fail + 1 incomplete + 1 pass + 4 refused" in ended.out
    found = pl.read_parquet("a.parquet")
    assert dict(zip(found["report"], found["status"], strict=True)) == STATUSES
    assert found["row"].to_list() == [1, 2, 5, 6, 8, 9, 11]
    assert found["rows"].sum() == 11
    assert found.filter(pl.col("report") == "F")["reason"].item() == "over:co:ECE R-49"
    refused = pl.read_csv("x.csv", infer_schema=False)
    assert refused["row"].to_list() == ["5", "6", "7", "8", "9", "10"]
    assert refused["pn_per_kwh"].to_list()[1:3] == ["6x1011", "6e11"]
    assert refused["lab"].to_list()[2] == "south"
    reasons = dict(zip(refused["row"], refused["reason"], strict=True))
    assert reasons == {
        "5": "wrong_unit:unit", "6": "lost_exponent:pn_per_kwh", "7": "lost_exponent:pn_per_kwh", "8": "missing:report",
        "9": "contradiction:fuel; duplicate:cycle", "10": "contradiction:fuel; duplicate:cycle",
    }  # fmt: skip
    messages = dict(zip(refused["row"], refused["message"], strict=True))
    assert "'g/kWh' is not the unit of the claimed standard" in messages["5"]
    assert "pn_per_kwh: '6x1011' looks like a power of ten" in messages["6"]
    assert messages["7"].startswith("Another row of report D is refused")
    assert "fuel: 'cng' is not what another row of the same report says" in messages["10"]
    lines = pl.read_csv("d.csv", infer_schema=False)
    assert set(lines["report"]) == {"A", "B", "F"}
    assert lines.columns == ["report", "cycle", "pollutant", "verdict", "result", "limit", "other_limit", "margin"]
    nox = lines.filter((pl.col("report") == "B") & (pl.col("pollutant") == "nox")).row(0, named=True)
    assert (nox["cycle"], nox["verdict"]) == ("ETC", "between")
    assert [Decimal(nox[n]) for n in ("result", "limit", "other_limit", "margin")] == [
        Decimal("3.51"), Decimal("3.5"), Decimal(7), Decimal("-0.01")
    ]  # fmt: skip
    equal = lines.filter((pl.col("report") == "A") & (pl.col("pollutant") == "pn"))
    assert [Decimal(margin) for margin in equal["margin"]] == [0, 0]
    assert lines["other_limit"].null_count() == lines.height - 2  # NOx and NMHC of Euro IV


def test_an_xlsx_has_the_refused_rows_too(run: Callable[..., Ended]) -> None:
    assert run("assess", "r.csv", *POLICY, "--out", "a.xlsx").code == 0
    assert pl.read_excel("a.xlsx")["report"].to_list() == ["A", "B", "C", "D", None, "E", "F"]
    assert pl.read_excel("a.xlsx", sheet_name="refused").height == 6


def test_json_and_strict(run: Callable[..., Ended]) -> None:
    ended = run("assess", "r.csv", *POLICY, "--json", "--strict")
    assert ended.code == 1
    told = json.loads(ended.out)
    assert (told["rows"], told["read_rows"]) == (7, 11)
    assert told["results"][0]["required_standard"] == "Euro VI"


def test_a_date_for_all_rows_and_a_column_that_the_file_lacks(run: Callable[..., Ended]) -> None:
    text = "report,fuel,standard,cycle,co,hc,nox,pm\nA,diesel,Euro II,R49,1,1,1,0.1\nB,diesel,Euro II,R49,1,1,1,0.16\n"
    Path("s.csv").write_text(text)
    words = ["--set", "unit=g/kWh", "--set", "gvw_kg=9000", "--set", "in_circulation=false", "--on", "2012-02-29"]
    told = json.loads(run("assess", "s.csv", *POLICY, *words, "--json").out)
    assert [row["status"] for row in told["results"]] == ["pass", "fail"]


def test_decimal_commas(run: Callable[..., Ended]) -> None:
    head = "report;fuel;gvw_kg;in_circulation;standard;on;cycle;unit;co;hc;nox;pm\n"
    rest = ";diesel;9000;false;Euro II;2012-05-05;R49;g/kWh;"
    Path("c.csv").write_text(head + f"A{rest}1,5;1,1;6,9;0,14\nB{rest}<4,0;1,1;7,1;0,14\nC{rest}1.5;1,1;6,9;0,14\n")
    told = json.loads(run("assess", "c.csv", *POLICY, "--json").out)
    assert [(row["status"], row["reason"]) for row in told["results"]] == [
        ("pass", None), ("fail", "over:nox:ECE R-49"), ("refused", "mixed_decimal_marks:co")
    ]  # fmt: skip


def test_a_reading(run: Callable[..., Ended]) -> None:
    told = json.loads(run("assess", "r.csv", *POLICY, "--reading", "euro4_nox=eu", "--json").out)
    assert (told["results"][1]["status"], told["results"][1]["reason"]) == ("fail", "over:nox:ETC")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reading", "euro4_nox=usa"], "usa"),
        (["--engine", "spark"], "use polars or duckdb"),
        (["--detail", "r.csv"], "--detail: r.csv is the input too"),
        (["--detail", "d.csv", "--out", "d.csv"], "is --out too"),
        (["--fleet-out", "f.csv"], "has no summary"),
        (["--out", "nowhere/a.csv"], "there is no folder"),
    ],
)
def test_what_ends_with_one_line(run: Callable[..., Ended], words: list[str], message: str) -> None:
    ended = run("assess", "r.csv", *POLICY, *words)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["r.csv"]


def test_detail_is_for_groups_of_rows(run: Callable[..., Ended]) -> None:
    Path("v.csv").write_text("vehicle_class,condition,tare_kg,accepted_on\nMA,new,1500,2026-01-01\n")
    ended = run("assess", "v.csv", "--policy", "nz-clean-vehicle-standard", "--detail", "d.csv")
    assert ended.code == 2
    assert "answers each row by itself" in ended.err


def test_groups_of_rows_go_alone(run: Callable[..., Ended]) -> None:
    both = ["--policy", "co-heavy-duty-engines", "--policy", "nz-clean-vehicle-standard"]
    for words, message in (([], "a file goes through it alone"), (["--detail", "d.csv"], "have no detail")):
        ended = run("assess", "r.csv", *both, *words)
        assert ended.code == 2
        assert message in ended.err


def test_in_spanish(run: Callable[..., Ended]) -> None:
    ended = run("assess", "r.csv", *POLICY, "--lang", "es", "--refused", "x.csv")
    assert ended.code == 0, ended.err
    assert "Límites de emisión de motores de vehículos pesados, Colombia" in ended.out
    assert "entre los límites de dos lecturas: nox:ETC:3.5-7" in ended.out
    messages = pl.read_csv("x.csv", infer_schema=False)["message"].to_list()
    assert messages[0].startswith("unit: 'g/kWh' no es la unidad de la norma declarada")
    assert messages[2].startswith("Otra fila de report D se rechaza")
    assert "no es lo que dice otra fila del mismo report" in messages[-1]
    assert policies.load("co-heavy-duty-engines", language="es").texts.reason("over:pm:ESC") == "sobre el límite: pm:ESC"


def test_explained(run: Callable[..., Ended]) -> None:
    said = [
        "fuel=diesel",
        "gvw_kg=12000",
        "obd=true",
        "in_circulation=false",
        "standard=Euro VI",
        "on=2024-05-01",
        "unit=g/kWh",
    ]
    whtc = ["cycle=WHTC", "co=1", "thc=0.1", "nox=0.46", "pm=0.005", "pn_per_kwh=6x10^11", "nh3_ppm=<1"]
    whsc = ["cycle=WHSC", "unit=g/kWh", "co=1", "thc=0.1", "nox=0.41", "pm=0.005", "pn_per_kwh=6e11", "nh3_ppm=1"]
    ended = run("explain", "co-heavy-duty-engines", *said, *whtc, *whsc, "--known", "2026-11-22")
    assert ended.code == 0, ended.err
    assert "row 2 of 2" in ended.out
    assert "nox_limit = 0.4 g/work (from 2013-01-01, limit_row Euro VI diesel, cycle WHSC; grade H)" in ended.out
    assert "status: fail\nreason: over:nox:WHSC" in ended.out
    ended = run("explain", "co-heavy-duty-engines", "r.csv", "--row", "3", "--known", "2026-11-22", "--json")
    told = json.loads(ended.out)
    assert (told["answer"]["status"], len(told["rows"])) == ("pass", 2)
    ended = run("explain", "co-heavy-duty-engines", "r.csv", "--row", "8", "--known", "2026-11-22")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--on", "2012-12-30"], (None, None, None)),
        (["--on", "2012-12-31", "--sulfur", "50"], ("50", "compliant", "0")),
        (["--on", "2022-12-31", "--sulfur", "50.1"], ("50", "non_compliant", "-0.1")),
        (["--on", "2023-01-01", "--sulfur", "15"], ("15", "compliant", "0")),
        (["--on", "2024-12-31", "--sulfur", "14.9"], ("15", "compliant", "0.1")),
        (["--on", "2025-01-01", "--sulfur", "11"], ("10", "non_compliant", "-1")),
        (["--on", "2025-01-01", "--sulfur", "<5"], ("10", "compliant", "5")),
        (["--on", "2025-01-01", "--sulfur", "<20"], ("10", "not_determined", None)),
        (["--on", "2023-01-01", "--known", "2019-07-17"], ("50", None, None)),
    ],
)
def test_diesel_sulfur(run: Callable[..., Ended], words: list[str], expected: Any) -> None:
    ended = run("diesel-sulfur", *words, "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out, parse_float=Decimal)
    limit, status, margin = expected
    assert told["status"] == status
    assert (None if told["limit_mg_per_kg"] is None else str(told["limit_mg_per_kg"])) == limit
    assert told["margin_mg_per_kg"] == (None if margin is None else Decimal(margin))
    assert run("diesel-sulfur", *words).code == 0


def test_diesel_sulfur_refuses(run: Callable[..., Ended]) -> None:
    for words, message in (
        (["--sulfur", "ten"], "'ten' is not a number"),
        (["--sulfur", "-1"], "outside the allowed range"),
        (["--sulfur", " "], "is empty"),
        (["--on", "1 May"], "is not a date"),
    ):
        ended = run("diesel-sulfur", *words)
        assert ended.code == 2
        assert message in ended.err
