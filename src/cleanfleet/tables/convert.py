"""Blocks of a file's own columns into typed columns of the policy, whole columns at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

import polars as pl

from ..law.columns import LESS_THAN, Column, fold
from .date_cells import civil_dates, read_booleans, read_dates
from .layout import OTHER, Layout
from .matching import DateParts, Plan
from .number_cells import NUMBER, PLACES, Mark, read_numbers
from .source import Block

Refusals = list[tuple[str, pl.Series]]

_EMPTY_TYPE: dict[str, pl.DataType] = {
    "text": pl.String(),
    "choice": pl.String(),
    "integer": NUMBER,
    "decimal": NUMBER,
    "date": pl.Date(),
    "boolean": pl.Boolean(),
}


class Converter:
    """Types the columns of a plan. ``trusted``: texts of the file are taken as they stand (a typed file), not stripped."""

    def __init__(
        self, columns: Sequence[Column], plan: Plan, layout: Layout, *, mark: Mark, zone: str, raw_column: str, trusted: bool
    ) -> None:
        self.columns = [
            column
            for column in columns
            if column.name in plan.sources or column.name in plan.dates or column.name in plan.constants
        ]
        self.plan, self.layout = plan, layout
        self.mark: Mark = mark
        self.zone, self.raw_column, self.trusted = zone, raw_column, trusted

    def __call__(self, block: Block) -> tuple[pl.DataFrame, pl.Series]:
        """The typed columns, in the policy's order, and each row's refusal: ``code:column`` joined by ``; ``, or null."""
        typed: list[pl.Series] = []
        refusals: Refusals = []
        for column in self.columns:
            cells, codes = self.column(column, block)
            typed.append(cells.alias(column.name))
            if codes is not None:
                refusals.append((column.name, codes))
            theirs = self.plan.sources.get(column.name)
            for name, code, rows in block.cells:
                if name == theirs:
                    marked = pl.select(pl.when(block.row.is_in(rows.implode())).then(pl.lit(code))).to_series()
                    refusals.append((column.name, marked))
        for column in self.columns:
            if (is_below := self.below(column, block)) is not None:
                place = next((i for i, cells in enumerate(typed) if cells.name == column.below), None)
                if place is None:
                    typed.append(is_below)
                else:
                    typed[place] = typed[place].set(is_below, True)
        return pl.DataFrame(typed), _joined(refusals, block)

    def below(self, column: Column, block: Block) -> pl.Series | None:
        """Where a number is written as an upper bound (<1); None for a column or a file that can't have such cells."""
        theirs = self.plan.sources.get(column.name)
        if not column.below or theirs is None or block.frame.schema[theirs] != pl.String:
            return None
        cells = whole_cells(block, theirs, self.raw_column)
        return cells.str.contains(f"^{LESS_THAN}$").fill_null(value=False).alias(column.below)

    def column(self, column: Column, block: Block) -> tuple[pl.Series, pl.Series | None]:
        """One column, typed, and the code of each refused cell (None where there is none)."""
        height = len(block.row)
        if column.name in self.plan.constants:
            dtype = pl.Decimal(38, max(PLACES, column.decimals)) if column.is_number else _EMPTY_TYPE[column.kind]
            return pl.repeat(self.plan.constants[column.name], height, dtype=dtype, eager=True), None
        if column.name in self.plan.dates:
            return _from_parts(block, self.plan.dates[column.name], self.raw_column)
        theirs = self.plan.sources[column.name]
        cells = whole_cells(block, theirs, self.raw_column)
        if cells.dtype in (pl.Categorical, pl.Enum):
            layout = self.layout
            untouched = column.name not in layout.values and not layout.empty and column.name not in layout.empty_in
            if column.kind == "choice" and untouched:
                return cells, None  # the law's door reads each category once
            cells = cells.cast(pl.String)
        if cells.dtype == pl.Null:
            return pl.repeat(None, height, dtype=_EMPTY_TYPE[column.kind], eager=True), None
        if cells.dtype == pl.String:
            return self._from_text(column, self._clean(column, cells))
        return self._from_typed(column, cells)

    def _clean(self, column: Column, cells: pl.Series) -> pl.Series:
        """Text cells without outer blanks; empty ones, and those that the layout calls so, null; its values translated."""
        if not self.trusted or column.kind not in ("text", "choice") or column.name in self.layout.values:
            cells = cells.str.strip_chars()
        if (cells.str.len_bytes() == 0).any():
            cells = cells.set(cells.str.len_bytes() == 0, None)
        if column.name in self.layout.values:
            cells = translate(cells, self.layout.values[column.name])
        if empty := [*self.layout.empty, *self.layout.empty_in.get(column.name, [])]:
            cells = cells.set(cells.is_in(empty), None)
        return cells

    def _from_text(self, column: Column, cells: pl.Series) -> tuple[pl.Series, pl.Series | None]:
        if column.is_number:
            if column.below:
                cells = cells.str.replace(f"^{LESS_THAN}$", "$1")
            numbers, codes = read_numbers(cells, self.mark)
            return self._emptied(column, numbers), codes
        if column.kind == "date":
            return read_dates(cells, self.zone, self.layout.date_format)
        if column.kind == "boolean":
            return read_booleans(cells)
        return cells, None

    def _from_typed(self, column: Column, cells: pl.Series) -> tuple[pl.Series, pl.Series | None]:
        dtype = cells.dtype
        if column.is_number:
            if dtype.is_numeric():
                return self._emptied(column, cells), None
            return _refuse_all(cells, "not_a_number", NUMBER)
        if column.kind == "date":
            if dtype == pl.Date:
                return cells, None
            if dtype == pl.Datetime:
                return civil_dates(cells, self.zone), None
            return _refuse_all(cells, "not_a_date", pl.Date())
        if column.kind == "boolean" and dtype == pl.Boolean:
            return cells, None
        text = as_text(cells)
        if text is None:
            return _refuse_all(
                cells, "not_a_boolean" if column.kind == "boolean" else "not_a_text", _EMPTY_TYPE[column.kind]
            )
        return self._from_text(column, self._clean(column, text))

    def _emptied(self, column: Column, numbers: pl.Series) -> pl.Series:
        """Numbers without those that the layout takes for an empty cell (0 is also 0.0)."""
        for text in [*self.layout.empty, *self.layout.empty_in.get(column.name, [])]:
            try:
                value = Decimal(text.replace(",", ".") if self.mark == "," else text)
            except InvalidOperation:
                continue
            same = numbers == (float(value) if numbers.dtype.is_float() else value)
            if same.any():
                numbers = numbers.set(same, None)
        return numbers


