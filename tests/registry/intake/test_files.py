"""Packages as files: CSV and XLSX read alike, and what can't be read is found; the format's page is made from the format."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import xlsxwriter

from cleanfleet.registry.intake import files, layout
from cleanfleet.registry.intake.package import ROWS, Package, Row
from cleanfleet.registry.refusals import Invalid
from registry.intake import packages

PAGE = Path(__file__).parents[3] / "docs" / "registry-intake.md"


def test_a_folder_and_a_workbook_are_read_alike(tmp_path: Path) -> None:
    given = packages.package(packages.rows())
    files.write(given, tmp_path / "p")
    files.write(given, tmp_path / "p.xlsx")
    one, other = files.read(tmp_path / "p"), files.read(tmp_path / "p.xlsx")
    assert one.tables == other.tables == {**given.tables, **{name: [] for name in ("fleet_years", "fleet_shares")}}
    assert one.digest == other.digest == given.digest
    assert one.findings == other.findings == []


def test_cells_of_a_spreadsheet_are_read_as_text(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "p.xlsx") as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet = book.add_worksheet("lots")
        sheet.write_row(0, 0, ["account", "earned_on", "grams", "listed", "co2"])
        sheet.write(1, 0, "A-1")
        sheet.write_datetime(1, 1, dt.datetime(2026, 3, 31), day)
        sheet.write_number(1, 2, 30)
        sheet.write_boolean(1, 3, True)
        sheet.write_number(1, 4, 99.5)
        book.add_worksheet("charges").write_row(0, 0, ["account"])
        book.add_worksheet("notes")
    read = files.read(tmp_path / "p.xlsx")
    cells = {"account": "A-1", "earned_on": "2026-03-31", "grams": "30", "listed": "true", "co2": "99.5"}
    assert read.tables == {"lots": [Row(1, cells)], "charges": []}
    assert [(f.code, f.table) for f in read.findings] == [("unknown_table", "notes")]


def test_what_can_not_be_read_is_found(tmp_path: Path) -> None:
    (tmp_path / "lots.csv").write_text("account;pool\nA-1;used\nA-2\nA-3;used\n")
    (tmp_path / "prices.csv").write_text("a,b\n1,2\n")
    (tmp_path / "money.csv").write_text('account,"cents\n1,2\n')
    (tmp_path / "readme.md").write_text("not a table")
    read = files.read(tmp_path)
    assert [row.cells for row in read.tables["lots"]] == [
        {"account": "A-1", "pool": "used"},
        {"account": "A-3", "pool": "used"},
    ]
    found = {(f.severity, f.code, f.table, f.row, f.value) for f in read.findings}
    assert ("error", "ragged_row", "lots", 2, "A-2") in found
    assert ("error", "unknown_table", "prices", None, "prices") in found
    assert ("unreadable", "money") in {(f.code, f.table) for f in read.findings}


def test_there_must_be_a_package(tmp_path: Path) -> None:
    (tmp_path / "p.xlsx").write_text("no workbook")
    (tmp_path / "empty").mkdir()
    for path, message in (("empty", "has no CSV file"), ("p.xlsx", "not a readable XLSX"), ("p.ods", "neither a folder")):
        with pytest.raises(Invalid, match=message):
            files.read(tmp_path / path)


def test_parts_are_put_together_again() -> None:
    people = [Row(n, {"person": f"p{n}", "full_name": f"N{n}", "email": f"{n}@x"}) for n in (1, 2)]
    given = Package({"persons": people, "grants": [Row(n, {"person": "p1"}) for n in range(1, ROWS + 2)]})
    parts = list(given.parts())
    sizes = [(1, "persons", 1), (2, "persons", 1), (3, "grants", ROWS), (4, "grants", 1)]
    assert [(part.number, part.table, len(part.rows)) for part in parts] == sizes
    assert "email" not in parts[0].rows[0].cells
    again = Package()
    for part in parts:
        again.add(part.table, part.rows, part.private)
    assert again.tables == given.tables


def test_the_page_has_the_format_s_reference() -> None:
    text = PAGE.read_text()
    assert text.endswith(layout.reference())
    for name in layout.TABLES:
        assert f"### {name}\n" in text
