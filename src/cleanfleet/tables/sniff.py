"""What a file is before it is read: its format, and for delimited text its encoding, header and separator."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..law.errors import InputError

#: Suffix -> format.
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}

#: First bytes -> what such a file is; the formats' own names where they are ours.
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"PK\x03\x04", "a ZIP archive or an XLSX workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "an SQLite database"),
)

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

#: Windows-1252 as browsers read it: the five bytes without a character stand for the control characters of their number.
_WINDOWS_1252 = "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in range(256))

_CHUNK = 4 << 20
_HEAD = 1 << 20

#: The separators that are recognised, with their names.
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}


def format_of(path: Path) -> str:
    """The format that the suffix of an existing, non-empty file promises; :class:`InputError` where there is none."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not a file")
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise InputError(f"{path}: unknown file type {path.suffix!r}; known are {', '.join(FORMATS)}")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from None
    if not start:
        raise InputError(f"{path}: the file is empty")
    kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    promised = {"parquet": "parquet", "xlsx": "a ZIP archive or an XLSX workbook"}.get(found)
    if kind != promised:
        is_what = f"it is {kind}" if kind else "its content is of another kind"
        raise InputError(f"{path}: is not {_article(found)}, as its name says; {is_what}")
    return found


def _article(kind: str) -> str:
    return {
        "csv": "delimited text",
        "parquet": "a Parquet file",
        "xlsx": "an XLSX workbook",
        "jsonl": "JSON lines",
        "json": "JSON",
    }[kind]


@dataclass(frozen=True)
class TextForm:
    """How a delimited text file is written: its encoding, separator and header.

    ``bom`` is the length of the byte-order mark in bytes; the records begin ``start`` characters, or in UTF-8
    ``start_bytes`` bytes, behind it.
    """

    encoding: str
    bom: int
    separator: str
    header: tuple[str, ...]
    start: int
    start_bytes: int
    notes: tuple[str, ...]


def encoding_of(path: Path) -> tuple[str, int, str]:
    """Encoding, length of the byte-order mark, and a note. The whole file is looked at, so nothing fails half-way."""
    with path.open("rb") as file:
        start = file.read(4)
        for bom, name in _BOMS:
            if start.startswith(bom):
                file.seek(len(bom))
                if name == "utf-8" and not _valid(file, name):
                    raise InputError(f"{path}: begins as UTF-8 (byte-order mark), but has bytes that are not UTF-8")
                label = name.upper().removesuffix("-LE").removesuffix("-BE")
                return name, len(bom), f"encoding {label} with byte-order mark"
        file.seek(0)
        valid = True
        decoder = codecs.getincrementaldecoder("utf-8")()
        ascii_only = True
        while chunk := file.read(_CHUNK):
            if b"\0" in chunk:
                raise InputError(f"{path}: has zero bytes, so it is not text (UTF-16 is read only with a byte-order mark)")
            # bytes.isascii is far quicker than decoding, and most lists are plain ASCII
            if valid and not (ascii_only and chunk.isascii()):
                ascii_only = False
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    valid = False
        if valid and not ascii_only:
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                valid = False
    if valid:
        return "utf-8", 0, "encoding UTF-8"
    return "windows-1252", 0, "encoding Windows-1252 (the bytes are not UTF-8)"


def _valid(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def decoded(file: BinaryIO, encoding: str, size: int = _CHUNK) -> Iterator[str]:
    """The text of an open file in pieces; :class:`UnicodeDecodeError` where the bytes don't fit the encoding."""
    if encoding == "windows-1252":
        while chunk := file.read(size):
            yield codecs.charmap_decode(chunk, "strict", _WINDOWS_1252)[0]
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    while chunk := file.read(size):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def text_form(path: Path) -> TextForm:
    """Encoding, separator and header of a delimited text file.

    Raises :class:`InputError` for a header that has an empty or a repeated name, and where there is no record at all.
    """
    encoding, bom, note = encoding_of(path)
    notes = [note]
    with path.open("rb") as file:
        file.seek(bom)
        try:
            head = next(decoded(file, encoding, _HEAD), "")
        except UnicodeDecodeError:
            raise InputError(f"{path}: has bytes that are not {encoding}") from None
    if "\0" in head:
        raise InputError(f"{path}: has zero characters, so it is not a list in text form")
    start = len(head) - len(head.lstrip("\r\n"))
    separator = ""
    if head[start : start + 4].lower() == "sep=" and head[start + 4 : start + 5] in SEPARATORS:
        # Excel's own hint line
        separator = head[start + 4]
        start += 5
        start += len(head[start:]) - len(head[start:].lstrip("\r\n"))
    end, counts = _header_end(head, start)
    if end < 0:
        raise InputError(f"{path}: the header opens a quote that is never closed")
    line = head[start:end]
    if not line.strip():
        raise InputError(f"{path}: the file is empty")
    if end == len(head) and len(head) >= _HEAD:
        raise InputError(f"{path}: has no header line within its first {_HEAD:,} characters")
    if not separator:
        separator = max(SEPARATORS, key=lambda mark: counts.get(mark, 0))
    names = next(csv.reader(io.StringIO(line, newline=""), delimiter=separator))
    check_header(path, names)
    if not head[end:].strip("\r\n") and len(head) < _HEAD:
        raise InputError(f"{path}: has a header, but no records")
    notes.append(f"separator {SEPARATORS[separator]}" if len(names) > 1 else "one column, no separator")
    return TextForm(encoding, bom, separator, tuple(names), end, len(head[:end].encode()), tuple(notes))


def _header_end(text: str, start: int) -> tuple[int, dict[str, int]]:
    """Where the header line ends, and how often each separator stands in it; quoted names don't count.

    A quote opens a name only at its beginning. The end is -1 where a quote is never closed.
    """
    counts: dict[str, int] = {}
    place = start
    while place < len(text):
        char = text[place]
        if char in "\r\n":
            return place, counts
        if char == '"' and (place == start or text[place - 1] in SEPARATORS):
            place = text.find('"', place + 1)
            while place >= 0 and text[place + 1 : place + 2] == '"':
                place = text.find('"', place + 2)
            if place < 0:
                return -1, counts
        elif char in SEPARATORS:
            counts[char] = counts.get(char, 0) + 1
        place += 1
    return len(text), counts


def check_header(path: Path, names: list[str]) -> None:
    """Raise :class:`InputError` for an empty or a repeated column name."""
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if not name.strip():
            raise InputError(f"{path}: column {place} of {len(names)} has no name in the header")
        if name in seen:
            raise InputError(f"{path}: the header has the name {name!r} twice (columns {seen[name]} and {place})")
        seen[name] = place
