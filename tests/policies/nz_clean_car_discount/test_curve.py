"""``discount-curve``: the figures at each gram, the grams where the lines bend, the picture, and how mistakes end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from oracle.nz_ccd import answer

from cleanfleet import policies
from cleanfleet.law.errors import InputError
from cleanfleet.policies.nz_clean_car_discount import curve

POLICY = policies.load("nz-clean-car-discount", known="2026-11-22")
DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return curve.curve(POLICY)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    from cleanfleet.cli.main import run

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cleanfleet", "discount-curve", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def test_every_gram_is_the_oracle_s(frame: pl.DataFrame) -> None:
    assert frame.height == 2 * (1 + 351 + 351 + 351 + 351)
    for row in frame.rows(named=True):
        right = answer({
            "vehicle_class": "MA", "condition": row["condition"], "powertrain": row["powertrain"], "co2_cycle": "3P-WLTP",
            "co2_g_per_km": row["co2_g_per_km"], "price_incl_gst_nzd": 1000, "safety_stars": 5,
            "registered_on": curve.DAYS[row["period"]], "ordered_on": curve.DAYS[row["period"]],
        })  # fmt: skip
        assert right.rebate_paid is not None
        assert right.charge_incl is not None
        assert row["amount_nzd"] * 100 == right.rebate_paid - right.charge_incl, row


def test_the_corners_are_the_published_ones(frame: pl.DataFrame) -> None:
    found = {(period, what): [] for period, what, *_ in curve.corners(frame)}  # type: ignore[var-annotated]
    for period, what, gram, new, used in curve.corners(frame):
        found[period, what].append((gram, str(new), str(used)))
    assert found["interim", "battery_electric"] == [(0, "8625.00", "3450.00")]
    assert found["interim", "plug_in_hybrid"] == [(0, "5750.00", "2300.00"), (350, "5750.00", "2300.00")]
    assert found["april_2022", "petrol"] == [
        (0, "8625.00", "3450.00"), (1, "5750.00", "2300.00"), (56, "5750.00", "2300.00"), (57, "5686.55", "2274.62"),
        (146, "1098.45", "439.38"), (147, "0.00", "0.00"), (191, "0.00", "0.00"), (192, "-345.00", "-258.75"),
        (252, "-3795.00", "-2846.25"), (253, "-3852.50", "-2875.00"), (276, "-5175.00", "-2875.00"), (350, "-5175.00", "-2875.00"),
    ]  # fmt: skip
    assert found["july_2023", "petrol"] == [
        (0, "7015.00", "3507.50"), (1, "4025.00", "2012.50"), (60, "4025.00", "2012.50"), (100, "1725.00", "862.50"),
        (101, "0.00", "0.00"), (149, "0.00", "0.00"), (150, "-575.00", "-287.50"), (260, "-6900.00", "-3450.00"),
        (350, "-6900.00", "-3450.00"),
    ]  # fmt: skip


def test_without_gst_and_by_another_reading() -> None:
    bare = curve.curve(POLICY, gst=False, last_g=200)
    assert bare["co2_g_per_km"].max() == 200
    at = bare.filter((pl.col("period") == "april_2022") & (pl.col("condition") == "new"))
    assert at.filter(pl.col("co2_g_per_km") == 192)["amount_nzd"].item() == Decimal("-300.00")
    table = curve.curve(POLICY.at(readings={"rebate_limit_reading": "table"}))
    edge = table.filter((pl.col("period") == "april_2022") & (pl.col("co2_g_per_km") == 146))
    assert edge["amount_nzd"].to_list() == [Decimal(0), Decimal(0)]


def test_what_was_not_known_is_not_drawn() -> None:
    with pytest.raises(
        InputError, match="the curve isn't known as of 2022-06-01: a new vehicle of 0 g/km registered on 2023-10-01"
    ):
        curve.curve(POLICY.at(known="2022-06-01"))


def test_the_picture_in_the_docs_is_the_one_that_is_drawn(frame: pl.DataFrame, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    path = tmp_path / "curve.svg"
    curve.draw_curve(POLICY, frame, path)
    drawn = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(drawn)
    assert root.attrib["role"] == "img"
    assert "146 g: new 1098.45, used 439.38" in root.attrib["aria-label"]
    kept = ElementTree.parse(DOCS / "pictures" / "nz-clean-car-discount.svg").getroot()
    assert kept.attrib["aria-label"] == root.attrib["aria-label"]
    assert "![" in (page := (DOCS / "nz-clean-car-discount.md").read_text(encoding="utf-8"))
    assert "(pictures/nz-clean-car-discount.svg)" in page


def test_the_command_prints_writes_and_draws(command: Any, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    picture, table = tmp_path / "curve.png", tmp_path / "curve.csv"
    code, out, err = command("--out", picture, "--table", table, "--known", "2026-11-22")
    assert (code, err) == (0, "")
    assert "law as known on 2026-11-22" in out
    assert " april 2022   any                     146    1098.45     439.38" in out
    assert f"written: {picture}\nwritten: {table}\n" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert pl.read_csv(table).height == 2810
    import json

    code, out, _ = command("--json", "--no-gst", "--reading", "rebate_limit_reading=table")
    found = json.loads(out, parse_float=Decimal)
    assert (code, found["with_gst"], found["readings"]) == (0, False, {"rebate_limit_reading": "table"})
    assert len(found["points"]) == 2810


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--last", "5"], "--last: 5 is not a number of grams from 10 to 1000"),
        (["--out", "curve.gif"], "a picture ends in .svg or .png"),
        (["--out", "nowhere/curve.svg"], "the folder does not exist"),
        (["--out", "a.svg", "--table", "a.svg"], "--table: a.svg is --out too"),
        (["--table", "a.txt"], "unknown file type '.txt'"),
        (["--reading", "table"], "--reading: 'table' is not NAME=CHOICE"),
        (["--reading", "rebate_limit_reading=both"], "both"),
        (["--known", "2022-06-01"], "the curve isn't known as of 2022-06-01"),
        (["--known", "2020-01-01"], "was known on 2020-01-01"),
    ],
)
def test_mistakes_end_with_one_line(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    pytest.importorskip("vl_convert")
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert list(tmp_path.iterdir()) == []
