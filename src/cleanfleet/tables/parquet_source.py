"""Parquet, streamed; typed columns go through as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from ..law.errors import InputError
from .sniff import check_header
from .source import Block


class ParquetSource:
    """A Parquet file; see :class:`~cleanfleet.tables.source.Source`."""

    def __init__(self, path: Path, batch_rows: int = 200_000) -> None:
        self.path = path
        self.batch_rows = batch_rows
        self.notes: list[str] = []
        try:
            with parquet.ParquetFile(path) as file:
                self.count: int | None = file.metadata.num_rows
                arrow = file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None
        check_header(path, arrow.names)
        try:
            empty = pl.DataFrame(pl.from_arrow(arrow.empty_table()))
        except (pl.exceptions.PolarsError, pa.ArrowException, TypeError, ValueError) as error:
            raise self._unreadable(error) from None
        self.schema: dict[str, pl.DataType] = dict(empty.schema)
        self.raw_column = ""
        if not self.count:
            raise InputError(f"{path}: has columns, but no records")

    def blocks(self, columns: Sequence[str] | None = None, limit: int | None = None) -> Iterator[Block]:
        wanted = None if columns is None else [name for name in self.schema if name in set(columns)]
        last = 0
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(min(self.batch_rows, limit or self.batch_rows), columns=wanted):
                    frame = pl.DataFrame(pl.from_arrow(batch))
                    row = pl.int_range(last + 1, last + frame.height + 1, dtype=pl.Int64, eager=True).alias("row")
                    last += frame.height
                    yield Block(row, frame)
                    if limit is not None and last >= limit:
                        return
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> InputError:
        first = (str(error).splitlines() or [""])[0]
        return InputError(f"{self.path}: is not a readable Parquet file; it may be cut short ({first})")