def whole_cells(block: Block, theirs: str, raw_column: str) -> pl.Series:
    """A column of the block without the raw text of broken records, which is no cell."""
    cells = block.frame[theirs]
    if block.broken is not None and theirs == raw_column:
        cells = cells.set(block.broken.is_not_null(), None)
    return cells


def as_text(cells: pl.Series) -> pl.Series | None:
    """Typed cells as a reader would write them (118.0 is 118); None for lists, objects and bytes."""
    dtype = cells.dtype
    if dtype == pl.String:
        return cells
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return None
    if dtype.is_float():
        whole = (cells == cells.round(0)) & (cells.abs() < 2.0**53)
        text = cells.fill_nan(None).cast(pl.String)
        if whole.any():
            text = text.zip_with(~whole.fill_null(value=False), cells.cast(pl.Int64, strict=False).cast(pl.String))
        return text
    return cells.cast(pl.String)


def translate(cells: pl.Series, values: Mapping[str, str]) -> pl.Series:
    """``cells`` with their values replaced by ours: exact matches first, then folded ones, then ``*``; '' gives null."""
    found = cells.unique().drop_nulls().to_list()
    folded = {fold(theirs): ours for theirs, ours in values.items() if theirs != OTHER}
    changed: dict[str, str | None] = {}
    for theirs in found:
        ours = values.get(theirs, folded.get(fold(theirs), values.get(OTHER)))
        if ours is not None:
            changed[theirs] = ours or None
    if not changed:
        return cells
    return cells.replace(list(changed), pl.Series(list(changed.values()), dtype=pl.String))


def _from_parts(block: Block, parts: DateParts, raw_column: str) -> tuple[pl.Series, pl.Series | None]:
    """Dates from year, month and day; null where a part is empty, ``not_a_date`` where they make no date."""
    height = len(block.row)
    numbers: list[pl.Series] = []
    empty = pl.repeat(value=False, n=height, dtype=pl.Boolean, eager=True)
    for part in parts:
        if isinstance(part, int):
            numbers.append(pl.repeat(part, height, dtype=pl.Int32, eager=True))
            continue
        text = as_text(whole_cells(block, part, raw_column).cast(pl.String, strict=False))
        assert text is not None
        text = text.str.strip_chars()
        empty |= text.is_null() | (text.str.len_bytes() == 0)
        numbers.append(text.str.replace(r"\.0*$", "").cast(pl.Int32, strict=False))
    days = pl.DataFrame([number.alias(name) for number, name in zip(numbers, ("year", "month", "day"), strict=True)])
    texts = days.select(
        pl.format(
            "{}-{}-{}",
            pl.col("year").cast(pl.String).str.zfill(4),
            pl.col("month").cast(pl.String).str.zfill(2),
            pl.col("day").cast(pl.String).str.zfill(2),
        )
    ).to_series()
    dates, _ = read_dates(texts, "UTC")
    refused = ~empty & dates.is_null()
    codes = pl.select(pl.when(refused).then(pl.lit("not_a_date"))).to_series() if refused.any() else None
    return dates, codes


def _refuse_all(cells: pl.Series, code: str, dtype: pl.DataType) -> tuple[pl.Series, pl.Series | None]:
    """Every cell that is not empty refused: the column is of a type that can't be read."""
    codes = pl.select(pl.when(cells.is_not_null()).then(pl.lit(code))).to_series()
    return pl.repeat(None, len(cells), dtype=dtype, eager=True), codes if codes.null_count() < len(codes) else None


def _joined(refusals: Refusals, block: Block) -> pl.Series:
    """The reasons of each row, in the order of the columns."""
    parts = [codes + f":{name}" for name, codes in refusals]
    if block.broken is not None:
        parts.insert(0, block.broken)
    return join_reasons(parts, len(block.row)).alias("refusal")


def join_reasons(parts: Sequence[pl.Series], height: int) -> pl.Series:
    """Texts joined row by row with ``; ``; null where all are null."""
    if not parts:
        return pl.repeat(None, height, dtype=pl.String, eager=True)
    if len(parts) == 1:
        return parts[0]
    frame = pl.DataFrame([part.alias(str(place)) for place, part in enumerate(parts)])
    joined = frame.select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)).to_series()
    return joined.set(joined == "", None)
