"""Pictures: drawn here, described for who can't see them, readable without colours, refused where they can't be written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from cleanfleet import charts, policies
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import Record, effective


@cache
def law() -> Policy:
    return policies.load("nz-clean-vehicle-standard", known="2026-11-22")


def records(name: str, policy: Policy | None = None) -> list[Record]:
    policy = policy or law()
    return effective(policy.definition.values[name], known=policy.known, grades=policy.definition.grades)


def values(name: str, path: Path) -> None:
    charts.draw_values(law(), law().definition.values[name], records(name), path)


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What would be drawn."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(charts, "draw", lambda content, path: found.append(json.loads(json.dumps(content))))

    def of(function: Callable[..., None], *arguments: Any, **options: Any) -> dict[str, Any]:
        function(*arguments, **options)
        return found[-1]

    return of


def cars(number: int = 4) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "vehicle_class": ["MA", "NA", "MA", "MA"] * (number // 4),
            "condition": ["used"] * number,
            "tare_kg": [1000 + place % 900 for place in range(number)],
            "co2_g_per_km": [Decimal(150), Decimal(100), Decimal(50), None] * (number // 4),
            "co2_cycle": ["3P-WLTP"] * number,
            "accepted_on": ["2026-03-01"] * number,
        }
    )
    found: pl.DataFrame = law().assess(frame).frame
    return found.with_columns(pl.col("status", "vehicle_type").cast(pl.String))


@pytest.mark.parametrize("name", ["annual_target", "charge_rate", "slope", "registration_fee_excl_gst"])
def test_svg_of_a_value(name: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.SVG"
    values(name, path)
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    texts = [text.strip() for text in root.itertext() if text.strip()]
    value = law().definition.values[name]
    assert texts.count(value.description) >= 2  # shown, and told
    assert any("as known on 2026-11-22" in text for text in texts)
    assert value.unit_text in texts
    # nothing is fetched from elsewhere
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", path.read_text(encoding="utf-8"))


def test_a_picture_carries_its_description(tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    values("annual_target", path)
    content = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(content)
    label = root.attrib["aria-label"]
    assert root.attrib["role"] == "img"
    assert [child.text for child in root[:2]] == ["annual CO2 target before weight adjustment", label]
    assert "in g/km" in label
    assert "vehicle type A 2026 108" in label
    assert "vehicle type B 2029 131" in label
    charts.draw_assessment(law(), cars(), path, of_rows=4)
    assert "3 vehicles by tare weight and three-phase WLTP CO2; 2 at or below target." in path.read_text(encoding="utf-8")


def test_png(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    values("charge_rate", path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))
    assert 1000 < width < 2500
    assert 600 < height < 1500


def test_lines_are_told_apart_without_colours(spec: Callable[..., dict[str, Any]]) -> None:
    found = spec(charts.draw_values, law(), law().definition.values["charge_rate"], records("charge_rate"), Path("x.svg"))
    line, points = found["layer"]
    names = [
        "scheme fleet, condition new",
        "scheme fleet, condition used",
        "scheme payg, condition new",
        "scheme payg, condition used",
    ]
    assert sorted({point["series"] for point in points["data"]["values"]}) == names
    for layer, channel in [(line, "color"), (line, "strokeDash"), (points, "color"), (points, "shape")]:
        marks = layer["encoding"][channel]["scale"]["range"]
        assert len({json.dumps(mark) for mark in marks}) == 4, channel
    assert len(set(charts.COLOURS)) == len(charts.COLOURS) >= 6


def test_steps_run_on_after_the_last_date(spec: Callable[..., dict[str, Any]]) -> None:
    found = spec(charts.draw_values, law(), law().definition.values["charge_rate"], records("charge_rate"), Path("x.svg"))
    line, points = found["layer"]
    assert line["mark"]["interpolate"] == "step-after"
    assert len(points["data"]["values"]) == 16
    tails = [point for point in line["data"]["values"] if point["when"] == "2029-01-01"]
    assert sorted(point["value"] for point in tails) == [27.0, 33.75, 54.0, 67.5]
    first = min(line["data"]["values"], key=lambda point: point["order"])
    assert first["when"] == "2023-01-01"


def test_years_are_an_axis_of_years(spec: Callable[..., dict[str, Any]]) -> None:
    found = spec(
        charts.draw_values, law(), law().definition.values["annual_target"], records("annual_target"), Path("x.svg")
    )
    line, points = found["layer"]
    assert line["encoding"]["x"]["type"] == "ordinal"
    assert [p["when"] for p in points["data"]["values"] if p["series"] == "vehicle type A"] == list(range(2023, 2030))
    assert len(line["data"]["values"]) == len(points["data"]["values"]) == 14


@pytest.mark.parametrize(
    ("name", "told"),
    [("phase_tolerance", "no dates"), ("conversion_factor", "no number is known on 2026-11-22")],
)  # fmt: skip
def test_what_cant_be_drawn(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        values(name, tmp_path / "picture.svg")
    with pytest.raises(InputError, match=told):
        charts.plot_values(law(), law().definition.values[name], records(name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["picture.jpg", "picture", "picture.svg.gz", "nowhere/picture.svg"])
def test_bad_targets(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.svg or \.png|folder does not exist"):
        charts.check_target(tmp_path / name)
    with pytest.raises(InputError):
        charts.draw({"mark": "bar"}, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_assessment(spec: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    frame = cars()
    found = spec(charts.draw_assessment, law(), frame, Path("x.svg"), of_rows=10)
    assert found["title"]["subtitle"].endswith("3 determined of 10 rows, 2 at or below target")
    rows = found["data"]["values"]
    assert [(row["tare"], row["co2"], row["type"], row["result"]) for row in rows] == [
        (1000.0, 150.0, "Type A", "above target"),
        (1001.0, 100.0, "Type B", "at or below target"),
        (1002.0, 50.0, "Type A", "at or below target"),
    ]
    assert rows[0]["target"] == pytest.approx(91.4674)
    assert [layer["mark"]["type"] for layer in found["layer"]] == ["rule", "tick", "point"]
    low, high = found["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low < 1000
    assert high > 1002


def test_an_assessment_of_many_draws_no_distances(spec: Callable[..., dict[str, Any]]) -> None:
    found = spec(charts.draw_assessment, law(), cars(1200), Path("x.svg"), of_rows=1200)
    assert [layer["mark"]["type"] for layer in found["layer"]] == ["point", "tick"]
    assert "900 determined of 1,200 rows" in found["title"]["subtitle"]


def test_an_assessment_that_cant_be_drawn(tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    with pytest.raises(InputError, match="no row is determined"):
        charts.draw_assessment(law(), cars().filter(pl.col("status") != "determined"), path, of_rows=1)
    with pytest.raises(InputError, match="no chart of an assessment"):
        charts.draw_assessment(law(), cars().drop("tare_kg"), path, of_rows=4)
    assert not path.exists()


def test_terminal_plot(capsys: pytest.CaptureFixture[str]) -> None:
    charts.plot_values(law(), law().definition.values["annual_target"], records("annual_target"))
    out = capsys.readouterr().out
    assert "annual_target [g/km], as known on 2026-11-22" in out
    assert "vehicle type A" in out
