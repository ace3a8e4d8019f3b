"""The map's colours against the assessment of batches, the timelines, the pictures, and the two commands."""

from __future__ import annotations

import datetime as dt
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
from cleanfleet.law.policy import Policy
from cleanfleet.policies.pe_fuel_quality import limits

ROOT = Path(__file__).resolve().parents[3]
POLICY = "pe-fuel-quality"
BLUE, DARK, ORANGE, RED, PINK, GREY = "#7FC4EE", "#004B7A", "#E69F00", "#D55E00", "#CC79A7", "#DDDDDD"


def law(known: str = "2026-11-22", **how: Any) -> Policy:
    return policies.load(POLICY, known=known, **how)


#: Results that tell the limits apart: what is at a limit and a digit above it.
PROBES = ["10", "10.001", "50", "50.001", "5000", "5000.001"]
PASS, FAIL, OPEN, FREE, LACK = "compliant", "non_compliant", "not_determined", "exempt", "missing:temporary_exception"


def colour_by_assess(answers: list[dict[str, Any]]) -> str:
    """The colour that the verdicts on the probes call for."""
    found = [answer["reason"] if answer["reason"] == LACK else answer["status"] for answer in answers]
    patterns = {
        (PASS, FAIL, FAIL, FAIL, FAIL, FAIL): DARK,
        (PASS, PASS, PASS, FAIL, FAIL, FAIL): BLUE,
        (PASS, PASS, PASS, LACK, LACK, LACK): BLUE,
        (PASS, PASS, PASS, PASS, PASS, FAIL): ORANGE,
        (PASS, OPEN, OPEN, FAIL, FAIL, FAIL): PINK,
        (PASS, OPEN, OPEN, LACK, LACK, LACK): PINK,
        (PASS, PASS, PASS, OPEN, OPEN, FAIL): PINK,
        (FREE,) * 6: RED,
    }
    return patterns[tuple(found)]


@pytest.mark.parametrize(
    ("known", "on", "colours"),
    [
        # Lima, Callao, the four of 2012, the three of 2016 and the ten of 2018 are at 50; six departments aren't yet
        ("2026-11-22", "2018-04-01", {BLUE: 19, ORANGE: 6}),
        ("2026-11-22", "2026-11-22", {BLUE: 23, RED: 2}),
        ("2026-11-22", "2027-12-31", {DARK: 23, RED: 2}),
        ("2026-11-22", "2012-07-28", {BLUE: 2, PINK: 4, ORANGE: 19}),
        ("2021-06-01", "2024-02-01", {PINK: 23, RED: 2}),
    ],
)
def test_the_25_colours_are_those_of_the_assessment(known: str, on: str, colours: dict[str, int]) -> None:
    policy = law(known)
    rows = limits.limits_on(policy, dt.date.fromisoformat(on))
    assert rows.height == 25
    counted = {colour: rows.filter(pl.col("colour") == colour).height for colour in rows["colour"].unique()}
    assert counted == colours
    batch = {"product": "DIESEL 2 UV", "sampled_on": on, "stage": "retail"}
    frame = pl.DataFrame(
        [
            {**batch, "department": place, "sulfur_mg_per_kg": Decimal(probe)}
            for place in rows["department"]
            for probe in PROBES
        ],
        schema_overrides={"sulfur_mg_per_kg": pl.Decimal(12, 3)},
    )
    answers = policy.assess(frame).frame.rows(named=True)
    for place, row in enumerate(rows.iter_rows(named=True)):
        mine = answers[place * len(PROBES) : (place + 1) * len(PROBES)]
        assert row["colour"] == colour_by_assess(mine), row
        assert {answer["sulfur_limit_mg_per_kg"] for answer in mine} == {row["limit_mg_per_kg"]}


def test_the_colours_drawn_are_those_of_the_table() -> None:
    policy = law()
    on = dt.date(2018, 4, 1)
    rows = limits.limits_on(policy, on)
    spec = limits.map_spec(policy, rows, on, fuel="diesel")
    tiles = {tile["name"].replace("|", " "): tile for tile in spec["data"]["values"]}
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    shown = dict(zip(scale["domain"], scale["range"], strict=True))
    assert {name: shown[tile["kind"]] for name, tile in tiles.items()} == dict(rows.select("name", "colour").rows())
    assert len({(tile["x"], tile["y"]) for tile in tiles.values()}) == 25
    assert tiles["Lima"]["limit"] == "50"
    assert tiles["Ica"]["limit"] == "50 †"
    assert "Cajamarca 50" in spec["description"]


def test_a_suspended_limit_is_marked() -> None:
    rows = limits.limits_on(law(), dt.date(2024, 1, 1))
    marked = rows.filter(pl.col("exception") != "none")
    assert (sorted(marked["department"]), set(marked["exception"])) == (["amazonas", "piura", "tumbes"], {"not_known"})
    overlaid = law(values=[ROOT / "examples" / "pe-fuel-exception.yaml"])
    assert limits.limit_of(overlaid, "piura", dt.date(2022, 8, 1)).exception == "in_force"
    assert limits.limit_of(overlaid, "piura", dt.date(2024, 1, 1)).exception == "none"


