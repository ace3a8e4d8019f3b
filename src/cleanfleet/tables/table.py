"""A list of records, read in batches: the door of this room."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import polars as pl

from ..law.columns import Column
from ..law.errors import InputError, near
from ..law.texts import Texts
from .convert import Converter, as_text, join_reasons, whole_cells
from .csv_source import CsvSource
from .explain import explain_refusal
from .json_source import JsonSource
from .layout import Layout
from .matching import Plan, match
from .number_cells import Mark, decide_mark
from .parquet_source import ParquetSource
from .repeats import Finder, Repeats, folded_key, row_key
from .sniff import format_of
from .source import Block, Source
from .xlsx_source import XlsxSource

#: Rows from which the decimal mark of a file is decided.
SAMPLE_ROWS = 10_000

#: Most rows of a batch: small enough that the memory of one serves the next, large enough to be a row group of Parquet.
BATCH_ROWS = 131_072

#: The flag of a row that repeats an earlier one in every cell, and the name of its key.
DUPLICATE_ROW = "duplicate_row"


@dataclass
class Batch:
    """Some records, in the order of the file.

    - ``row`` (Int64): the number of each record, from 1; a CSV record may be several lines;
    - ``original``: the file's own columns; text as it stands where the file is text. A line that has no cells (ragged or
      broken) stands in its raw form in the first column (CSV) or in a column of its own (JSON), the other cells are null;
    - ``typed``: the columns of the policy that the file or a constant gives, in the policy's order. Text and choice are
      String (a choice stays a category where the file has it so), dates Date, truth values Boolean, numbers
      Decimal(38, 12) in the column's unit where read from text and otherwise of the file's own numeric type. Refused
      cells are null;
    - ``refusal`` (String): ``code:column`` joined by ``; ``, null where nothing is refused;
    - ``flags`` (String): joined by ``; ``, null where there is none; such rows are kept;
    - ``first_row`` (Int64): for a ``duplicate:`` refusal the record that has the value first, otherwise null.
    """

    row: pl.Series
    original: pl.DataFrame
    typed: pl.DataFrame
    refusal: pl.Series
    flags: pl.Series
    first_row: pl.Series


class Table:
    """A file that is ready to be read; made by :func:`read`.

    ``path``; ``format`` (csv, parquet, xlsx, jsonl, json); ``rows``, the number of records (None until it is known);
    ``notes``, what was detected and done; ``original_columns``, the file's own; ``sources``, our columns -> the file's;
    ``unused``, the file's columns that nothing is taken from.
    """

    def __init__(
        self, path: Path, format: str, source: Source, converter: Converter, columns: Sequence[Column], batch_rows: int
    ) -> None:
        self.path, self.format = path, format
        self.rows = source.count
        self.notes: list[str] = list(source.notes)
        self.original_columns = list(source.schema)
        self.sources = dict(converter.plan.sources)
        self.unused = list(converter.plan.unused)
        self._source, self._converter = source, converter
        self._columns, self._batch_rows = columns, batch_rows
        self._stamp = _stamp(path)
        self._repeats: Repeats | None = None
        self._unique: list[str] = []
        self._mark_rows = False

    def batches(self) -> Iterator[Batch]:
        """The records, from the first; may be called again. Raises :class:`InputError` where the file can't be read on."""
        if _stamp(self.path) != self._stamp:
            raise InputError(f"{self.path}: was changed after it was opened")
        rows = 0
        for block in self._source.blocks():
            for start in range(0, len(block.row), self._batch_rows):
                part = block.slice(start, self._batch_rows)
                rows += len(part.row)
                yield self._batch(part)
        self.rows = rows

    def explain(
        self, reasons: str, originals: Mapping[str, object], first_row: int | None = None, *, texts: Texts | None = None
    ) -> str:
        """:func:`explain_refusal` with this file's column names."""
        return explain_refusal(reasons, self._columns, originals, sources=self.sources, first_row=first_row, texts=texts)

    def _batch(self, block: Block) -> Batch:
        height = len(block.row)
        typed, refusal = self._converter(block)
        flags = pl.repeat(None, height, dtype=pl.String, eager=True)
        first_row = pl.repeat(None, height, dtype=pl.Int64, eager=True)
        if self._repeats is not None:
            first, last = int(block.row[0]), int(block.row[-1])
            reasons = [refusal]
            for name in self._unique:
                firsts = _firsts(block.row, self._repeats.between(name, first, last))
                if firsts.null_count() < height:
                    reasons.append(pl.select(pl.when(firsts.is_not_null()).then(pl.lit(f"duplicate:{name}"))).to_series())
                    first_row = first_row.zip_with(first_row.is_not_null(), firsts)
            refusal = join_reasons(reasons, height)
            if self._mark_rows:
                firsts = _firsts(block.row, self._repeats.between(DUPLICATE_ROW, first, last))
                flags = pl.select(pl.when(firsts.is_not_null()).then(pl.lit(DUPLICATE_ROW))).to_series()
        return Batch(
            row=block.row.alias("row"),
            original=block.frame,
            typed=typed,
            refusal=refusal.alias("refusal"),
            flags=flags.alias("flags"),
            first_row=first_row.alias("first_row"),
        )


