"""The doors out of the Polars path: integers become exact decimals, dates, words and texts, in columns made once.

A column of a whole table is one piece of memory that the stretches of the table fill, each its own rows: it goes back to
the system at once when the table is dropped, where thousands of small pieces would stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from .blocks import Array
from .cells import Cell


def dtype_of_answer(cell: Cell, places: int) -> pl.DataType:
    """The type of a rule's column; numbers have ``places`` decimal places."""
    if cell.kind == "text":
        return pl.Enum(cell.words)
    if cell.kind == "truth":
        return pl.Boolean()
    if cell.kind == "date":
        return pl.Date()
    if places:
        return pl.Decimal(18, places)
    return pl.Int32() if max(abs(cell.low), abs(cell.high)) < 2**31 else pl.Int64()


class AnswerColumn:
    """One answer column of ``rows`` rows; threads may put different rows at the same time."""

    def __init__(self, rows: int, dtype: pl.DataType) -> None:
        self.dtype = dtype
        held: Any = dtype
        if isinstance(dtype, pl.Decimal):
            held = np.int64  # two of them are one number of 128 bits, as Arrow has it
        elif isinstance(dtype, pl.Enum | pl.Categorical):
            held = pl.Series([], dtype=dtype).to_physical().to_numpy().dtype
        else:
            held = {pl.Boolean: np.bool_, pl.Date: np.int32, pl.Int32: np.int32, pl.Int64: np.int64}[type(dtype)]
        self._values: Array = np.empty((rows, 2) if isinstance(dtype, pl.Decimal) else rows, dtype=held)
        self._valid: Array = np.full((rows + 7) // 8, 255, dtype=np.uint8)
        self._has_nulls = False
        self._words: list[pl.Series] = []

    def put(self, start: int, values: Array, valid: Array) -> None:
        """Integers (codes, truths) from row ``start`` on, a multiple of 8; null where not ``valid``."""
        place = self._values[start : start + len(values)]
        if self._values.ndim == 2:
            place[:, 0] = values
            place[:, 1] = values >> 63
        else:
            place[:] = values
        if not valid.all():
            self._has_nulls = True
            bits = np.packbits(valid, bitorder="little")
            self._valid[start // 8 : start // 8 + len(bits)] = bits

    def put_dates(self, start: int, values: Array, valid: Array) -> None:
        """Days as yyyymmdd; what is no day of the calendar is null."""
        numbers = pl.Series(values).set(pl.Series(~valid), None).cast(pl.String)
        days = numbers.str.to_date("%Y%m%d", strict=False).to_physical()
        self.put(start, days.fill_null(0).to_numpy(), days.is_not_null().to_numpy())

    def put_texts(self, start: int, texts: pl.Series) -> None:
        """Categories."""
        self._words.append(texts.clear())  # as long as a series is held, its codes keep their words
        codes = texts.to_physical()
        if codes.null_count():
            self.put(start, codes.fill_null(0).to_numpy(), codes.is_not_null().to_numpy())
        else:
            self._values[start : start + len(codes)] = codes.to_numpy()

    def series(self) -> pl.Series:
        """The column, without a copy; nothing may be put after it."""
        rows = len(self._values)
        values = np.packbits(self._values, bitorder="little") if self._values.dtype == np.bool_ else self._values
        held: Any = {np.bool_: pa.bool_()}.get(self._values.dtype.type) or pa.from_numpy_dtype(self._values.dtype)
        if isinstance(self.dtype, pl.Decimal):
            held = pa.decimal128(18, self.dtype.scale)
        elif isinstance(self.dtype, pl.Date):
            held = pa.date32()
        bits = pa.py_buffer(self._valid) if self._has_nulls else None
        found = pl.Series(pl.from_arrow(pa.Array.from_buffers(held, rows, [bits, pa.py_buffer(values)])))
        return found.cat.to(self.dtype) if isinstance(self.dtype, pl.Enum | pl.Categorical) else found


def texts(codes: Array, text: Any) -> pl.Series:
    """Each code as the text that ``text(code)`` makes of it, null for an empty text; a category for each text."""
    if not len(codes):
        return pl.Series([], dtype=pl.Categorical)
    if int(codes.max()) < 1 << 16:
        count = np.bincount(codes)
        spelt = [(text(code) or None) if rows else None for code, rows in enumerate(count.tolist())]
        return pl.Series(spelt, dtype=pl.Categorical).gather(codes.astype(np.uint32, copy=False))
    present, inverse = np.unique(codes, return_inverse=True)
    spelt = [text(int(code)) or None for code in present]
    return pl.Series(spelt, dtype=pl.Categorical).gather(inverse.astype(np.uint32))
