"""From cells to values: unknown columns, missing and bad values, rows that share their key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cleanfleet.law.columns import Column as Input
from cleanfleet.law.errors import near
from cleanfleet.registry.ledger.operations import ERASED_IN_REPLAY, canonical
from cleanfleet.registry.vehicles import assessing

from .layout import TABLES, Table
from .package import ERROR, WARNING, Finding, Package, Row

#: Characters of the longest cell that can be handed over.
LONGEST = 2000
#: What stands for a private text that was erased.
ERASED = ("", ERASED_IN_REPLAY)


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A row with its values by column; columns without a cell aren't in it. ``attributes`` are a vehicle's inputs."""

    number: int
    values: dict[str, Any]
    cells: dict[str, str]
    attributes: dict[str, str]

    def get(self, column: str, default: Any = None) -> Any:
        return self.values.get(column, default)

    def __getitem__(self, column: str) -> Any:
        return self.values[column]


class Values:
    """A package's values, and what was found; the checks add to it."""

    def __init__(self, package: Package, inputs: Mapping[str, Input]) -> None:
        self.findings = list(package.findings)
        self.operations = package.operations
        self.inputs = {name: column for name, column in inputs.items() if name != "condition"}
        self.tables: dict[str, list[Read]] = {}
        #: Keys that the package has, those of rows with a fault too, so that one fault isn't told twice.
        self.keys = {
            name: {row.cells[key] for row in package.tables.get(name, ()) if key in row.cells}
            for name, key in (("persons", "person"), ("holders", "holder"), ("accounts", "account"))
        }
        for name, table in TABLES.items():
            rows = package.tables.get(name, [])
            self._columns(table, rows)
            self.tables[name] = [read for row in rows if (read := self._row(table, row)) is not None]
            self._keys(table)

    def __getitem__(self, table: str) -> list[Read]:
        return self.tables[table]

    @property
    def sound(self) -> bool:
        """Whether no error was found so far."""
        return not any(finding.severity == ERROR for finding in self.findings)

    def error(self, table: str, row: Read | Row | None, field: str, code: str, allowed: str) -> None:
        self._add(ERROR, table, row, field, code, allowed)

    def warn(self, table: str, row: Read | Row | None, field: str, code: str, allowed: str) -> None:
        self._add(WARNING, table, row, field, code, allowed)

    def _add(self, severity: str, table: str, row: Read | Row | None, field: str, code: str, allowed: str) -> None:
        number, cells = (None, {}) if row is None else (row.number, row.cells)
        original = canonical(cells) if cells else ""
        self.findings.append(Finding(severity, code, table, number, field, cells.get(field, ""), allowed, original))

    def _columns(self, table: Table, rows: list[Row]) -> None:
        known = [*table.columns, *(self.inputs if table.attributes else ())]
        for name in dict.fromkeys(column for row in rows for column in row.cells):
            if name not in known:
                first = next(row for row in rows if name in row.cells)
                self.error(table.name, first, name, "unknown_column", f"a column of {table.name}; {near(name, known)}")

    def _row(self, table: Table, row: Row) -> Read | None:
        values: dict[str, Any] = {}
        attributes: dict[str, str] = {}
        whole = True
        for name, cell in row.cells.items():
            column = table.columns.get(name)
            if column is None:
                one = self.inputs.get(name) if table.attributes else None
                if one is not None:
                    attributes[name] = cell
                    if assessing.unreadable(one, cell) or len(cell) > LONGEST:
                        self.error(table.name, row, name, "bad_value", one.allowed)
                        whole = False
                continue
            try:
                values[name] = column.read(cell)
            except (ValueError, KeyError):
                self.error(table.name, row, name, "bad_value", column.allowed)
                whole = False
        for column in table.columns.values():
            if column.required and column.name not in row.cells:
                self.error(table.name, row, column.name, "missing", column.allowed)
                whole = False
        return Read(row.number, values, row.cells, attributes) if whole else None

    def _keys(self, table: Table) -> None:
        seen: dict[tuple[Any, ...], Read] = {}
        for row in self.tables[table.name] if table.key else ():
            key = tuple(row.get(name) for name in table.key)
            first = seen.setdefault(key, row)
            if first is row:
                continue
            if table.name == "holders" and first["kind"] != row["kind"]:
                self.error(table.name, row, "kind", "both_kinds", f"one of both; row {first.number} says {first['kind']}")
            else:
                self.error(table.name, row, table.key[0], "duplicate", f"a key of its own; row {first.number} has it")
