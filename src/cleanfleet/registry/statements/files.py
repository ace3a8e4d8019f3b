"""A statement as CSV or XLSX."""

from __future__ import annotations

from pathlib import Path

import xlsxwriter

from cleanfleet.registry.refusals import Invalid

from .clients import ClientsStatement
from .statement import Statement


def write(statement: Statement | ClientsStatement, path: Path) -> None:
    """Write a statement to ``path``: .csv has its first table (entries; the clients' parts), .xlsx all. Another ending is refused."""
    if path.suffix.lower() == ".csv":
        statement.frame().write_csv(path)
    elif path.suffix.lower() == ".xlsx":
        with xlsxwriter.Workbook(path) as book:
            for name, frame in statement.sheets().items():
                frame.write_excel(book, worksheet=name, autofit=True, freeze_panes=(1, 0))
    else:
        raise Invalid("file", f"{path.name} ends in {path.suffix or 'nothing'}; allowed are .csv and .xlsx", field="file")
