"""Writing results: CSV, XLSX, Parquet and JSON lines, batch by batch, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from ..law.errors import InputError

#: Columns that stand first on the sheet of refused records.
REFUSED_COLUMNS = ("row", "reason", "message")


class Writer(ABC):
    """A file that is being written; made by :func:`writer`, used as a context manager.

    It is written under another name beside its place and gets its own when :meth:`close` succeeds; where an error leaves
    the ``with`` block nothing stays. ``path``; ``notes``, what the user should know of the writing.
    """

    def __init__(self, path: Path, input_columns: Sequence[str]) -> None:
        self.path = path
        self.input_columns = list(input_columns)
        self.notes: list[str] = []
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
        self._schema: pl.Schema | None = None
        self._done = False
        # where a writer is neither closed nor left by an error, its unfinished file goes with it
        weakref.finalize(self, self._temporary.unlink, missing_ok=True)

    def write(self, frame: pl.DataFrame) -> None:
        """Append some rows. Every frame must have the columns of the first; raises ValueError otherwise."""
        if self._schema is None:
            # what is empty in the first rows may have text in later ones
            self._schema = pl.Schema(
                {name: pl.String if dtype == pl.Null else dtype for name, dtype in frame.schema.items()}
            )
        if frame.columns != list(self._schema):
            raise ValueError(f"columns {frame.columns} are not those written before, {list(self._schema)}")
        if frame.schema != self._schema:
            frame = frame.cast(self._schema)
        with self._errors():
            self._append(frame)

    def sheet(self, name: str, frame: pl.DataFrame) -> None:
        """Write another sheet, whole; :class:`InputError` in formats without sheets."""
        raise InputError(f"{self.path}: only XLSX has several sheets, so there is no place for {name!r}")

    def refused(self, frame: pl.DataFrame) -> bool:
        """Append refused records (``row``, ``reason``, ``message`` and their cells) to the sheet 'refused'.

        In formats without sheets nothing is written; then it returns False and ``notes`` says so.
        """
        note = "refused records are listed on a sheet of their own in XLSX only"
        if frame.height and note not in self.notes:
            self.notes.append(note)
        return False

    def close(self) -> None:
        """Finish the file and put it into its place. A second call does nothing."""
        if self._done:
            return
        with self._errors():
            if self._schema is None:
                self._schema = pl.Schema({name: pl.String() for name in self.input_columns})
                self._append(pl.DataFrame(schema=self._schema))
            self._finish()
            self._temporary.replace(self.path)
            self._done = True

    def discard(self) -> None:
        """Give up: nothing stays of what was written."""
        if not self._done:
            self._done = True
            with contextlib.suppress(Exception):
                self._abandon()
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Whatever goes wrong while writing leaves no file; the system's errors are told in the user's words."""
        try:
            yield
        except OSError as error:
            self.discard()
            raise InputError(f"{self.path}: can't be written ({error.strerror or error})") from None
        except BaseException:
            self.discard()
            raise

    @abstractmethod
    def _append(self, frame: pl.DataFrame) -> None: ...

    @abstractmethod
    def _finish(self) -> None: ...

    @abstractmethod
    def _abandon(self) -> None: ...


class _StreamWriter(Writer):
    """A format whose rows are bytes one after the other."""

    def __init__(self, path: Path, input_columns: Sequence[str]) -> None:
        super().__init__(path, input_columns)
        self._file: BinaryIO = self._temporary.open("xb")

    def _finish(self) -> None:
        self._file.close()

    def _abandon(self) -> None:
        self._file.close()


class CsvWriter(_StreamWriter):
    """Comma-separated UTF-8 with a header; null is an empty cell, an empty text is ``""``."""

    _begun = False

    def _append(self, frame: pl.DataFrame) -> None:
        if frame.width:
            flat(frame).write_csv(self._file, include_header=not self._begun)
        self._begun = True


class JsonWriter(_StreamWriter):
    """One JSON object per line; decimals are exact JSON numbers, dates ISO texts."""

    def __init__(self, path: Path, input_columns: Sequence[str]) -> None:
        super().__init__(path, input_columns)
        # Polars writes decimals as texts; between these marks they are told from texts, and the quotes taken off
        self._mark = f"\ue000{secrets.token_hex(8)}\ue001"

    def _append(self, frame: pl.DataFrame) -> None:
        decimals = [name for name, dtype in frame.schema.items() if dtype == pl.Decimal]
        texts = [_plain_decimal(frame[name], self._mark) for name in decimals]
        lines = frame.with_columns(texts).write_ndjson().encode()
        if decimals:
            mark = self._mark.encode()
            lines = lines.replace(b'"' + mark, b"").replace(mark + b'"', b"")
        self._file.write(lines)


