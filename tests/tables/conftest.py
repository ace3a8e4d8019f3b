"""A small policy's columns, and helpers to write a file and read it whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import tables
from cleanfleet.law.columns import Column

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"

COLUMNS = [
    Column("vin", "text"),
    Column("make", "text"),
    Column("tare_kg", "integer", unit="kg", minimum=Decimal(100), maximum=Decimal(50000)),
    Column("co2_g_per_km", "decimal", unit="g/km", decimals=4, minimum=Decimal(0), maximum=Decimal(1000)),
    Column("powertrain", "choice", choices={"petrol": "", "diesel": "", "battery_electric": ""}),
    Column("accepted_on", "date", minimum=dt.date(1900, 1, 1), maximum=dt.date(2099, 12, 31)),
    Column("imported", "boolean"),
]


@dataclass
class Whole:
    """All batches of a table as one."""

    table: tables.Table
    row: list[int]
    original: pl.DataFrame
    typed: pl.DataFrame
    refusal: list[str | None]
    flags: list[str | None]
    first_row: list[int | None]

    def messages(self) -> list[str]:
        """The explanation of each refused record."""
        return [
            self.table.explain(reasons, self.original.row(place, named=True), self.first_row[place])
            for place, reasons in enumerate(self.refusal)
            if reasons is not None
        ]


def whole(table: tables.Table) -> Whole:
    batches = list(table.batches())
    return Whole(
        table,
        [number for batch in batches for number in batch.row.to_list()],
        pl.concat([batch.original for batch in batches]),
        pl.concat([batch.typed for batch in batches]),
        [reason for batch in batches for reason in batch.refusal.to_list()],
        [flag for batch in batches for flag in batch.flags.to_list()],
        [number for batch in batches for number in batch.first_row.to_list()],
    )


def read_all(path: Path, columns: list[Column] | None = None, **options: Any) -> Whole:
    return whole(tables.read(path, columns or COLUMNS, **options))


@pytest.fixture
def columns() -> list[Column]:
    return list(COLUMNS)


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file of a name and content, and give its path."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make
