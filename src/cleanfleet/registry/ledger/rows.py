"""Many rows at once: COPY on PostgreSQL, one prepared statement on SQLite; and numbers from the database's sequences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection


def insert(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows to a table inside the running transaction. Table and columns are names of our own, never input."""
    names = ", ".join(f'"{name}"' for name in columns)
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor, cursor.cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" for _ in columns)
    assert connection.connection is not None
    connection.connection.executemany(
        f'INSERT INTO "{table}" ({names}) VALUES ({marks})', [tuple(map(_plain, row)) for row in rows]
    )


def _plain(value: Any) -> Any:
    """What SQLite's own module takes without a warning: dates and instants as Django writes them."""
    if hasattr(value, "isoformat"):
        return value.replace(tzinfo=None).isoformat(" ") if hasattr(value, "tzinfo") else value.isoformat()
    return value


def numbers(table: str, column: str, count: int = 1) -> list[int]:
    """The next ``count`` numbers of a table's column, ascending; inside a transaction, which on SQLite writes alone."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT nextval(%s) FROM generate_series(1, %s)", [_sequence(table, column), count])
            return sorted(number for (number,) in cursor.fetchall())
        cursor.execute(f'SELECT coalesce(max("{column}"), 0) FROM "{table}"')
        (last,) = cursor.fetchone()
        return list(range(last + 1, last + count + 1))


def _sequence(table: str, column: str) -> str:
    from .guards import SEQUENCES

    return f"{table}_{column}" if SEQUENCES.get(table) == column else f"{table}_{column}_seq"
