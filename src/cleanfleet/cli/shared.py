"""What several commands need: loading a policy from options, tables on the terminal, JSON."""

from __future__ import annotations

import datetime as dt
import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from cleanfleet import policies
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy

#: Characters that a column of texts keeps, however narrow the terminal.
LEAST = 16


def console() -> Console:
    """Standard output; as wide as the terminal, and wide enough for a table where it goes to a file."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=200)


def load(
    policy: str,
    *,
    known: str | None = None,
    values: Sequence[str] = (),
    readings: Mapping[str, str] | None = None,
    min_grade: str | None = None,
    language: str | None = None,
) -> Policy:
    if known is not None:
        date(known, "--known")
    return policies.load(policy, known=known, values=values, readings=readings, min_grade=min_grade, language=language)


def date(text: str, option: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option}: {text!r} is not a date; write it as 2026-03-31") from None


def table(
    title: str, columns: Iterable[tuple[str, bool]], rows: Iterable[Sequence[Any]], narrow: Sequence[str] = ()
) -> Table:
    """A table; ``columns`` are (heading, whether its cells are numbers); numbers and those in ``narrow`` are not folded."""
    found = Table(
        title=escape(title) if title else None, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    cells = [["" if cell is None else plain(cell) for cell in row] for row in rows]
    for place, (heading, number) in enumerate(columns):
        whole = number or heading in narrow
        widest = max((len(row[place]) for row in cells), default=0)
        if number:
            heading = "\n".join(textwrap.wrap(heading, max(widest, 8), break_long_words=False)) or heading
        least = max([widest, *map(len, heading.split("\n"))]) if whole else min(max(widest, len(heading)), LEAST)
        found.add_column(heading, justify="right" if number else "left", overflow="fold", no_wrap=whole, min_width=least)
    for row in cells:
        found.add_row(*row)
    return found


def show(out: Console, shown: Table) -> None:
    """Print a table; where the terminal is too narrow its lines run over, rather than that a number loses digits."""
    wanted = Measurement.get(out, out.options.update(width=10_000), shown).minimum
    if wanted > out.width:
        shown.width = wanted
    out.print(shown, crop=False, no_wrap=wanted > out.width, overflow="ignore")


def plain(value: Any) -> str:
    """A cell as text: decimals without trailing zeros beyond the second place, no brackets that rich would read."""
    if isinstance(value, Decimal):
        whole, point, places = f"{value:f}".partition(".")
        return whole + point + places[:2] + places[2:].rstrip("0")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(str(value))


def dump(content: Any) -> str:
    """JSON with exact decimal numbers, dates as ISO texts."""
    return _Encoder(indent=1, ensure_ascii=False).encode(content)


class _Number(float):
    """A decimal that JSON prints digit for digit."""

    def __new__(cls, value: Decimal) -> _Number:
        made = super().__new__(cls, value)
        made.text = f"{value:f}"
        return made

    text: str

    def __repr__(self) -> str:
        return self.text


class _Encoder(json.JSONEncoder):
    def encode(self, o: Any) -> str:
        # The C encoder writes subclasses of float by float.__repr__; the pure one asks the value itself.
        return "".join(self.iterencode(_ready(o)))

    def iterencode(self, o: Any, _one_shot: bool = False) -> Any:
        return json.encoder._make_iterencode(  # type: ignore[attr-defined]
            {}, self.default, json.encoder.py_encode_basestring, self.indent, lambda value: repr(value),
            self.key_separator, self.item_separator, self.sort_keys, self.skipkeys, False,
        )(o, 0)  # fmt: skip


def _ready(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _Number(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not isinstance(value, _Number) and not math.isfinite(value):
        return None  # JSON knows no NaN and no infinity
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.timedelta):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _ready(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_ready(inner) for inner in value]
    return value
