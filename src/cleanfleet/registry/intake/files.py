"""A package as files: a folder of CSV files, or one XLSX workbook with a sheet for each table."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastexcel
import xlsxwriter

from cleanfleet.law.errors import InputError
from cleanfleet.registry.refusals import Conflict, Invalid
from cleanfleet.tables.csv_source import CsvSource
from cleanfleet.tables.source import Source
from cleanfleet.tables.xlsx_source import XlsxSource

from .layout import TABLES
from .package import ERROR, Finding, Package, Row

SUFFIXES = (".csv", ".tsv")


def read(path: Path) -> Package:
    """The package at ``path``. What can't be read of it are findings; :class:`Invalid` where there is none at all."""
    if path.is_dir():
        found = {file.stem: file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES}
        if not found:
            raise Invalid("file", f"{path} has no CSV file; needed are those of {', '.join(TABLES)}", field="file")
        package = Package()
        for name, file in found.items():
            _table(package, name, lambda file=file: None if _without_records(file) else CsvSource(file))
        return package
    if path.suffix.lower() != ".xlsx" or not path.is_file():
        raise Invalid("file", f"{path} is neither a folder nor an XLSX workbook", field="file")
    try:
        sheets = fastexcel.read_excel(path).sheet_names
    except fastexcel.FastExcelError as error:
        raise Invalid("file", f"{path}: is not a readable XLSX workbook ({str(error).splitlines()[0]})") from None
    package = Package()
    for name in sheets:
        _table(package, name, lambda name=name: None if _empty_sheet(path, name) else XlsxSource(path, sheet=name))
    return package


def _table(package: Package, name: str, opened: Any) -> None:
    if name not in TABLES:
        allowed = f"the tables {', '.join(TABLES)}"
        package.findings.append(Finding(ERROR, "unknown_table", name, None, "", name, allowed))
        return
    try:
        source = opened()
        package.tables[name] = [] if source is None else list(_rows(package, name, source))
    except InputError as error:
        package.findings.append(Finding(ERROR, "unreadable", name, None, "", str(error), "a readable table"))


def _rows(package: Package, name: str, source: Source) -> Iterator[Row]:
    for block in source.blocks():
        bad = {} if block.broken is None else dict(zip(block.row, block.broken, strict=True))
        columns = block.frame.columns
        for _, code, rows in block.cells:
            for number in rows:
                package.findings.append(
                    Finding(ERROR, code, name, int(number), "", "", "a cell without an error of the spreadsheet")
                )
        for number, cells in zip(block.row, block.frame.iter_rows(), strict=True):
            row = Row(int(number), {c: text for c, cell in zip(columns, cells, strict=True) if (text := _text(cell))})
            if bad.get(number):
                line = row.cells.get(source.raw_column, "")
                allowed = f"a row with {len(source.schema)} cells"
                package.findings.append(Finding(ERROR, str(bad[number]), name, row.number, "", line, allowed, line))
            else:
                yield row


def _text(cell: Any) -> str:
    """A cell as a CSV file would have it: ISO dates, true and false, whole numbers without a point."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(" ")
    if isinstance(cell, dt.date):
        return cell.isoformat()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else f"{Decimal(repr(cell)):f}"
    return str(cell).strip()


def _without_records(file: Path) -> bool:
    """A table of which there is nothing: a header alone. The readers of lists take that for a mistake."""
    with file.open("rb") as there:
        start = there.read(1 << 16)
    return len(start) < 1 << 16 and sum(bool(line.strip()) for line in start.splitlines()) <= 1


def _empty_sheet(path: Path, name: str) -> bool:
    return bool(fastexcel.read_excel(path).load_sheet(name, header_row=None, dtypes="string", n_rows=2).height < 2)


def _columns(name: str, rows: list[Row]) -> list[str]:
    known = list(TABLES[name].columns)
    more = sorted({column for row in rows for column in row.cells} - set(known)) if TABLES[name].attributes else []
    return [*known, *more]


def write(package: Package, path: Path) -> None:
    """Write a package as a new folder of CSV files, or as a new XLSX workbook where the name ends in .xlsx."""
    if path.exists():
        raise Conflict("exists", f"{path} is there already; an export overwrites nothing", field="file")
    if path.suffix.lower() == ".xlsx":
        with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
            for name in TABLES:
                rows = package.tables.get(name, [])
                sheet = book.add_worksheet(name)
                columns = _columns(name, rows)
                for at, cells in enumerate([columns, *([row.cells.get(c, "") for c in columns] for row in rows)]):
                    sheet.write_row(at, 0, cells)
        return
    path.mkdir(parents=True)
    for name in TABLES:
        rows = package.tables.get(name, [])
        columns = _columns(name, rows)
        text = io.StringIO(newline="")
        out = csv.writer(text, lineterminator="\n")
        out.writerow(columns)
        out.writerows([row.cells.get(column, "") for column in columns] for row in rows)
        (path / f"{name}.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
