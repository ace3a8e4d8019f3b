"""docs/co-heavy-duty-engines.md against the seed's rows (typed here), the garbled places, the examples and the program."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from cleanfleet import policies
from cleanfleet.law.values import read_yaml

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "co-heavy-duty-engines.md").read_text(encoding="utf-8")
DEFINITION = policies.definition("co-heavy-duty-engines")
README = (DEFINITION.folder / "README.md").read_text(encoding="utf-8")

#: The seed's rows, cell by cell as it prints them (empty cells left out), and its notes, shortened.
ROWS: dict[str, list[str]] = {
    "T1.1": ["Resolution 910 of 2008", "01/2010", "Gasoline heavy duty engines", "U.S. EPA 1998"],
    "T1.2": ["Diesel heavy-duty engines", "U.S. EPA 1996 or Euro II"],
    "T1.3": ["Resolution 1111 of 2013", "01/2015", "CNG and LPG heavy-duty engines", "U.S. EPA 2005 or Euro IV"],
    "T1.4": ["Diesel heavy-duty engines", "Euro IV/Euro V with OBD/U.S. EPA 2010 with HD OBD"],
    "T1.5": ["Resolution 0762 of 2022", "01/2023", "Diesel heavy-duty engines", "Euro VI or equivalent"],
    "T1.6": ["CNG and LPG Heavy-duty engines", "Euro VI or equivalent"],
    "T2.1": ["Euro II", "01/2010", "ECE R-49", "4", "1.1", "7", "0.15"],
    "T2.2": ["Euro IV(a)", "01/2015", "ETC/ESC", "1.5", "4(b)", "0.46(b)"],
    "T2.3": ["Euro VI(e)", "01/2023", "World Harmonized Test Cycle (WHTC)(e)", "4", "0.16(c)", "0.46", "0.01", "6×1011"],
    "T2.4": ["World Harmonized Stationary Cycle (WHSC)", "1.5", "0.13", "0.4", "0.01", "8×1011"],
    "T2.a": ["a. Colombia did not adopt Euro IV NOx limits"],
    "T2.b": ["the limit is still 0.46 g/kwh"],
    "T2.c": ["c. Measured as THC for diesel (compression-ignition) engines"],
    "T2.d": ["d. Resolution 0762 adds the WHSC as a requirement for compliance"],
    "T2.e": ["e. The WHTC also includes a 10-ppm NH3 limit"],
    "T3.1": ["Gasoline", "U.S. EPA", "01/2010", "US HDTC", "LHDGE(a)", "14.4", "1.1", "4", "g/BHP-h"],
    "T3.2": ["US HDTC", "HHDGE(a)", "37.1", "1.9"],
    "T3.3": [
        "Liquid natural gas (LNG) and liquid petroleum gas (LPG)", "Euro IV", "01/2015", "ETC/ESC", "4", "1.1", "0.55", "3.5", "g/kW-h",
    ],
    "T3.4": ["US HDTC", "LHDGE(a)", "14.4", "1(b)", "g/BHP-h"],
    "T3.5": ["Euro VI(c)", "01/2023", "World Harmonized Test Cycle (WHTC)", "4", "0.5", "0.16", "0.46", "0.01", "g/kW-h"],
    "T3.a": ["a. U.S. EPA regulations set separate carbon monoxide limits"],
    "T3.b": ["NMHC and NOx are regulated as one limit"],
    "T3.c": ["c. Euro VI emissions standards also establish a 10-ppm NH3 limit"],
}  # fmt: skip
GARBLED = {"T2.2": "C1", "T2.3": "C4", "T2.4": "C4", "T2.a": "C2", "T2.e": "C5", "T3.2": "C15"}


def table(start: str) -> dict[str, list[str]]:
    lines = [line for line in PAGE.splitlines() if re.match(rf"\| {start}", line)]
    return {cells[0]: cells for line in lines if (cells := [cell.strip() for cell in line.strip("|").split(" | ")])}


def test_every_row_of_the_seed_stands_in_the_table() -> None:
    found = table("T")
    assert list(found) == list(ROWS)
    for row, printed in ROWS.items():
        _, as_printed, state, used, _ = (cell.strip() for cell in found[row])
        cells = as_printed.split(" · ")
        if len(printed) > 1:
            assert cells == printed, row
        else:
            assert printed[0] in as_printed, row
        assert used, row
        if row in GARBLED:
            assert state.startswith(("garbled", "contradicted")), row
            assert GARBLED[row] in state, row
        else:
            assert state.startswith("reproduced"), row


def test_every_garbled_place_stands_in_the_table() -> None:
    found = table("C")
    assert list(found) == [f"C{number}" for number in range(1, 17)]
    assert all(len(cells) == 3 and cells[2].strip(" |") for cells in found.values())


def test_the_examples_that_the_page_names_exist() -> None:
    file = read_yaml(DEFINITION.folder / "examples.yaml")
    ids = {e["id"] for key in ("doubtful", "boundaries", "known", "examples") for e in file[key]}
    for row, cells in table("T").items():
        for name in cells[4].strip(" |").split(", "):
            if name.startswith("limits of "):
                report = name.removeprefix("limits of ")
                assert row in {e.get("seed") for e in file["limits"] if e["report"] == report}, (row, name)
            else:
                entry = next(
                    e for key in ("doubtful", "boundaries", "known", "examples") for e in file[key] if e["id"] == name
                )
                assert name in ids
                assert row in (entry.get("seed") or "").split(), (row, name)


def test_the_example_on_the_page() -> None:
    block = re.search(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    assert block
    rows = list(csv.DictReader(io.StringIO(block[1])))
    policy = policies.load("co-heavy-duty-engines", known="2026-11-22")
    first = policy.one([row for row in rows if row["report"] == "A-17"])
    assert (first["status"], first["reason"]) == ("fail", "over:nox:WHSC")
    second = policy.one([row for row in rows if row["report"] == "B-03"])
    assert (second["status"], second["reason"]) == ("incomplete", "between:nox:ETC:3.5-7")


def test_the_readme_tells_each_reading_and_each_reason() -> None:
    for value in DEFINITION.values.values():
        if value.kind == "reading":
            assert f"`{value.name}`" in README
            assert all(f"`{choice}`" in README for choice in value.allowed), value.name
    for check in DEFINITION.checks:
        assert check.name.split(":")[0] in README or "differ the row is refused" in README
    for flag in ("hc_in_place_of_nmhc", "nmhc_not_judged", "cycle_not_of_standard"):
        assert flag in README + PAGE
    spanish = README.split("## En español")[1]
    for status in ("pass", "fail", "incomplete", "not_admitted", "excluded", "refused"):
        assert f"`{status}`" in spanish
        assert f"`{status}`" in PAGE
