"""A package in memory: its tables' rows as they were written, its digest, its parts on the way into the register."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cleanfleet.registry.ledger.operations import canonical, chunks

from .layout import TABLES

#: Rows of one part; of tables with private texts one, because the texts of one operation have one salt and are erased together.
ROWS, PRIVATE_ROWS = 5000, 1
ERROR, WARNING = "error", "warning"


class Finding(NamedTuple):
    """One thing that the dry run found: where, the value, what is allowed, and the whole row as it was written."""

    severity: str
    code: str
    table: str
    row: int | None
    field: str
    value: str
    allowed: str
    original: str = ""


class Row(NamedTuple):
    """One row: its number in its table, from 1, and its cells that aren't empty, as text."""

    number: int
    cells: dict[str, str]


class Part(NamedTuple):
    """Some rows of one table; ``private`` are the erasable cells, by ``row:column``."""

    number: int
    table: str
    rows: list[Row]
    private: dict[str, str]


@dataclass
class Package:
    """The tables by name, and what was found while they were read."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    #: (table, row) -> the operation that has the row's private texts, once it was handed over.
    operations: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over all cells but the erasable ones: the same for the same content, whatever files it stands in."""
        content = hashlib.sha256()
        for name, table in TABLES.items():
            private = {column.name for column in table.columns.values() if column.private}
            for row in self.tables.get(name, ()):
                told = {column: cell for column, cell in row.cells.items() if column not in private}
                content.update(canonical([name, row.number, told]).encode() + b"\n")
        return content.hexdigest()

    def parts(self) -> Iterator[Part]:
        """The parts in which it is handed over, numbered from 1."""
        number = 0
        for name, table in TABLES.items():
            private = {column.name for column in table.columns.values() if column.private}
            for _, some in chunks(self.tables.get(name, []), PRIVATE_ROWS if private else ROWS):
                number += 1
                kept = [Row(row.number, {c: cell for c, cell in row.cells.items() if c not in private}) for row in some]
                hidden = {f"{row.number}:{c}": cell for row in some for c, cell in row.cells.items() if c in private}
                yield Part(number, name, kept, hidden)

    def add(self, table: str, rows: list[Row], private: Mapping[str, str]) -> None:
        """Put a part's rows behind those that are there, with their private cells."""
        cells: dict[int, dict[str, str]] = {}
        for place, text in private.items():
            number, _, column = place.partition(":")
            cells.setdefault(int(number), {})[column] = text
        self.tables.setdefault(table, []).extend(Row(row.number, {**row.cells, **cells.get(row.number, {})}) for row in rows)


def rows_of(data: list[Any]) -> list[Row]:
    """Rows back from an operation's input."""
    return [Row(int(number), dict(cells)) for number, cells in data]
