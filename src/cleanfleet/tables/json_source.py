"""JSON: one object per line, streamed, or one array of objects. A line that is no object is kept, refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ..law.errors import InputError
from .source import Block

_CHUNK = 8 << 20

#: The column that holds the text of lines that could not be read, where there are any.
BROKEN = "broken_line"

_Kinds = dict[str, set[str]]


class JsonSource:
    """JSON lines or an array of objects; see :class:`~cleanfleet.tables.source.Source`.

    The file is looked through once to know every key and its type: whole numbers, numbers, true/false or text. A key whose
    values are of several types, or are lists or objects, is text (numbers as they stand, the others as JSON). Blank lines
    are no records.
    """

    def __init__(self, path: Path, array: bool = False) -> None:
        self.path = path
        self.notes: list[str] = []
        self._array: list[dict[str, Any]] | None = None
        kinds: _Kinds = {}
        broken = total = 0
        try:
            if array and self._is_array():
                self._array = self._read_array()
                total = len(self._array)
                _collect(self._array, kinds)
                self.notes.append("JSON array")
            else:
                for lines in self._chunks():
                    total += len(lines)
                    broken += self._survey(lines, kinds)
                self.notes.append("JSON lines")
        except UnicodeDecodeError:
            raise InputError(f"{path}: has bytes that are not UTF-8, so it is not JSON") from None
        if total == 0:
            raise InputError(f"{path}: holds no records")
        if broken == total or not kinds:
            raise InputError(f"{path}: is not JSON; none of its {total:,} lines is an object with names and values")
        self.schema: dict[str, pl.DataType] = {name: _dtype(found) for name, found in kinds.items()}
        self.raw_column = ""
        if broken:
            self.raw_column = BROKEN
            while self.raw_column in self.schema:
                self.raw_column += "_"
            self.schema[self.raw_column] = pl.String()
            self.notes.append(f"{broken:,} lines are not JSON objects; their text is in the column {self.raw_column}")
        self.count: int | None = total

    def blocks(self, columns: Sequence[str] | None = None, limit: int | None = None) -> Iterator[Block]:
        wanted = {k: v for k, v in self.schema.items() if columns is None or k in set(columns)}
        last = 0
        chunks: Iterator[list[Any]] = iter([self._array]) if self._array is not None else self._chunks()
        for lines in chunks:
            row = pl.int_range(last + 1, last + len(lines) + 1, dtype=pl.Int64, eager=True).alias("row")
            last += len(lines)
            frame, broken = self._frame(lines, wanted)
            yield Block(row, frame, broken)
            if limit is not None and last >= limit:
                return

    def _is_array(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")

    def _read_array(self) -> list[dict[str, Any]]:
        try:
            found = json.loads(self.path.read_text("utf-8-sig"), parse_constant=_no_constant)
        except (json.JSONDecodeError, RecursionError, _Constant) as error:
            raise InputError(f"{self.path}: is not readable JSON ({error})") from None
        for place, record in enumerate(found, 1):
            if not isinstance(record, dict):
                raise InputError(f"{self.path}: element {place} of the array is not an object with names and values")
        return list(found)

    def _chunks(self) -> Iterator[list[bytes]]:
        """The lines that are not blank, some MB at a time."""
        rest = b""
        with self.path.open("rb") as file:
            if file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            while chunk := file.read(_CHUNK):
                head, newline, tail = chunk.rpartition(b"\n")
                if not newline:
                    rest += tail
                    continue
                if lines := _lines(rest + head):
                    yield lines
                rest = tail
        if lines := _lines(rest):
            yield lines

    def _survey(self, lines: list[bytes], kinds: _Kinds) -> int:
        """Note the keys and types of ``lines`` in ``kinds``; the number of lines that are broken."""
        found = _fast(lines, None)
        if found is not None:
            for name, dtype in found.schema.items():
                kinds.setdefault(name, set()).update(_kinds_of(dtype))
            return 0
        records = [_record(line) for line in lines]
        _collect([record for record in records if record is not None], kinds)
        return records.count(None)

    def _frame(self, lines: list[Any], wanted: dict[str, pl.DataType]) -> tuple[pl.DataFrame, pl.Series | None]:
        if self._array is None:
            plain = {name: dtype for name, dtype in wanted.items() if name != self.raw_column}
            frame = _fast(lines, plain) if plain else None
            if frame is not None:
                if len(plain) < len(wanted):
                    frame = frame.with_columns(pl.lit(None, pl.String).alias(self.raw_column))
                return frame.select(list(wanted)), None
        records = lines if self._array is not None else [_record(line) for line in lines]
        columns = [
            pl.Series(
                name,
                [
                    line.decode("utf-8", "replace") if record is None else None
                    for line, record in zip(lines, records, strict=True)
                ]
                if name == self.raw_column
                else [None if record is None else _cell(record.get(name), dtype) for record in records],
                dtype=dtype,
                strict=True,
            )
            for name, dtype in wanted.items()
        ]
        broken = pl.Series([None if record is not None else "broken_line" for record in records], dtype=pl.String)
        return pl.DataFrame(columns), broken if broken.null_count() < len(broken) else None


class _Constant(Exception):
    """NaN or Infinity, which JSON does not have."""


def _no_constant(word: str) -> None:
    raise _Constant(f"{word} is not JSON")


def _lines(text: bytes) -> list[bytes]:
    return [line for line in text.split(b"\n") if line and not line.isspace()]


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
        # half a pair of surrogates is no character; json.loads lets it pass
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError, _Constant):
        return None
    return found if isinstance(found, dict) else None


def _fast(lines: list[bytes], schema: dict[str, pl.DataType] | None) -> pl.DataFrame | None:
    """All lines at once by Polars; None where it can't read one of them, or not exactly."""
    # Polars takes a line that is an array for an object, and half a pair of surrogates for a zero character
    if not all(line.lstrip()[:1] == b"{" for line in lines) or any(b"\\ud" in line.lower() for line in lines):
        return None
    try:
        if schema is None:
            frame = pl.read_ndjson(io.BytesIO(b"\n".join(lines)), infer_schema_length=None)
        else:
            frame = pl.read_ndjson(io.BytesIO(b"\n".join(lines)), schema=schema)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
        return None
    return frame if frame.height == len(lines) else None


def _kinds_of(dtype: pl.DataType) -> set[str]:
    if dtype == pl.Null:
        return set()
    if dtype == pl.Int64:
        return {"int"}
    if dtype == pl.Float64:
        return {"int", "float"}
    if dtype == pl.Boolean:
        return {"bool"}
    return {"text"}


def _collect(records: list[dict[str, Any]], kinds: _Kinds) -> None:
    for record in records:
        for name, value in record.items():
            found = kinds.setdefault(name, set())
            if value is None:
                continue
            if isinstance(value, bool):
                found.add("bool")
            elif isinstance(value, int):
                found.add("int" if -(2**63) <= value < 2**63 else "text")
            else:
                found.add("float" if isinstance(value, float) else "text")


def _dtype(found: set[str]) -> pl.DataType:
    if found == {"bool"}:
        return pl.Boolean()
    if found == {"int"}:
        return pl.Int64()
    if found and found <= {"int", "float"}:
        return pl.Float64()
    return pl.String()


def _cell(value: Any, dtype: pl.DataType) -> Any:
    if value is None or (dtype != pl.String and dtype != pl.Float64):
        return value
    if dtype == pl.Float64:
        return float(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