class ParquetWriter(Writer):
    """Parquet, one row group per written frame; types are those of the first frame."""

    def __init__(self, path: Path, input_columns: Sequence[str]) -> None:
        super().__init__(path, input_columns)
        self._temporary.open("xb").close()  # a folder that can't be written is told at once
        self._writer: Any = None

    def _append(self, frame: pl.DataFrame) -> None:
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        try:
            if self._writer is None:
                repeating = _repeating(frame)
                self._writer = parquet.ParquetWriter(
                    self._temporary,
                    table.schema,
                    compression="zstd",
                    compression_level=1,
                    use_dictionary=repeating,
                    # the others' numbers as differences: smaller than as they are, and quicker to write
                    column_encoding={
                        name: "DELTA_BINARY_PACKED"
                        for name, dtype in frame.schema.items()
                        if name not in repeating and _in_integers(dtype)
                    },
                    # the least and greatest text of a row group are dear to find and serve no search
                    write_statistics=[
                        name
                        for name, dtype in frame.schema.items()
                        if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean
                    ],
                    store_decimal_as_integer=True,
                )
            self._writer.write_table(table)
        except pa.ArrowNotImplementedError as error:
            raise InputError(f"{self.path}: Parquet can't hold these columns ({error})") from None

    def _finish(self) -> None:
        self._writer.close()

    def _abandon(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _in_integers(dtype: pl.DataType) -> bool:
    """Whether Parquet keeps the type in 32 or 64 bits as an integer."""
    if isinstance(dtype, pl.Decimal):
        return (dtype.precision or 38) <= 18
    return dtype.is_temporal() or (dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128))


def _repeating(frame: pl.DataFrame) -> list[str]:
    """The columns in which values come again; a dictionary of the others (a VIN) is made in vain."""
    head = frame.head(10_000)
    return [name for name in frame.columns if head[name].dtype.is_nested() or head[name].n_unique() < head.height / 2]


def _plain_decimal(cells: pl.Series, mark: str) -> pl.Series:
    text = cells.cast(pl.String)
    if isinstance(cells.dtype, pl.Decimal) and cells.dtype.scale:
        text = text.str.strip_chars_end("0").str.strip_chars_end(".")
    return (pl.Series([mark]) + text + pl.Series([mark])).alias(cells.name)


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with lists and objects as JSON texts and bytes as hexadecimal digits, for formats without such types."""
    changed: list[pl.Series] = []
    for cells in frame.get_columns():
        if cells.dtype.is_nested():
            texts = [
                None if value is None else json.dumps(value, default=str, ensure_ascii=False) for value in cells.to_list()
            ]
            changed.append(pl.Series(cells.name, texts, dtype=pl.String))
        elif cells.dtype == pl.Binary:
            changed.append(cells.bin.encode("hex"))
    return frame.with_columns(changed)


def writer(path: str | os.PathLike[str], *, input_columns: Sequence[str] = ()) -> Writer:
    """A writer for the format that the suffix names: .csv, .xlsx, .parquet, .jsonl, .ndjson or .json (JSON lines).

    ``input_columns``: the input's own columns, for the header of a result without rows and the order of cells on the
    sheet of refused records. Raises :class:`InputError` for an unknown suffix and for a folder that is missing or can't be
    written.
    """
    from .xlsx_writer import XlsxWriter

    makers: dict[str, Callable[[Path, Sequence[str]], Writer]] = {
        ".csv": CsvWriter,
        ".xlsx": XlsxWriter,
        ".parquet": ParquetWriter,
        ".jsonl": JsonWriter,
        ".ndjson": JsonWriter,
        ".json": JsonWriter,
    }
    path = Path(path)
    maker = makers.get(path.suffix.lower())
    if maker is None:
        raise InputError(f"{path}: unknown file type {path.suffix!r} to write; known are {', '.join(makers)}")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not a file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")
    try:
        return maker(path, input_columns)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror or error})") from None
