"""Layouts, presets, mapping files, and which column is which."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from cleanfleet.law.columns import Column
from cleanfleet.law.errors import InputError
from cleanfleet.tables import Layout, load_layout, presets

from .conftest import COLUMNS, read_all

Put = Callable[[str, str | bytes], Path]

REQUIRED = [Column("make", "text"), Column("tare_kg", "integer", minimum=Decimal(1), maximum=Decimal(9999), required=True)]


def test_names_match_exactly_then_folded(put: Put) -> None:
    got = read_all(put("x.csv", "Tare-kg,tare_kg,MAKE\n1,2,a\n"))
    assert got.table.sources == {"make": "MAKE", "tare_kg": "tare_kg"}
    assert "columns not used: Tare-kg" in got.table.notes
    with pytest.raises(InputError, match="'Tare kg' and 'TARE_KG' could each be tare_kg"):
        read_all(put("y.csv", "Tare kg,TARE_KG\n1,2\n"))


def test_mapping_wins_over_the_name(put: Put) -> None:
    path = put("x.csv", "make,brand,tare_kg\nx,y,1\n")
    got = read_all(path, layout=Layout(columns={"make": ["trademark", "Brand"]}))
    assert got.typed["make"].to_list() == ["y"]
    # a column that is mapped to one of ours is not another by its name
    swapped = read_all(path, layout=Layout(columns={"vin": "make"}))
    assert swapped.table.sources == {"vin": "make", "tare_kg": "tare_kg"}
    # and may be two of ours
    both = read_all(path, layout=Layout(columns={"vin": "brand", "make": "brand"}))
    assert both.typed.select("vin", "make").row(0) == ("y", "y")


def test_missing_required_column(put: Put) -> None:
    with pytest.raises(
        InputError, match=r"lacks the required column tare_kg .* it has make, tare; for tare_kg did you mean tare\?"
    ):
        read_all(put("x.csv", "make,tare\na,1\n"), REQUIRED)
    got = read_all(put("y.csv", "make\na\n"), REQUIRED, constants={"tare_kg": "1482"})
    assert got.typed.row(0) == ("a", Decimal(1482))
    absent = read_all(put("y.csv", "make\na\n"), REQUIRED, layout=Layout(absent=["tare_kg"]))
    assert absent.typed.columns == ["make"]


def test_constants_only_fill(put: Put) -> None:
    path = put("x.csv", "make\na\nb\n")
    constants = {
        "tare_kg": "900",
        "co2_g_per_km": "12.5",
        "powertrain": "PETROL",
        "accepted_on": "2026-01-02",
        "imported": "yes",
    }
    got = read_all(path, constants=constants, layout=Layout(constants={"powertrain": "diesel"}))
    assert got.typed.row(1) == ("b", Decimal(900), Decimal("12.5"), "petrol", dt.date(2026, 1, 2), True)
    from_layout = read_all(path, layout=Layout(constants={"powertrain": "diesel"}))
    assert from_layout.typed["powertrain"].to_list() == ["diesel"] * 2
    assert "powertrain is diesel in every row (layout)" in from_layout.table.notes
    for bad, message in [
        ({"make": "x"}, r"make is given as the constant 'x', but the file has it too \(column make\)"),
        ({"tare": "1"}, r"'tare' is not a column of the policy; did you mean tare_kg"),
        ({"tare_kg": "heavy"}, "the constant for tare_kg: 'heavy' is not a number"),
        ({"tare_kg": "5"}, "outside the allowed range"),
        ({"tare_kg": " "}, "the constant for tare_kg is empty"),
        ({"powertrain": "steam"}, "is not one of the allowed values"),
    ]:
        with pytest.raises(InputError, match=message):
            read_all(path, constants=bad)


def test_values_and_empty_cells(put: Put) -> None:
    text = "make,tare_kg,powertrain,co2_g_per_km\nn/a,0,Essence ,0\n-,0.0,DIE sel,5\na,00,Vapeur,n/a\nb,1,,-\n"
    layout = Layout(
        values={"powertrain": {"Essence": "petrol", "die-SEL": "diesel", "*": ""}},
        empty=["n/a", "-"],
        empty_in={"tare_kg": ["0"]},
    )
    got = read_all(put("x.csv", text), layout=layout)
    assert got.refusal == [None] * 4
    assert got.typed["make"].to_list() == [None, None, "a", "b"]
    assert got.typed["tare_kg"].to_list() == [None, None, None, Decimal(1)]
    assert got.typed["powertrain"].to_list() == ["petrol", "diesel", None, None]
    assert got.typed["co2_g_per_km"].to_list() == [Decimal(0), Decimal(5), None, None]
    # an unlisted value without '*' is the law's to refuse
    kept = read_all(put("x.csv", text), layout=Layout(values={"powertrain": {"Essence": "petrol"}}, empty=["n/a", "-"]))
    assert kept.typed["powertrain"].to_list() == ["petrol", "DIE sel", "Vapeur", None]


def test_dates_from_parts(put: Put) -> None:
    layout = Layout(dates={"accepted_on": {"year": "YEAR", "month": "MONTH", "day": "1"}})
    got = read_all(put("x.csv", "year,month\n2026,3\n2026.0,12\n,3\n2026,13\nx,1\n"), layout=layout)
    assert got.typed["accepted_on"].to_list() == [dt.date(2026, 3, 1), dt.date(2026, 12, 1), None, None, None]
    assert got.refusal == [None, None, None, "not_a_date:accepted_on", "not_a_date:accepted_on"]
    assert "accepted_on is put together from year, month, 1 (year, month, day)" in got.table.notes


def test_mapping_file(put: Put) -> None:
    mapping = put(
        "map.yaml",
        "columns: {make: [Marque, Brand], powertrain: Energy}\nconstants: {imported: no}\n"
        "values: {powertrain: {E: petrol}}\ndecimal: ','\nflags: duplicate_row\nempty: ['?']\n",
    )
    layout = load_layout(None, mapping, COLUMNS)
    got = read_all(put("x.csv", "Brand;Energy;tare_kg\na;E;12,5\n?;E;1\n"), layout=layout)
    assert got.typed.row(0) == ("a", Decimal("12.5"), "petrol", False)
    assert got.typed["make"].to_list() == ["a", None]
    with pytest.raises(InputError, match="has no column Marque or Brand, which is mapped to make"):
        read_all(put("y.csv", "make;Energy\na;E\n"), layout=layout)


def test_mapping_file_changes_a_preset(put: Put) -> None:
    mapping = put("map.yaml", "columns: {make: Brand}\nflags: []\n")
    layout = load_layout("ademe", mapping, COLUMNS)
    assert layout.columns["make"] == "Brand"
    assert layout.columns["tare_kg"] == "Poids à vide"
    assert (layout.flags, layout.decimal, layout.mapped) == ([], ",", {"make"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("columns: {mark: Brand}", r"there is no column 'mark'; did you mean make"),
        ("colums: {make: Brand}", r"unknown key 'colums'; did you mean columns"),
        ("columns: [make]", "columns must be a mapping"),
        ("columns: {make: {a: b}}", "must be a list of values"),
        ("values: {make: x}", "must be a mapping"),
        ("dates: {accepted_on: {year: Y}}", "must name year, month and day"),
        ("flags: [odd]", "unknown flag 'odd'"),
        ("not_unique: [win]", "there is no column 'win'"),
        ("decimal: ;", "decimal must be"),
        ("decimal: [',']", "must be one value"),
        ("variants: {a: {}}", "only presets have variants"),
        ("- a\n- b", "must be a mapping with the keys"),
        ("columns: {make: a, make: b}", "'make' is given twice"),
        ("columns: {make: [", "is not readable YAML"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_bad_mapping_files(put: Put, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_layout(None, put("map.yaml", content), COLUMNS)


def test_missing_mapping_file_and_preset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the mapping file can't be read"):
        load_layout(None, tmp_path / "none.yaml", COLUMNS)
    with pytest.raises(InputError, match="there is no preset 'ademi'; did you mean ademe"):
        load_layout("ademi", None, COLUMNS)
    with pytest.raises(InputError, match="there is no preset 'ademe:mix'"):
        load_layout("ademe:mix", None, COLUMNS)
    assert load_layout(None, None, COLUMNS) == Layout()


def test_presets_are_told(columns: list[Column]) -> None:
    assert {"ademe", "ademe:min", "nz-mvr"} <= set(presets())
    for name, description in presets().items():
        assert description
        load_layout(name, None, columns)


def test_options_are_checked(put: Put) -> None:
    path = put("x.csv", "make\na\n")
    with pytest.raises(InputError, match="unique: there is no column 'win'"):
        read_all(path, unique=["win"])
    with pytest.raises(InputError, match="batch_rows must be 1 or more"):
        read_all(path, batch_rows=0)


def test_constants_are_exact(put: Put) -> None:
    fine = [Column("make", "text"), Column("x", "decimal", decimals=18, minimum=Decimal(0), maximum=Decimal(10**15))]
    got = read_all(put("x.csv", "make\na\n"), fine, constants={"x": "123456789012345.123456789012345678"})
    assert got.typed["x"].to_list() == [Decimal("123456789012345.123456789012345678")]


def test_other_names_of_a_column(put: Put) -> None:
    columns = [
        *REQUIRED,
        Column("mass", "integer", minimum=Decimal(1), maximum=Decimal(9999), names=("整备质量", "curb mass")),
    ]
    got = read_all(put("x.csv", "make,tare_kg,整备质量\na,1,1500\n"), columns)
    assert got.typed["mass"].to_list() == [Decimal(1500)]
    folded = read_all(put("y.csv", "make,tare_kg,Curb_Mass\na,1,1400\n"), columns)
    assert folded.typed["mass"].to_list() == [Decimal(1400)]
    # the column's own name goes before its other names
    own = read_all(put("z.csv", "make,tare_kg,curb mass,mass\na,1,1400,1300\n"), columns)
    assert own.typed["mass"].to_list() == [Decimal(1300)]
    with pytest.raises(InputError, match="'整备质量' and 'curb mass' could each be mass; name one in a mapping"):
        read_all(put("w.csv", "make,tare_kg,curb mass,整备质量\na,1,1400,1300\n"), columns)
