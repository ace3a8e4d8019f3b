"""A statement as CSV or XLSX."""

from __future__ import annotations

from pathlib import Path

import xlsxwriter

from cleanfleet.registry.refusals import Invalid

from .statement import Statement


def write(statement: Statement, path: Path) -> None:
    """Write a statement to ``path``: .csv has the entries, .xlsx the balances and an earlier register's entries too. Another ending is refused."""
    if path.suffix.lower() == ".csv":
        statement.frame().write_csv(path)
    elif path.suffix.lower() == ".xlsx":
        with xlsxwriter.Workbook(path) as book:
            sheets = [("Balances", statement.balances()), ("Entries", statement.frame())]
            if statement.before:
                sheets.append(("Before", statement.earlier()))
            for name, frame in sheets:
                frame.write_excel(book, worksheet=name, autofit=True, freeze_panes=(1, 0))
    else:
        raise Invalid("file", f"{path.name} ends in {path.suffix or 'nothing'}; allowed are .csv and .xlsx", field="file")
