"""The command line: each command and option, what is written, and how a user's mistake ends (one line, exit code 2)."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import cleanfleet

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "vehicles.csv"
ADEME = ROOT.parent / "shared" / "data" / "ademe_car_labelling.csv"
NZ = "nz-clean-vehicle-standard"
KNOWN = ["--known", "2026-11-22"]
#: Where the package that is tested stands.
SOURCE = str(Path(cleanfleet.__file__).parents[1])

HEADER = "vin,vehicle_class,condition,tare_kg,co2_g_per_km,co2_cycle,accepted_on,importer,fuel"
ROWS = [
    "VIN1,MA,used,1600,150,3P-WLTP,2026-03-31,X,",  # 112.0474: 37 g, 37 x 6 = 222
    "VIN2,MA,new,1482,100.0,3P-WLTP,2026-03-31,X,",  # 108: 8 g earned
    "VIN3,NA,used,2098,207,JP-WLTC,2026-03-31,Y,",  # 207: nothing
    "VIN4,MA,used,1482,120,NEDC,2026-03-31,Y,petrol",  # not determined
    "VIN5,LC,used,200,90,3P-WLTP,2026-03-31,Y,",  # excluded
    "VIN6,MA,used,heavy,120,3P-WLTP,2026-03-31,Y,",  # refused
]


@dataclass
class Result:
    """What a call left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_float=Decimal, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, from its argument list to its exit code."""
    from cleanfleet.cli.main import run as main

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["cleanfleet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, out, err)

    return call


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    return put(tmp_path, ROWS)


def put(folder: Path, rows: list[str], header: str = HEADER, name: str = "cars.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def spawn(*arguments: object, code: str | None = None) -> Result:
    """The command in a process of its own."""
    start = [sys.executable, "-c", code] if code is not None else [sys.executable, "-m", "cleanfleet"]
    done = subprocess.run(
        [*start, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": SOURCE},
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)


def fails(result: Result, *parts: str, code: int = 2) -> None:
    """One line on standard error that holds ``parts``, nothing on standard output, no traceback."""
    assert result.code == code, result
    assert result.out == ""
    assert len(result.err.splitlines()) == 1, result.err
    assert result.err.startswith("cleanfleet: ")
    for part in parts:
        assert part in result.err


# -- in processes of their own


def test_the_real_command_on_the_example() -> None:
    found = spawn("assess", EXAMPLE, "-p", NZ, *KNOWN)
    assert found.code == 0
    assert found.err == ""
    assert "29 rows of vehicles.csv = 23 determined + 6 not determined" in " ".join(found.out.split())
    assert "doubtful: used though only inferred" in found.out


def test_help_imports_no_table_engine() -> None:
    code = (
        "import sys; sys.argv = ['cleanfleet', '--help']\n"
        "from cleanfleet.cli.main import run\n"
        "try: run()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'polars', 'numpy', 'pyarrow', 'duckdb', 'pandas', 'narwhals', 'yaml', 'vl_convert'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    found = spawn(code=code)
    assert (found.code, found.err) == (0, "")
    assert "Usage:" in found.out
    for command in ("assess", "explain", "policies", "values"):
        assert command in found.out


def test_a_mistake_in_the_real_command() -> None:
    fails(spawn("assess", "nowhere.csv", "-p", NZ), "nowhere.csv", "no such file")


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    start = f"{sys.executable} -m cleanfleet values {NZ} --json | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {start}"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == "[\n"


# -- the frame of it all


def test_version_and_help(run: Run) -> None:
    from cleanfleet import __version__

    assert run("--version") == Result(0, f"cleanfleet {__version__}\n", "")
    for command in ("assess", "explain", "policies", "values"):
        found = run(command, "--help")
        assert (found.code, found.err) == (0, "")
        assert f"cleanfleet {command}" in found.out
    assert "Usage" in run().out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["asses"], ["asses"]),
        (["assess"], ["file"]),
        (["assess", "cars.csv"], ["--policy"]),
        (["assess", "cars.csv", "-p", NZ, "--nothing"], ["--nothing"]),
        (["assess", "cars.csv", "-p", NZ, "--scheme", "lease"], ["--scheme", "lease", "payg", "fleet"]),
        (["assess", "cars.csv", "-p", NZ, "--engine", "abacus"], ["--engine", "abacus", "polars"]),
        (["assess", "cars.csv", "-p", NZ, "--set", "condition"], ["--set", "NAME=VALUE"]),
        (["assess", "cars.csv", "-p", NZ, "--reading", "x"], ["--reading", "NAME=VALUE"]),
        (["explain", NZ, "--row", "two"], ["--row", "two"]),
        (["policies", "--grapf"], ["--grapf"]),
    ],
)  # fmt: skip
def test_misused_options(arguments: list[str], parts: list[str], run: Run, cars: Path) -> None:
    found = run(*[str(cars) if argument == "cars.csv" else argument for argument in arguments])
    fails(found, *[part for part in parts if part != "two"])


# -- assess


def test_assess_says_what_came_of_the_rows(run: Run, cars: Path) -> None:
    found = run("assess", cars, "-p", NZ, *KNOWN)
    assert (found.code, found.err) == (0, "")
    text = " ".join(found.out.split())
    assert "6 rows of cars.csv = 3 determined + 1 excluded + 1 not determined + 1 refused" in text
    assert "not_a_number:tare_kg" in text
    assert "not known to us: conversion_factor, conversion_offset" in text
    assert "222.00" in text


def test_a_narrow_terminal_cuts_no_number(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from cleanfleet.cli.shared import show, table

    headings = [("importer", False), ("year", True), *((f"number {place}", True) for place in range(8))]
    rows = [("a name of some length", 2026, *(Decimal("1234567.25"),) * 8)]
    for width in (20, 60, 80, 200):
        show(Console(width=width, highlight=False), table("", headings, rows))
        out = capsys.readouterr().out
        assert out.count("1234567.25") == 8, width
        assert " 2026 " in out


def test_json_is_exact(run: Run, cars: Path) -> None:
    found = run("assess", cars, "-p", NZ, *KNOWN, "--json").json
    assert found["policy"] == NZ
    assert found["known"] == "2026-11-22"
    assert len(found["values_digest"]) == 16
    assert found["rows"] == 6
    assert found["statuses"] == {"determined": 3, "not_determined": 1, "excluded": 1, "refused": 1}
    assert found["totals"]["charge_nzd"] == 222
    assert [row["row"] for row in found["results"]] == [1, 2, 3, 4, 5, 6]
    first = found["results"][0]
    assert first["target_g_per_km"] == Decimal("112.0474")
    assert str(first["difference_g_per_km"]) == "-37.9526"
    assert str(first["charge_nzd"]) == "222.00"
    assert first["charge_g"] == 37
    assert first["vehicle_type"] == "A"
    assert found["results"][3]["reason"] == "missing:conversion_factor; missing:conversion_offset"
    assert found["results"][4]["status"] == "excluded"
    assert found["results"][5]["charge_nzd"] is None
    assert '"charge_nzd": 222.00' in run("assess", cars, "-p", NZ, *KNOWN, "--json").out


def test_json_of_a_file_with_types_of_its_own(run: Run, tmp_path: Path) -> None:
    """A float that is no number, bytes and times of day are no reason to fail, nor to print what is not JSON."""
    frame = pl.DataFrame(
        {
            "vehicle_class": ["MA", "MA"], "condition": ["new", "new"], "tare_kg": [1482, 1482],
            "co2_g_per_km": [100.5, 100.0],
            "co2_cycle": ["3P-WLTP", "3P-WLTP"], "accepted_on": [dt.date(2026, 3, 1)] * 2,
            "price": [float("nan"), float("inf")], "picture": [b"\x00\xff", None], "at": [dt.time(12, 30), None],
            "took": [dt.timedelta(hours=1), None], "seen": [dt.datetime(2026, 3, 1, 12), None],
        }
    )  # fmt: skip
    path = tmp_path / "cars.parquet"
    frame.write_parquet(path)
    rows = run("assess", path, "-p", NZ, *KNOWN, "--json").json["results"]
    assert [row["credit_g"] for row in rows] == [7, 8]
    assert [row["price"] for row in rows] == [None, None]
    assert (rows[0]["picture"], rows[0]["at"], rows[0]["took"]) == ("00ff", "12:30:00", "1:00:00")


def test_exit_codes(run: Run, cars: Path, tmp_path: Path) -> None:
    assert run("assess", cars, "-p", NZ, *KNOWN).code == 0
    assert run("assess", cars, "-p", NZ, *KNOWN, "--strict").code == 1
    good = put(tmp_path, ROWS[:5], name="good.csv")
    assert run("assess", good, "-p", NZ, *KNOWN, "--strict").code == 0
    assert run("assess", good, "-p", "nz", "--strict").code == 2


def read(path: Path) -> pl.DataFrame:
    if path.suffix == ".csv":
        return pl.read_csv(path, infer_schema=False)
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    if path.suffix == ".xlsx":
        return pl.read_excel(path, sheet_id=1)
    lines = [json.loads(line, parse_float=Decimal) for line in path.read_text(encoding="utf-8").splitlines()]
    return pl.DataFrame(lines, infer_schema_length=None)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet", "jsonl"])
def test_every_row_is_written_once(suffix: str, run: Run, cars: Path, tmp_path: Path) -> None:
    out = tmp_path / f"answers.{suffix}"
    found = run("assess", cars, "-p", NZ, *KNOWN, "--out", out)
    assert found.code == 0
    assert f"written: {out}" in found.out
    frame = read(out)
    assert [int(row) for row in frame["row"]] == [1, 2, 3, 4, 5, 6]
    assert frame["vin"].to_list() == [f"VIN{number}" for number in range(1, 7)]
    assert frame["status"].cast(pl.String).to_list() == [
        "determined", "determined", "determined", "not_determined", "excluded", "refused",
    ]  # fmt: skip
    charges = [None if value in (None, "") else Decimal(str(value)) for value in frame["charge_nzd"]]
    assert charges == [222, 0, 0, None, None, None]
    assert Decimal(str(frame["target_g_per_km"][0])) == Decimal("112.0474")
    assert not list(tmp_path.glob(".*part"))
    summary = run("assess", cars, "-p", NZ, *KNOWN, "--out", out, "--json").json
    assert "results" not in summary
    assert summary["written"] == [str(out)]


def test_refused_rows_are_written_with_their_message(run: Run, cars: Path, tmp_path: Path) -> None:
    refused = tmp_path / "refused.csv"
    run("assess", cars, "-p", NZ, *KNOWN, "--refused", refused)
    (row,) = csv.DictReader(refused.open(encoding="utf-8"))
    assert (row["row"], row["reason"], row["vin"], row["tare_kg"]) == ("6", "not_a_number:tare_kg", "VIN6", "heavy")
    assert "'heavy'" in row["message"]
    assert "100" in row["message"]


def test_xlsx_has_the_refused_and_the_fleets_as_sheets(run: Run, cars: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.xlsx"
    run("assess", cars, "-p", NZ, *KNOWN, "--scheme", "fleet", "--out", out)
    sheets = pl.read_excel(out, sheet_id=0)
    assert len(sheets) == 3
    assert {"refused", "fleets"} < set(sheets)
    assert sheets["refused"]["vin"].to_list() == ["VIN6"]
    assert sheets["fleets"]["importer"].to_list() == ["X", "Y", "Y"]


def test_fleet(run: Run, cars: Path, tmp_path: Path) -> None:
    """X: 8 - 37.9526 = -29.9526 over a new and a used one: 14 g each; 14 x 15 + 14 x 7.50 = 315. Y has open rows."""
    fleets = tmp_path / "fleets.csv"
    found = run("assess", cars, "-p", NZ, *KNOWN, "--scheme", "fleet", "--fleet-out", fleets, "--json").json
    rows = list(csv.DictReader(fleets.open(encoding="utf-8")))
    assert [(row["importer"], row["vehicle_type"], row["status"]) for row in rows] == [
        ("X", "A", "determined"), ("Y", "A", "not_determined"), ("Y", "B", "not_determined"),
    ]  # fmt: skip
    assert rows[0]["net_g"] == "-29.9526"
    assert (rows[0]["charge_new_g"], rows[0]["charge_used_g"], rows[0]["charge_nzd"]) == ("14", "14", "315.00")
    assert rows[1]["reason"] == "vehicles_not_determined:1; vehicles_refused:1"
    assert rows[2]["reason"] == "vehicles_refused:1"
    assert [Decimal(str(row["net_g"])) for row in found["fleets"] if row["net_g"] is not None] == [Decimal("-29.9526")]
    assert "fleet_share" in found["flags"]
    assert found["results"][0]["charge_nzd"] == Decimal("277.50")  # 37 x 7.50


def test_no_fleet_table_where_none_is_asked_for(run: Run, cars: Path) -> None:
    assert "fleets" not in run("assess", cars, "-p", NZ, *KNOWN, "--json").json
    assert "fleets" not in run("assess", cars, "-p", NZ, *KNOWN, "--json", "--scheme", "payg").json


def test_set_and_on(run: Run, tmp_path: Path) -> None:
    path = put(tmp_path, ["1600,150"], "tare_kg,co2_g_per_km")
    sets = [part for pair in ("vehicle_class=MA", "condition=used", "co2_cycle=3P-WLTP") for part in ("--set", pair)]
    for day, target in [("2026-03-31", "112.0474"), ("2027-03-31", "104.9074"), ("2028-03-31", "77.9074")]:
        (row,) = run("assess", path, "-p", NZ, *KNOWN, *sets, "--on", day, "--json").json["results"]
        assert (row["status"], row["target_g_per_km"], row["accepted_on"]) == ("determined", Decimal(target), day)
        assert row["condition"] == "used"
    fails(run("assess", path, "-p", NZ, *sets), "lacks the required column accepted_on")
    # a row's own date wins
    path = put(tmp_path, ["1600,150,", "1600,150,2027-01-01"], "tare_kg,co2_g_per_km,accepted_on")
    rows = run("assess", path, "-p", NZ, *KNOWN, *sets, "--on", "2026-03-31", "--json").json["results"]
    assert [row["target_g_per_km"] for row in rows] == [Decimal("112.0474"), Decimal("104.9074")]


def test_known(run: Run, cars: Path) -> None:
    then = run("assess", cars, "-p", NZ, "--known", "2023-06-01", "--json").json
    assert then["known"] == "2023-06-01"
    assert then["reasons"]["missing:slope"] == 4
    both = run("assess", cars, "-p", NZ, "--known", "2023-06-01", "--values", "no-weight-adjustment", "--json").json
    assert both["results"][1]["target_g_per_km"] == Decimal("84.5")
    assert both["results"][1]["charge_nzd"] == 15 * 54  # 15.5 g over, at the rate as known then


def test_overlays_readings_and_grades(run: Run, cars: Path, tmp_path: Path) -> None:
    half = run("assess", cars, "-p", NZ, *KNOWN, "--reading", "per_vehicle_rounding=half_up", "--json").json
    assert half["results"][0]["charge_g"] == 38
    assert half["readings"] == {"per_vehicle_rounding": "half_up"}
    assert "reading:per_vehicle_rounding=half_up" in half["results"][0]["flags"]
    flat = run("assess", cars, "-p", NZ, *KNOWN, "--values", "no-weight-adjustment", "--json").json
    assert flat["results"][0]["target_g_per_km"] == 108
    assert flat["overlays"] == ["no-weight-adjustment"]
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "overlay: mine\ntitle: 'mine [/] is [bold]'\nvalues:\n  charge_rate:\n"
        "    - {from: '2026-01-01', value: '1.00', reference: {title: mine}, confidence: D}\n"
        "  conversion_factor: [{from: '2022-04-01', value: '0.9', reference: {title: mine}, confidence: D}]\n"
        "  conversion_offset: [{from: '2022-04-01', value: '0', reference: {title: mine}, confidence: D}]\n"
    )
    laid = run("assess", cars, "-p", NZ, *KNOWN, "--values", "no-weight-adjustment", "--values", mine, "--json").json
    assert laid["results"][0]["charge_nzd"] == 42  # 150 - 108, at 1.00
    assert laid["overlays"] == ["no-weight-adjustment", "mine"]
    assert (laid["results"][3]["co2_basis"], laid["results"][3]["co2_3p_wltp_g_per_km"]) == ("converted", 108)
    assert "mine [/] is [bold]" in run("assess", cars, "-p", NZ, *KNOWN, "--values", mine).out
    for grade, missing in [("H", "deciding_event"), ("M", "per_vehicle_rounding")]:
        graded = run("assess", cars, "-p", NZ, *KNOWN, "--min-grade", grade, "--json").json
        assert graded["statuses"].get("determined", 0) == 0
        assert f"missing:{missing}" in graded["reasons"]
    for grade, determined in [("D", 0), ("M", 3), ("L", 3)]:
        options = ["--min-grade", grade, "--reading", "per_vehicle_rounding=half_up", "--json"]
        assert run("assess", cars, "-p", NZ, *KNOWN, *options).json["statuses"].get("determined", 0) == determined


def test_engine_duckdb(run: Run, cars: Path) -> None:
    if importlib.util.find_spec("cleanfleet.law.portable") is None:
        pytest.skip("law/portable.py isn't there yet")
    same = run("assess", cars, "-p", NZ, *KNOWN, "--json").json
    found = run("assess", cars, "-p", NZ, *KNOWN, "--json", "--engine", "duckdb")
    assert found.err == ""
    assert found.json["results"] == same["results"]
    assert found.json["totals"] == same["totals"]


def test_chart(run: Run, cars: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart.svg"
    found = run("assess", cars, "-p", NZ, *KNOWN, "--chart", chart)
    assert found.code == 0
    assert f"written: {chart}" in found.out
    assert chart.read_text(encoding="utf-8").startswith("<svg")
    assert "3 at or below" not in chart.read_text(encoding="utf-8")
    assert "2 at or below target" in chart.read_text(encoding="utf-8")


def test_a_file_name_with_brackets(run: Run, tmp_path: Path) -> None:
    path = put(tmp_path, ROWS, name="a [bold]b[] c.csv")
    assert "6 rows of a [bold]b[] c.csv" in run("assess", path, "-p", NZ, *KNOWN).out


def test_repeated_vin(run: Run, tmp_path: Path) -> None:
    path = put(tmp_path, [*ROWS[:2], ROWS[0].replace("VIN1", " vin-1 ")])
    refused = tmp_path / "refused.csv"
    found = run("assess", path, "-p", NZ, *KNOWN, "--json", "--refused", refused).json
    assert [row["status"] for row in found["results"]] == ["determined", "determined", "refused"]
    assert found["results"][2]["reason"] == "duplicate:vin"
    (row,) = csv.DictReader(refused.open(encoding="utf-8"))
    assert "row 1" in row["message"] or "record 1" in row["message"]
    fails(run("explain", NZ, path, "--row", "3"), "row 3", "vin")
    checked = run("assess", path, "-p", NZ, *KNOWN, "--json", "--unique", "importer").json
    assert checked["results"][1]["reason"] == "duplicate:importer"


def row_with(**cells: str) -> tuple[str, list[str]]:
    row = {
        "vin": "VIN9", "vehicle_class": "MA", "condition": "used", "tare_kg": "1600", "co2_g_per_km": "150",
        "co2_cycle": "3P-WLTP", "accepted_on": "2026-03-31", "importer": "X", **cells,
    }  # fmt: skip
    return ",".join(row), [",".join(f'"{cell}"' for cell in row.values())]


@pytest.mark.parametrize(
    ("cells", "status", "reason"),
    [
        ({"tare_kg": "many"}, "refused", "not_a_number:tare_kg"),
        ({"tare_kg": "-1600"}, "refused", "out_of_range:tare_kg"),
        ({"tare_kg": "99"}, "refused", "out_of_range:tare_kg"),
        ({"tare_kg": "1600.5"}, "refused", "not_whole:tare_kg"),
        ({"co2_g_per_km": "1000.1"}, "refused", "out_of_range:co2_g_per_km"),
        ({"co2_g_per_km": "-1"}, "refused", "out_of_range:co2_g_per_km"),
        ({"vehicle_class": "ZZ"}, "refused", "unknown_value:vehicle_class"),
        ({"condition": "old"}, "refused", "unknown_value:condition"),
        ({"co2_cycle": "WLTP9"}, "refused", "unknown_value:co2_cycle"),
        ({"accepted_on": "2026-02-30"}, "refused", "not_a_date:accepted_on"),
        ({"accepted_on": "2019-03-31"}, "excluded", "before_standard"),
        ({"accepted_on": "1800-03-31"}, "refused", "out_of_range:accepted_on"),
        ({"gross_vehicle_mass_kg": "1500"}, "refused", "contradiction:gross_vehicle_mass_kg"),
        ({"tare_kg": "", "condition": ""}, "not_determined", "missing:tare_kg; missing:condition"),
        ({"accepted_on": "", "condition": ""}, "not_determined", "missing:accepted_on"),  # the rest isn't reached
        ({"seats": ""}, "determined", None),
    ],
)  # fmt: skip
def test_bad_cells_refuse_their_row_only(
    cells: dict[str, str], status: str, reason: str | None, run: Run, tmp_path: Path
) -> None:
    header, rows = row_with(**cells)
    path = put(tmp_path, rows, header)
    refused = tmp_path / "refused.csv"
    found = run("assess", path, "-p", NZ, *KNOWN, "--json", "--refused", refused)
    assert (found.code, found.err) == (0, "")
    (row,) = found.json["results"]
    assert (row["status"], set((row["reason"] or "").split("; "))) == (status, set((reason or "").split("; ")))
    if status == "refused":
        (told,) = csv.DictReader(refused.open(encoding="utf-8"))
        name = (reason or "").partition(":")[2]
        assert cells[name] in told["message"]
    assert run("assess", path, "-p", NZ, *KNOWN, "--strict").code == (1 if status == "refused" else 0)


def test_comma_and_point(run: Run, tmp_path: Path) -> None:
    header = HEADER.replace(",", ";")
    comma = [f"V{n};MA;used;1600;{n}50,5;3P-WLTP;2026-03-31;X;" for n in range(1, 4)]
    rows = run("assess", put(tmp_path, comma, header), "-p", NZ, *KNOWN, "--json").json["results"]
    assert rows[0]["co2_3p_wltp_g_per_km"] == Decimal("150.5")
    mixed = [*comma, "V9;MA;used;1600;150.5;3P-WLTP;2026-03-31;X;"]
    rows = run("assess", put(tmp_path, mixed, header), "-p", NZ, *KNOWN, "--json").json["results"]
    assert [row["status"] for row in rows] == ["determined"] * 3 + ["refused"]
    assert rows[3]["reason"] == "mixed_decimal_marks:co2_g_per_km"


# -- files and options that can't be used


PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("cars.csv", b"", ["empty"]),
        ("cars.csv", HEADER.encode() + b"\n", ["no records"]),
        ("cars.csv", PNG, ["PNG"]),
        ("cars.xlsx", b"PK\x03\x04" + bytes(200), ["cars.xlsx"]),
        ("cars.xlsx", b"no workbook", ["cars.xlsx", "XLSX"]),
        ("cars.parquet", b"PAR1" + bytes(64), ["cars.parquet"]),
        ("cars.jsonl", b"no json\n", ["cars.jsonl"]),
        ("cars.txt2", b"x", ["unknown file type"]),
        ("cars.csv", b"vin,tare_kg,co2_g_per_km\n1,1600,100\n", ["lacks the required columns", "vehicle_class"]),
        ("cars.csv", b"vin,vin\n1,2\n", ["twice"]),
        ("cars.csv", b"vin\0,x\n1,2\n", ["zero"]),
    ],
)  # fmt: skip
def test_files_that_cant_be_used(name: str, content: bytes, parts: list[str], run: Run, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    out = tmp_path / "out.csv"
    fails(run("assess", path, "-p", NZ, "--out", out), *parts)
    assert not out.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["-p", "nz-clean-vehicle-standrad"], ["no policy", "did you mean nz-clean-vehicle-standard"]),
        (["-p", NZ, "--known", "2026-13-01"], ["--known", "2026-13-01"]),
        (["-p", NZ, "--on", "31.3.2026"], ["--on", "31.3.2026"]),
        (["-p", NZ, "--on", "1800-01-01"], ["accepted_on", "1800-01-01"]),
        (["-p", NZ, "--values", "weight-flor-1200"], ["did you mean weight-floor-1200?"]),
        (["-p", NZ, "--values", "."], ["directory"]),
        (["-p", NZ, "--values", "broken.yaml"], ["broken.yaml", "is not YAML"]),
        (["-p", NZ, "--values", "unknown.yaml"], ["unknown.yaml", "did you mean slope?"]),
        (["-p", NZ, "--reading", "weight_adjustmet=none"], ["did you mean weight_adjustment?"]),
        (["-p", NZ, "--reading", "weight_adjustment=some"], ["some", "law, none"]),
        (["-p", NZ, "--min-grade", "A"], ["'A'", "H, D, M, L"]),
        (["-p", NZ, "--set", "condition=new"], ["condition", "the file has it too"]),
        (["-p", NZ, "--set", "conditon=new"], ["conditon"]),
        (["-p", NZ, "--set", "body=boat"], ["body", "boat", "passenger"]),
        (["-p", NZ, "--unique", "plate"], ["plate"]),
        (["-p", NZ, "--preset", "ademee"], ["did you mean ademe"]),
        (["-p", NZ, "--preset", "ademe", "--columns", "broken.yaml"], ["exclude each other"]),
        (["-p", NZ, "--columns", "nowhere.yaml"], ["nowhere.yaml"]),
        (["-p", NZ, "--columns", "broken.yaml"], ["broken.yaml"]),
        (["-p", NZ, "--out", "answers.doc"], [".doc", ".csv"]),
        (["-p", NZ, "--out", "nowhere/answers.csv"], ["nowhere"]),
        (["-p", NZ, "--out", "cars.csv"], ["--out", "the input"]),
        (["-p", NZ, "--out", "a.csv", "--refused", "./a.csv"], ["--refused", "--out"]),
        (["-p", NZ, "--out", "a.csv", "--refused", "refused.doc"], [".doc"]),
        (["-p", NZ, "--out", "a.csv", "--fleet-out", "fleets.doc"], [".doc"]),
        (["-p", NZ, "--out", "a.csv", "--fleet-out", "nowhere/fleets.csv"], ["nowhere"]),
        (["-p", NZ, "--out", "a.csv", "--chart", "chart.jpg"], [".svg or .png"]),
        (["-p", NZ, "--chart", "nowhere/chart.svg"], ["folder"]),
    ],
)  # fmt: skip
def test_options_that_cant_be_used(
    options: list[str], parts: list[str], run: Run, cars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.yaml").write_text("overlay: a\n title: [x\n")
    (tmp_path / "unknown.yaml").write_text("overlay: a\nvalues:\n  slop: []\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    fails(run("assess", "cars.csv", *options), *parts)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# -- explain


PAIRS = [
    "vehicle_class=MA",
    "condition=used",
    "tare_kg=1600",
    "co2_g_per_km=150",
    "co2_cycle=3P-WLTP",
    "accepted_on=2026-03-31",
]
TARGET = "target = annual_target + slope x (counted_tare - mean_tare_kg) = 108 + 0.0343 x (1600 - 1482) = 112.0474 g/km"


def test_explain_pairs(run: Run) -> None:
    found = run("explain", NZ, *PAIRS, *KNOWN)
    assert (found.code, found.err) == (0, "")
    assert TARGET in found.out
    assert "charge_nzd: 222.00" in found.out
    assert "https://autofile.co.nz/update-for-clean-car-data-" in found.out
    content = run("explain", NZ, *PAIRS, *KNOWN, "--json").json
    assert content["answer"]["charge_nzd"] == "222.00"
    assert [step["numbers"] for step in content["steps"] if step["rule"] == "target"] == ["108 + 0.0343 x (1600 - 1482)"]


def test_explain_a_row(run: Run, cars: Path, tmp_path: Path) -> None:
    assert TARGET in run("explain", NZ, cars, "--row", "1", *KNOWN).out
    content = run("explain", NZ, cars, "--row", "1", "--json", *KNOWN).json
    assert content["input"]["tare_kg"] == "1600"
    assert content["answer"] == {**run("explain", NZ, *PAIRS, "--json", *KNOWN).json["answer"]}
    refused = run("explain", NZ, cars, "--row", "6", *KNOWN)
    assert "refused: tare_kg: 'heavy' is not a number" in refused.out
    open_ = run("explain", NZ, cars, "--row", "4", *KNOWN).out
    assert "missing conversion_factor: factor from a result in another cycle" in open_
    assert "--values my.yaml" in open_
    # pairs fill what the file lacks: row 4 without a fuel of its own
    bare = put(tmp_path, [ROWS[3].replace("petrol", "")], name="bare.csv")
    assert "missing fuel: fuel of the engine" in run("explain", NZ, bare, "--row", "1", *KNOWN).out
    assert "missing conversion_factor" in run("explain", NZ, bare, "--row", "1", "fuel=petrol", *KNOWN).out
    ragged = put(tmp_path, [*ROWS, "VIN7,MA,used,1600,150,3P-WLTP,2026-03-31,X,,more"], name="ragged.csv")
    fails(run("explain", NZ, ragged, "--row", "7"), "row 7 is refused", "more or fewer cells")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([NZ], ["COLUMN=VALUE", "vehicle_class"]),
        ([NZ, "tare=5"], ["did you mean tare_kg"]),
        ([NZ, "cars.csv"], ["--row"]),
        ([NZ, "cars.csv", "--row", "7"], ["6 rows", "no row 7"]),
        ([NZ, "cars.csv", "--row", "0"], ["no row 0"]),
        ([NZ, "--row", "1"], ["one file"]),
        (["nz-clean-vehicle-standar", "tare_kg=5"], ["did you mean"]),
        ([NZ, "tare_kg=1600", "--known", "soon"], ["--known", "soon"]),
    ],
)  # fmt: skip
def test_explain_mistakes(
    arguments: list[str], parts: list[str], run: Run, cars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cars.parent)
    fails(run("explain", *arguments), *parts)


# -- policies


def test_policies(run: Run) -> None:
    assert NZ in run("policies").out
    (one,) = [entry for entry in run("policies", "--json").json if entry["id"] == NZ]
    assert set(one) == {"id", "title", "standard_type"}
    shown = run("policies", NZ)
    for part in ("Not known", "Land Transport Act 1998", "tare_kg", "charge_nzd", "weight_adjustment", "proposal-2021"):
        assert part in shown.out
    content = run("policies", NZ, "--json").json
    assert {column["name"] for column in content["inputs"]} >= {"vin", "tare_kg", "accepted_on"}
    assert content["readings"]["fleet_pool"] == ["importer", "condition"]
    assert "weight-floor-1200" in content["overlays"]
    fails(run("policies", "nz"), "no policy 'nz'")


def test_graph(run: Run) -> None:
    assert "difference" in run("policies", NZ, "--graph").out
    content = {entry["rule"]: entry for entry in run("policies", NZ, "--graph", "--json").json}
    assert content["difference"] == {"rule": "difference", "unit": "g/km", "needs": ["target", "co2_3p_wltp"]}
    assert content["charge"]["unit"] == "NZD"
    rules = set(content)
    assert all("" not in entry["needs"] for entry in content.values())
    assert {"slope", "annual_target"} <= {need for entry in content.values() for need in entry["needs"]} - rules


# -- values


#: The digest's Table 1, and its Table 2 with the swapped columns put right.
TABLE_1 = {
    "A": {2023: "145", 2024: "133.9", 2025: "112.6", 2026: "84.5", 2027: "63.3"},
    "B": {2023: "218.3", 2024: "201.9", 2025: "155", 2026: "116.3", 2027: "87.2"},
}
TABLE_2 = {
    ("2023-01-01", "fleet", "new"): "45.00", ("2023-01-01", "fleet", "used"): "22.50",
    ("2023-01-01", "payg", "new"): "36.00", ("2023-01-01", "payg", "used"): "18.00",
    ("2025-01-01", "fleet", "new"): "67.50", ("2025-01-01", "fleet", "used"): "33.75",
    ("2025-01-01", "payg", "new"): "54.00", ("2025-01-01", "payg", "used"): "27.00",
}  # fmt: skip


def test_values_as_known_in_2023_are_the_digests_tables(run: Run) -> None:
    targets = run("values", NZ, "annual_target", "--known", "2023-06-01", "--json").json
    found: dict[str, dict[int, str]] = {}
    for entry in targets:
        assert entry["unit"] == "g/km"
        assert entry["references"]
        assert entry["known_from"] <= "2023-06-01"
        found.setdefault(entry["keys"]["vehicle_type"], {})[entry["period"]] = str(entry["value"])
    assert found == TABLE_1
    rates = run("values", NZ, "charge_rate", "--known", "2023-06-01", "--json").json
    assert {(e["from"], e["keys"]["scheme"], e["keys"]["condition"]): str(e["value"]) for e in rates} == TABLE_2
    text = run("values", NZ, "annual_target", "--known", "2023-06-01").out
    assert "law as known on 2023-06-01" in text
    assert "218.3" in text
    assert "207" not in text


def test_values_on_a_day(run: Run) -> None:
    rates = run("values", NZ, "charge_rate", "--on", "2026-07-01", *KNOWN, "--json").json
    assert {(e["keys"]["scheme"], e["keys"]["condition"]): str(e["value"]) for e in rates} == {
        ("fleet", "new"): "15.00", ("fleet", "used"): "7.50", ("payg", "new"): "12.00", ("payg", "used"): "6.00",
    }  # fmt: skip
    targets = run("values", NZ, "annual_target", "--on", "2027-07-01", *KNOWN, "--json").json
    assert {e["keys"]["vehicle_type"]: str(e["value"]) for e in targets} == {"A": "103", "B": "175"}
    everything = run("values", NZ, "--on", "2026-07-01", *KNOWN, "--json").json
    assert {e["name"] for e in everything} >= {"slope", "charge_rate", "fleet_pool", "type_a_seats"}
    assert all(e["references"] for e in everything)
    slopes = run("values", NZ, "slope", "--on", "2024-07-01", *KNOWN, "--json").json
    assert [e["value"] for e in slopes] == [None]
    assert "not known" in run("values", NZ, "slope", *KNOWN).out
    floor = run("values", NZ, "weight_floor_kg", "--values", "weight-floor-1200", "--json", *KNOWN).json
    assert [str(e["value"]) for e in floor if e["overlay"] == "weight-floor-1200"] == ["1200"]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_values_chart(suffix: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / f"targets.{suffix}"
    found = run("values", NZ, "annual_target", *KNOWN, "--chart-out", path)
    assert (found.code, found.err) == (0, "")
    content = path.read_bytes()
    assert content.startswith(b"<svg" if suffix == "svg" else b"\x89PNG")
    assert "223" in run("values", NZ, "annual_target", *KNOWN, "--chart").out


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["anual_target"], ["did you mean annual_target"]),
        (["annual_target", "--on", "now"], ["--on", "now"]),
        (["annual_target", "--known", "then"], ["--known", "then"]),
        (["annual_target", "--min-grade", "Z"], ["'Z'"]),
        (["annual_target", "--chart-out", "x.gif"], [".svg or .png"]),
        (["annual_target", "--chart-out", "nowhere/x.svg"], ["folder"]),
        (["annual_target", "--chart-out", "x.svg", "--known", "2000-01-01"], ["no number is known"]),
        (["vehicle_type_of_class", "--chart-out", "x.svg"], ["only numbers"]),
        (["phase_tolerance", "--chart-out", "x.svg"], ["no dates"]),
        (["phase_tolerance", "--chart"], ["no dates"]),
        (["--chart-out", "x.svg"], ["name it"]),
    ],
)  # fmt: skip
def test_values_mistakes(
    options: list[str], parts: list[str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fails(run("values", NZ, *options), *parts)
    assert not list(tmp_path.iterdir())


# -- the French file, where it is at hand


def test_french_file(run: Run, tmp_path: Path) -> None:
    if not ADEME.exists():
        pytest.skip(f"the real file {ADEME.name} is not at hand (looked for in ../shared/data)")
    out = tmp_path / "out.parquet"
    found = run(
        "assess", ADEME, "-p", NZ, *KNOWN, "--preset", "ademe", "--set", "vehicle_class=MA", "--set", "condition=new",
        "--on", "2026-03-01", "--out", out, "--json",
    ).json  # fmt: skip
    assert found["rows"] == 7_679
    assert found["statuses"] == {"determined": 6_779 + 270, "not_determined": 630}
    assert found["flags"]["duplicate_row"] == 2_691
    assert found["flags"]["phases_contradict_combined"] == 14
    frame = pl.read_parquet(out)
    assert frame["row"].to_list() == list(range(1, 7_680))
    # what a plug-in hybrid lacks is the conversion; that its value is to be converted is known
    assert Counter(frame["co2_basis"].cast(pl.String)) == {"wltp_phases": 6_779, "zero_tailpipe": 270, "converted": 630}
    assert set(found["reasons"]) == {"missing:conversion_factor", "missing:conversion_offset"}
    distances = json.loads((ROOT.parent / "shared/cases/wltc-phase-distances.json").read_text(), parse_float=Decimal)
    metres = distances["classes"]["class3_b"]["phase_distance_m"][:3]
    columns = [f"CO2 {phase} vitesse Max" for phase in ("basse", "moyenne", "haute")]
    rows = frame.filter(pl.col("co2_basis").cast(pl.String) == "wltp_phases")
    for *phases, value in rows.select(*columns, "co2_3p_wltp_g_per_km").iter_rows():
        grams = [Decimal(phase.replace(",", ".")) for phase in phases]
        weighted = sum(g * m for g, m in zip(grams, metres, strict=True)) / sum(metres)
        assert abs(value - weighted) <= Decimal("0.001")