def test_the_reading_to_the_letter_is_drawn_too() -> None:
    plain = limits.limit_of(law(), "piura", dt.date(2010, 1, 1))
    letter = limits.limit_of(law(readings={"diesel_2010": "law"}), "piura", dt.date(2010, 1, 1))
    assert (plain.limit, letter.limit, letter.provision) == (5000, 50, "Law 28694, art. 2")


def test_gasoline_in_exempt_departments() -> None:
    on = dt.date(2024, 1, 1)
    regular = limits.limits_on(law(), on, fuel="regular")
    premium = limits.limits_on(law(), on, fuel="premium")
    assert regular.filter(pl.col("kind") == "exempt")["department"].to_list() == ["loreto", "ucayali"]
    assert premium["kind"].to_list() == ["50"] * 25
    assert set(limits.limits_on(law(), dt.date(2017, 12, 31), fuel="premium")["kind"]) == {"not known"}


def test_timelines_hold_every_department_and_follow_each_other() -> None:
    rows = limits.timelines(law())
    diesel = rows.filter(pl.col("fuel") == "diesel")
    groups = diesel.group_by("departments", maintain_order=True).agg(pl.col("from", "until", "kind"))
    assert sum(len(group.split(", ")) for group in groups["departments"]) == 25
    for starts, ends in groups.select("from", "until").iter_rows():
        assert starts[1:] == ends[:-1]
        assert ends[-1] is None
    lima = diesel.filter(pl.col("departments") == "Callao, Lima")
    assert lima.select("from", "kind", "provision").rows() == [
        (dt.date(2006, 1, 1), "5000", "DS 041-2005-EM"),
        (dt.date(2010, 1, 1), "50", "Law 28694, art. 2"),
        (dt.date(2027, 12, 31), "10", "DS 011-2025-EM"),
    ]
    assert rows.filter(pl.col("fuel") == "premium")["departments"].unique().to_list() == ["all departments"]


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEANFLEET_LANG", raising=False)

    def go(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cleanfleet", *words])
        with pytest.raises(SystemExit) as ended:
            main.run()
            raise SystemExit(0)
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return go


def test_the_map_command_draws_and_prints_its_table(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("fuel-map", "--on", "2018-04-01", "--known", "2026-11-22", "--out", "map.svg", "--table", "map.csv")
    assert code == 0
    assert "Sulfur limit by department on 2018-04-01: diesel" in out
    drawn = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert drawn.count("Tumbes 5000") == 2  # described for screen readers, in the file's head and label
    assert drawn.startswith("<svg")
    table = pl.read_csv(tmp_path / "map.csv")
    assert table.height == 25
    assert table.filter(pl.col("department") == "san_martin")["limit_mg_per_kg"].item() == 5000


def test_the_commands_speak_spanish(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(
        "fuel-map", "--on", "2024-01-01", "--known", "2026-11-22", "--fuel", "regular", "--lang", "es", "--out", "m.png"
    )
    assert code == 0
    assert "Límite de azufre por departamento el 2024-01-01: gasolina y gasohol 84, 90, Regular" in out
    assert "exceptuado" in out
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = run("fuel-limits", "--known", "2021-06-01", "--stage", "wholesale", "--lang", "es", "--json")
    rows = json.loads(out)["rows"]
    assert {row["kind"] for row in rows} == {"5000", "50", "50 or 5000", "10 or 50", "10", "exempt", "not known"}


def test_the_limits_command(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("fuel-limits", "--known", "2026-11-22", "--out", "t.svg", "--table", "t.jsonl")
    assert (code, (tmp_path / "t.svg").exists(), (tmp_path / "t.jsonl").exists()) == (0, True, True)
    assert "all other departments" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fuel-map", "--on", "soon"), "--on: 'soon' is not a date"),
        (("fuel-map", "--out", "x.gif"), "x.gif: a picture ends in .svg or .png"),
        (("fuel-map", "--out", "x.svg", "--table", "x.svg"), "name another file"),
        (("fuel-limits", "--lang", "fr"), "pe-fuel-quality has no language 'fr'; known are en, es"),
        (("fuel-map", "--fuel", "kerosene"), "kerosene"),
    ],
)
def test_mistakes_end_with_one_line(run: Run, words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pe-fuel-map-2018", ("fuel-map", "--on", "2018-04-01")),
        ("pe-fuel-map-2026", ("fuel-map", "--on", "2026-11-22")),
        ("pe-fuel-limits", ("fuel-limits",)),
    ],
)
def test_the_pictures_of_the_docs_are_up_to_date(run: Run, name: str, words: tuple[str, ...], tmp_path: Path) -> None:
    assert run(*words, "--known", "2026-11-22", "--out", "new.svg")[0] == 0
    kept = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert (tmp_path / "new.svg").read_text(encoding="utf-8") == kept
