"""What every reader of a format gives: blocks of records with their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl


@dataclass
class Block:
    """Some records in the order of the file.

    ``row`` is the 1-based number of each record (Int64), ``frame`` the file's own columns. ``broken`` is the reason why a
    record as a whole can't be read (String, null where it can), None where all can; such a record keeps its raw text in
    :attr:`Source.raw_column` and has no other cells. ``cells`` are reasons of single cells: (column of the file, code,
    row numbers).
    """

    row: pl.Series
    frame: pl.DataFrame
    broken: pl.Series | None = None
    cells: Sequence[tuple[str, str, pl.Series]] = ()

    def slice(self, start: int, length: int) -> Block:
        """Some of the records, without a copy."""
        if start == 0 and length >= len(self.row):
            return self
        broken = None if self.broken is None else self.broken.slice(start, length)
        return Block(self.row.slice(start, length), self.frame.slice(start, length), broken, self.cells)


class Source(Protocol):
    """A file of one format. ``blocks`` may be called again and starts anew; it holds only a few blocks in memory.

    ``schema`` are the file's columns and their types, ``count`` the number of records where it is known without reading.
    """

    @property
    def schema(self) -> dict[str, pl.DataType]: ...
    @property
    def notes(self) -> list[str]: ...
    @property
    def count(self) -> int | None: ...
    @property
    def raw_column(self) -> str: ...

    def blocks(self, columns: Sequence[str] | None = None, limit: int | None = None) -> Iterator[Block]:
        """The records; only ``columns`` where given; about the first ``limit`` records where given (never fewer)."""
        ...
