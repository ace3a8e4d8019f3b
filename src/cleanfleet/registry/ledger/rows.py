"""Many rows at once: COPY on PostgreSQL, one prepared statement on SQLite; and numbers from the database's sequences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection


def insert(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows to a table inside the running transaction. Table and columns are names of our own, never input."""
    names = ", ".join(f'"{name}"' for name in columns)
    rows = list(rows)
    connection.ensure_connection()
    if connection.vendor == "postgresql" and len(rows) == 1:
        with connection.cursor() as cursor:
            cursor.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks(columns)})', rows[0])
        return
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor, cursor.cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(row)
        return
    places = ", ".join("?" for _ in columns)
    assert connection.connection is not None
    connection.connection.executemany(
        f'INSERT INTO "{table}" ({names}) VALUES ({places})', [tuple(map(_plain, row)) for row in rows]
    )


def select(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What a statement of our own finds: for the few that every operation sends, where building them costs more than asking."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def marks(values: Sequence[Any]) -> str:
    """As many places for parameters as there are values; of no values, one that nothing equals."""
    return ", ".join("%s" for _ in values) or "NULL"


def _plain(value: Any) -> Any:
    """What SQLite's own module takes without a warning: dates and instants as Django writes them."""
    if hasattr(value, "isoformat"):
        return value.replace(tzinfo=None).isoformat(" ") if hasattr(value, "tzinfo") else value.isoformat()
    return value


def numbers(table: str, column: str, count: int = 1) -> list[int]:
    """The next ``count`` numbers of a table's column, ascending; inside a transaction, which on SQLite writes alone."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT nextval(%s::regclass) FROM generate_series(1, %s)", [_sequence(table, column), count])
            return sorted(number for (number,) in cursor.fetchall())
        cursor.execute(f'SELECT coalesce(max("{column}"), 0) FROM "{table}"')
        (last,) = cursor.fetchone()
        return list(range(last + 1, last + count + 1))


def _sequence(table: str, column: str) -> str:
    from .guards import SEQUENCES

    return f"{table}_{column}" if SEQUENCES.get(table) == column else f"{table}_{column}_seq"
