"""XLSX: one sheet, the first unless another is named, held in memory (a sheet has at most 1,048,576 rows)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import fastexcel
import polars as pl

from ..law.errors import InputError
from .sniff import check_header
from .source import Block

# fastexcel warns of columns without a type, which are refused or empty here; without a handler Python would print it
logging.getLogger("fastexcel").addHandler(logging.NullHandler())


class XlsxSource:
    """The first sheet of a workbook, or the one that is named; see :class:`~cleanfleet.tables.source.Source`.

    The first row that is not empty is the header. A record's number is its place below the header, so that blank rows,
    which are no records, leave a gap and the number plus the header's row is the row of the sheet. A column whose cells are
    of several types is text. A cell with an error (#N/A) is refused as ``cell_error``.
    """

    def __init__(self, path: Path, sheet: str | None = None) -> None:
        self.path = path
        self.raw_column = ""
        which = "sheet" if sheet else "first sheet"
        try:
            book = fastexcel.read_excel(path)
            name = sheet or book.sheet_names[0]
            others = [] if sheet else book.sheet_names[1:]
            top = book.load_sheet(name, header_row=None, n_rows=1, dtypes="string")
            header = [str(cell or "") for cell in top.to_polars().row(0)] if top.height else []
            batch, errors = book.load_sheet(name, header_row=0, schema_sample_rows=None).to_arrow_with_errors()
            frame = pl.DataFrame(pl.from_arrow(batch)) if batch.num_columns else pl.DataFrame()
        except (fastexcel.FastExcelError, pl.exceptions.PolarsError, ValueError) as error:
            first = (str(error).splitlines() or [""])[0]
            raise InputError(f"{path}: is not a readable XLSX workbook ({first})") from None
        if not header or not any(cell.strip() for cell in header):
            raise InputError(f"{path}: the {which}, {name!r}, is empty")
        check_header(path, header)
        frame.columns = header
        cells = errors.errors if errors is not None else []
        self._errors: dict[str, list[int]] = {}
        for cell in cells:
            self._errors.setdefault(header[cell.offset_position[1]], []).append(cell.offset_position[0] + 1)
        row = pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True).alias("row")
        broken = pl.Series(sorted({number for rows in self._errors.values() for number in rows}), dtype=pl.Int64)
        filled = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series() | row.is_in(broken.implode())
        self._row, self._frame = row.filter(filled), frame.filter(filled)
        if not self._frame.height:
            raise InputError(f"{path}: the {which}, {name!r}, has a header, but no records")
        self.schema: dict[str, pl.DataType] = dict(frame.schema)
        self.count: int | None = self._frame.height
        self.notes = [f"sheet {name!r}"]
        if others:
            self.notes.append(f"other sheets, not read: {', '.join(others)}")
        if blank := frame.height - self._frame.height:
            self.notes.append(f"{blank} blank rows left out")

    def blocks(self, columns: Sequence[str] | None = None, limit: int | None = None) -> Iterator[Block]:
        wanted = list(self.schema) if columns is None else [name for name in self.schema if name in set(columns)]
        cells = [
            (name, "cell_error", pl.Series(rows, dtype=pl.Int64))
            for name, rows in self._errors.items()
            if name in set(wanted)
        ]
        yield Block(self._row, self._frame.select(wanted), cells=cells)
