"""Delimited text, streamed. Every cell is text; a line with too many or too few cells is kept, refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa
from pyarrow import csv

from ..law.errors import InputError
from .sniff import TextForm, decoded, text_form
from .source import Block

#: Bytes parsed at once; a single record may not be longer.
BLOCK_BYTES = 8 << 20

#: Lines in a row that may be ragged before the file is given up: its separator can't be what the header says.
MAX_RAGGED_RUN = 1_000_000

# A line put behind the file's last. If it does not come back as a record of its own, a quote was never closed and has
# swallowed the rest of the file.
_END = "\x02end of the list\x03"

_CHUNK = 4 << 20


class CsvSource:
    """A delimited text file; see :class:`~cleanfleet.tables.source.Source`."""

    def __init__(self, path: Path, block_bytes: int | None = None) -> None:
        self.path = path
        self.form: TextForm = text_form(path)
        self.block_bytes = block_bytes or BLOCK_BYTES
        self.schema: dict[str, pl.DataType] = {name: pl.String() for name in self.form.header}
        self.notes = list(self.form.notes)
        self.count: int | None = None
        self.raw_column = self.form.header[0]

    def blocks(self, columns: Sequence[str] | None = None, limit: int | None = None) -> Iterator[Block]:
        names = list(self.form.header)
        wanted = names if columns is None else [name for name in names if name in set(columns)]
        ragged: list[tuple[int, str]] = []
        state = _State()

        def on_ragged(line: csv.InvalidRow) -> str:
            if line.text == _END:
                state.ended = True
                return "skip"
            ragged.append((line.number, line.text))
            state.last = max(state.last, line.number)
            return "error" if len(ragged) > MAX_RAGGED_RUN else "skip"

        with self.path.open("rb") as raw:
            stream = _Utf8(raw, self.form)
            number = 0
            try:
                reader = csv.open_csv(
                    pa.PythonFile(stream, mode="r"),
                    # Arrow numbers ragged lines only when it reads with one thread
                    read_options=csv.ReadOptions(use_threads=False, column_names=names, block_size=self.block_bytes),
                    parse_options=csv.ParseOptions(
                        delimiter=self.form.separator, newlines_in_values=True, invalid_row_handler=on_ragged
                    ),
                    convert_options=csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()), include_columns=wanted, strings_can_be_null=False
                    ),
                )
                for batch in reader:
                    if batch.num_rows == 0:
                        continue
                    frame = pl.DataFrame(pl.from_arrow(batch))
                    if len(names) == 1 and frame[0, 0] is not None and frame[-1, 0] == _END:
                        state.ended = True
                        frame = frame.head(-1)
                    block, number = self._numbered(frame, ragged, number)
                    state.last = max(state.last, number)
                    if block is not None:
                        yield block
                    if limit is not None and number >= limit:
                        return
            except pa.ArrowInvalid as error:
                raise self._translated(error, max(number, state.last), len(ragged)) from None
            except UnicodeDecodeError:
                raise InputError(f"{self.path}: has bytes that are not {self.form.encoding}") from None
            except OSError as error:
                raise InputError(f"{self.path}: can't be read ({error.strerror or error})") from None
        if not state.ended:
            raise InputError(
                f"{self.path}: record {state.last} opens a quote that is never closed, so its end can't be known"
            )
        if ragged:
            block, number = self._numbered(_empty(wanted), ragged, number)
            if block is not None:
                yield block
        if number == 0:
            raise InputError(f"{self.path}: has a header, but no records")

    def _numbered(self, frame: pl.DataFrame, ragged: list[tuple[int, str]], before: int) -> tuple[Block | None, int]:
        """The block of ``frame``'s records and of those ragged lines that stand among them; and its last number.

        Arrow hands over whole records and numbers only the ragged lines; ``ragged`` is emptied of those used.
        """
        if not ragged:
            if frame.height == 0:
                return None, before
            last = before + frame.height
            return Block(pl.int_range(before + 1, last + 1, dtype=pl.Int64, eager=True).alias("row"), frame), last
        # n good records and k ragged lines fill the numbers up to before + n + k; the ragged ones say which are theirs.
        used, last = 0, before + frame.height
        while used < len(ragged) and (not frame.height or ragged[used][0] <= last + 1):
            used += 1
            last += 1
        taken, ragged[:] = ragged[:used], ragged[used:]
        bad = pl.Series([number for number, _ in taken], dtype=pl.Int64)
        every = pl.int_range(before + 1, last + 1, dtype=pl.Int64, eager=True)
        numbers = pl.concat([every.filter(~every.is_in(bad.implode())), bad])
        texts = {self.raw_column: [text for _, text in taken]}
        lines = pl.DataFrame([pl.Series(name, texts.get(name, [None] * used), dtype=pl.String) for name in frame.columns])
        broken = pl.concat(
            [pl.repeat(None, frame.height, dtype=pl.String, eager=True), pl.Series(["ragged_row"] * used, dtype=pl.String)]
        )
        # by position, not by name: the file's own columns may have any name
        order = numbers.arg_sort()
        return Block(every.alias("row"), pl.concat([frame, lines])[order], broken.gather(order)), last

    def _translated(self, error: pa.ArrowInvalid, last: int, ragged: int) -> InputError:
        text = str(error)
        if ragged > MAX_RAGGED_RUN:
            return InputError(
                f"{self.path}: more than {MAX_RAGGED_RUN:,} lines on end do not have the {len(self.form.header)} cells "
                "of the header; its separator can't be the one of the lines"
            )
        if "straddling" in text or "out of sync" in text or "block size" in text:
            return InputError(
                f"{self.path}: record {last + 1} or one soon after it is longer than {self.block_bytes:,} bytes; "
                "a quote is probably opened and never closed"
            )
        return InputError(f"{self.path}: can't be read as delimited text after record {last} ({text.splitlines()[0]})")


class _State:
    """What the callback for ragged lines and the loop share: the end mark's arrival, the highest number seen."""

    ended = False
    last = 0


def _empty(names: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(names, pl.String))


class _Utf8:
    """The records of the file as UTF-8 bytes, without the header, followed by the end mark; a minimal file object."""

    closed = False

    def __init__(self, file: BinaryIO, form: TextForm) -> None:
        self._pieces = _records(file, form)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        # Arrow takes what it is given for one block, so it is given as much as it asks for
        parts, got = [self._rest], len(self._rest)
        while size < 0 or got < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            parts.append(piece)
            got += len(piece)
        whole = b"".join(parts)
        cut = got if size < 0 else size
        self._rest = whole[cut:]
        return whole[:cut]

    def close(self) -> None:
        self.closed = True


def _records(file: BinaryIO, form: TextForm) -> Iterator[bytes]:
    if form.encoding == "utf-8":
        # checked as a whole before: the bytes go through as they are
        file.seek(form.bom + form.start_bytes)
        while chunk := file.read(_CHUNK):
            yield chunk
    else:
        file.seek(form.bom)
        skip = form.start
        for text in decoded(file, form.encoding, _CHUNK):
            if piece := text[skip:]:
                yield piece.encode()
            skip = max(0, skip - len(text))
    yield f"\n{_END}\n".encode()
