"""Writing XLSX with little memory: every row goes to disk before the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter

from ..law.errors import InputError
from .writers import REFUSED_COLUMNS, Writer, flat

MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
MAX_TEXT = 32_767

#: Whole numbers from here on are not all kept by a spreadsheet, which has binary numbers only.
_MAX_WHOLE = 2**53

RESULTS = "results"
REFUSED = "refused"


@dataclass
class _Sheet:
    sheet: Any
    rows: int = 0


class XlsxWriter(Writer):
    """A workbook with the sheet 'results', the sheet 'refused' where there are refused records, and any others.

    Numbers that a spreadsheet would round are written as text; a text longer than 32,767 characters is cut, which
    ``notes`` tells. Texts are never taken for formulas or links.
    """

    def __init__(self, path: Path, input_columns: Sequence[str]) -> None:
        super().__init__(path, input_columns)
        self._temporary.open("xb").close()  # a folder that can't be written is told at once
        self._book = xlsxwriter.Workbook(
            str(self._temporary),
            {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
        )
        self._bold = self._book.add_format({"bold": True})
        self._date = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheets: dict[str, _Sheet] = {}
        self._sheet(RESULTS)

    def sheet(self, name: str, frame: pl.DataFrame) -> None:
        """Write another sheet, whole; :class:`InputError` for a name that is taken or that XLSX does not allow."""
        with self._errors():
            if name.casefold() in self._sheets:
                raise InputError(f"{self.path}: the sheet {name!r} is written already")
            self._rows(self._sheet(name), frame)

    def refused(self, frame: pl.DataFrame) -> bool:
        """Append to the sheet 'refused': row, reason and message first, then the input's own columns."""
        lead = [name for name in (*REFUSED_COLUMNS, *self.input_columns) if name in frame.columns]
        order = [*dict.fromkeys(lead), *(name for name in frame.columns if name not in set(lead))]
        if frame.height:
            with self._errors():
                self._rows(self._sheets.get(REFUSED) or self._sheet(REFUSED), frame.select(order))
        return True

    def _append(self, frame: pl.DataFrame) -> None:
        self._rows(self._sheets[RESULTS], frame)

    def _sheet(self, name: str) -> _Sheet:
        try:
            found = _Sheet(self._book.add_worksheet(name))
        except xlsxwriter.exceptions.XlsxWriterException as error:
            raise InputError(f"{self.path}: {name!r} can't name a sheet ({error})") from None
        self._sheets[name.casefold()] = found
        return found

    def _rows(self, to: _Sheet, frame: pl.DataFrame) -> None:
        if to.rows == 0:
            self._header(to, frame.columns)
        if to.rows + frame.height > MAX_ROWS:
            raise InputError(f"{self.path}: an XLSX sheet holds at most {MAX_ROWS - 1:,} records; write CSV or Parquet")
        frame = flat(frame)
        put = [self._cell(to.sheet, dtype) for dtype in frame.dtypes]
        for cells in frame.iter_rows():
            row = to.rows
            for place, value in enumerate(cells):
                if value is not None:
                    put[place](row, place, value)
            to.rows += 1

    def _header(self, to: _Sheet, names: Sequence[str]) -> None:
        if len(names) > MAX_COLUMNS:
            raise InputError(f"{self.path}: an XLSX sheet holds at most {MAX_COLUMNS:,} columns; write CSV or Parquet")
        to.sheet.freeze_panes(1, 0)
        for place, name in enumerate(names):
            to.sheet.set_column(place, place, min(max(len(name) + 2, 10), 40))
            to.sheet.write_string(0, place, name, self._bold)
        to.rows = 1

    def _cell(self, sheet: Any, dtype: pl.DataType) -> Callable[[int, int, Any], object]:
        """How a cell of a column is written."""

        def text(row: int, place: int, value: Any) -> None:
            said = str(value)
            if len(said) > MAX_TEXT:
                said = said[: MAX_TEXT - 1] + "…"
                note = f"texts longer than {MAX_TEXT:,} characters are cut, for XLSX holds no more in a cell"
                if note not in self.notes:
                    self.notes.append(note)
            sheet.write_string(row, place, said)

        def number(row: int, place: int, value: Any) -> None:
            if isinstance(value, Decimal):
                binary = float(value)
                exact = Decimal(f"{binary:.16G}") == value  # as xlsxwriter writes it
            else:
                binary = value
                exact = abs(value) < _MAX_WHOLE if isinstance(value, int) else math.isfinite(value)
            if exact:
                sheet.write_number(row, place, binary)
            elif not math.isnan(value):  # NaN is an empty cell
                text(row, place, value)

        def boolean(row: int, place: int, value: Any) -> None:
            sheet.write_boolean(row, place, value)

        def date(row: int, place: int, value: Any) -> None:
            # a spreadsheet's calendar begins in 1900, and has a 29 February in that year
            if value.year < 1901:
                text(row, place, value)
            else:
                sheet.write_datetime(row, place, value, self._date)

        def moment(row: int, place: int, value: Any) -> None:
            if value.year < 1901 or value.tzinfo is not None:
                text(row, place, value)
            else:
                sheet.write_datetime(row, place, value, self._moment)

        if dtype.is_numeric():
            return number
        return {pl.Boolean: boolean, pl.Date: date, pl.Datetime: moment}.get(dtype.base_type(), text)

    def _finish(self) -> None:
        try:
            self._book.close()
        except xlsxwriter.exceptions.XlsxWriterException as error:
            raise InputError(f"{self.path}: can't be written ({error})") from None

    def _abandon(self) -> None:
        # the workbook's own temporary files are only deleted by closing it
        if not self._book.fileclosed:
            self._book.close()
