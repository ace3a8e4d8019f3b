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

_POLARS = (pl.exceptions.PolarsError, TypeError, ValueError)


class ParquetSource:
    """A Parquet file; see :class:`~cleanfleet.tables.source.Source`."""

    def __init__(self, path: Path, batch_rows: int = 131_072) -> None:
        self.path = path
        self.batch_rows = batch_rows
        self.notes: list[str] = []
        try:
            with parquet.ParquetFile(path) as file:
                self.count: int | None = file.metadata.num_rows
                check_header(path, file.schema_arrow.names)
            self.schema: dict[str, pl.DataType] = dict(pl.scan_parquet(path, glob=False).collect_schema())
        except (pa.ArrowException, OSError, *_POLARS) as error:
            raise self._unreadable(error) from None
        self.raw_column = ""
        if not self.count:
            raise InputError(f"{path}: has columns, but no records")

    def blocks(self, columns: Sequence[str] | None = None, limit: int | None = None) -> Iterator[Block]:
        scan = pl.scan_parquet(self.path, glob=False)
        if columns is not None:
            scan = scan.select([name for name in self.schema if name in set(columns)])
        if limit is not None:
            scan = scan.head(limit)
        last = 0
        try:
            for frame in scan.collect_batches(chunk_size=self.batch_rows, maintain_order=True, engine="streaming"):
                row = pl.int_range(last + 1, last + frame.height + 1, dtype=pl.Int64, eager=True).alias("row")
                last += frame.height
                yield Block(row, frame)
        except (OSError, *_POLARS) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> InputError:
        first = (str(error).splitlines() or [""])[0]
        return InputError(f"{self.path}: is not a readable Parquet file; it may be cut short ({first})")