def read(
    path: str | os.PathLike[str],
    columns: Sequence[Column],
    *,
    layout: Layout | None = None,
    constants: Mapping[str, str] | None = None,
    zone: str = "UTC",
    unique: Sequence[str] = (),
    check_limit: int = 5_000_000,
    spill: bool = False,
    batch_rows: int = BATCH_ROWS,
) -> Table:
    """Open a list of records and find out how to read it; the records come from :meth:`Table.batches`.

    - ``columns``: the policy's columns; ``layout``: how the file's become ours (None: by their names);
    - ``constants``: our column -> a value for every row, for columns that the file does not have;
    - ``zone``: time zone (IANA) in which a moment's civil date is taken;
    - ``unique``: our columns in which no value may come twice; a later record with the same value (case, blanks and hyphens
      aside) is refused as ``duplicate:column``;
    - ``check_limit``: up to so many records, repetitions are looked for in memory; beyond it not at all, or, with ``spill``,
      in a temporary database on disk. :attr:`Table.notes` says which was done;
    - ``batch_rows``: most rows of a batch; nothing but the batches' size depends on it.

    Raises :class:`InputError` for a file that is missing, empty, without records, not what its suffix says or unreadable,
    for a bad header, a required column that is missing, and a constant that does not fit.
    """
    path = Path(path)
    layout = layout or Layout()
    _check_options(columns, unique, zone, batch_rows)
    kind = format_of(path)
    try:
        source = _open(path, kind, batch_rows)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from None
    # the column that JSON's broken lines are kept in is ours, not the file's
    names = [name for name in source.schema if kind == "csv" or name != source.raw_column]
    plan = match(path, names, columns, layout, constants or {})
    mark, mark_note = _mark(source, columns, plan, layout)
    converter = Converter(
        columns, plan, layout, mark=mark, zone=zone, raw_column=source.raw_column, trusted=kind == "parquet"
    )
    table = Table(path, kind, source, converter, columns, batch_rows)
    table.notes += [*mark_note, *plan.notes]
    _find_repeats(table, layout, unique, check_limit, spill=spill)
    return table


def _check_options(columns: Sequence[Column], unique: Sequence[str], zone: str, batch_rows: int) -> None:
    known = [column.name for column in columns]
    for name in unique:
        if name not in known:
            raise InputError(f"unique: there is no column {name!r}; {near(name, known)}")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise InputError(f"there is no time zone {zone!r}; give an IANA name such as Pacific/Auckland") from None
    if batch_rows < 1:
        raise InputError(f"batch_rows must be 1 or more, not {batch_rows}")


def _open(path: Path, kind: str, batch_rows: int) -> Source:
    if kind == "csv":
        return CsvSource(path)
    if kind == "parquet":
        return ParquetSource(path, batch_rows)
    if kind == "xlsx":
        return XlsxSource(path)
    return JsonSource(path, array=kind == "json")


def _mark(source: Source, columns: Sequence[Column], plan: Plan, layout: Layout) -> tuple[Mark, list[str]]:
    """The decimal mark of the file's number columns that are text, and a note on it."""
    numbers = {plan.sources[column.name] for column in columns if column.is_number and column.name in plan.sources}
    texts = sorted(name for name in numbers if source.schema[name] == pl.String)
    names = {".": "point", ",": "comma"}
    for given in get_args(Mark):
        if layout.decimal == given:
            return given, [f"decimal {names[given]} (layout)"] if texts else []
    if not texts:
        return ".", []
    samples: list[pl.Series] = []
    rows = 0
    for block in source.blocks(texts, SAMPLE_ROWS):
        samples += [whole_cells(block, name, source.raw_column).head(SAMPLE_ROWS - rows) for name in texts]
        rows += len(block.row)
        if rows >= SAMPLE_ROWS:
            break
    mark, commas, points = decide_mark(samples)
    note = f"decimal {names[mark]}"
    if commas and points:
        note += f" (of the first {SAMPLE_ROWS:,} records' numbers {commas:,} have a comma, {points:,} a point)"
    elif not commas and not points:
        note += " (no number shows another)"
    return mark, [note]


def _find_repeats(table: Table, layout: Layout, unique: Sequence[str], limit: int, *, spill: bool) -> None:
    """Look for repetitions in a pass of its own over the columns that matter."""
    source, converter = table._source, table._converter
    keys: list[str] = []
    for name in unique:
        if name in layout.not_unique:
            table.notes.append(f"no check for repeated {name}: in this layout it does not identify a record")
        elif name in table.sources:
            keys.append(name)
        else:
            table.notes.append(f"no check for repeated {name}: the file does not have it")
    whole = DUPLICATE_ROW in layout.flags
    if not keys and not whole:
        return
    what = " and ".join([*(f"repeated {name}" for name in keys), *(["repeated rows"] if whole else [])])
    too_many = f"no check for {what}: more than {limit:,} records (spill checks them on disk)"
    if source.count is not None and source.count > limit and not spill:
        table.notes.append(too_many)
        return
    by_name = {column.name: column for column in converter.columns}
    finder = Finder([*keys, DUPLICATE_ROW] if whole else keys, limit, spill=spill)
    for block in source.blocks(None if whole else [table.sources[name] for name in keys]):
        found: list[pl.Series] = []
        for name in keys:
            text = as_text(converter.column(by_name[name], block)[0])
            assert text is not None  # a typed column is never a list
            found.append(folded_key(text))
        if whole:
            found.append(row_key(block.frame))
        if not finder.add(block.row, found):
            table.notes.append(too_many)
            return
    table.rows = finder.rows
    table._repeats, table._unique, table._mark_rows = finder.found(), keys, whole
    table.notes.append(f"checked for {what} {'on disk' if finder.on_disk else 'in memory'}")


def _firsts(row: pl.Series, repeats: pl.DataFrame) -> pl.Series:
    """For each row the first record that it repeats, or null."""
    if repeats.height == 0:
        return pl.repeat(None, len(row), dtype=pl.Int64, eager=True)
    return row.to_frame("row").join(repeats, on="row", how="left", maintain_order="left")["first"]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return found.st_size, found.st_mtime_ns
