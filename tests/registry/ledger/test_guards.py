"""What raw SQL may not do to the book, on both databases; on PostgreSQL as the run-time role."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from cleanfleet.registry.ledger import guards
from cleanfleet.registry.ledger.models import Balance, Movement, Operation
from cleanfleet.registry.ledger.operations import Action, Work
from registry.databases import admin, fresh
from registry.people import account, do, person

UNIT = "credit:used"


class Earn(Action):
    """Only for this test: an account earns grams."""

    owner: int
    grams: int

    def run(self, work: Work) -> dict[str, Any]:
        lot = work.lot(UNIT, self.owner, 2025, dt.date(2025, 5, 1))
        work.move(UNIT, work.bucket(None, "issued", UNIT), work.bucket(self.owner, "held", UNIT), self.grams, lot=lot)
        work.bucket(None, "issued", "NZD")
        return {}


@pytest.fixture
def book(database: str) -> Iterator[int]:
    """A book with one movement of 1,000 g; then the run-time role, where the database has roles. Gives the operation."""
    found = account(person())
    do(Earn(owner=found.pk, grams=1000), person("Ben"))
    operation = Operation.objects.get(name="earn").pk
    if database:
        role = f"runtime_{database.rpartition('_')[2]}"
        admin(f"CREATE ROLE {role}")
        with connection.cursor() as cursor:
            for sql in guards.grants(role):
                cursor.execute(sql)
            cursor.execute(f"SET ROLE {role}")
    yield operation
    if database:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
            cursor.execute(f"DROP OWNED BY {role}")
        admin(f"DROP ROLE {role}")


def attempt(*statements: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


TABLES = sorted(table for table in guards.APPEND_ONLY if table.startswith("ledger_"))


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_never_changed_or_removed(book: int, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        (there,) = cursor.fetchone()
    if not there and connection.vendor == "sqlite":
        pytest.skip("the triggers for rows need a row") if table not in ("ledger_lawsnapshot", "ledger_block") else None
        with connection.cursor() as cursor:
            values = {"ledger_lawsnapshot": "'d', 'p', 'c'", "ledger_block": "1, 1, 1, 1, 'h', '2026-01-01', NULL"}[table]
            cursor.execute(f"INSERT INTO {table} VALUES ({values})")
    key = guards.APPEND_ONLY[table][0]
    attempt(f"UPDATE {table} SET {key} = {key}")
    attempt(f"DELETE FROM {table}")
    if connection.vendor == "postgresql":
        attempt(f"TRUNCATE {table} CASCADE")
        attempt(f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {key} = {table}.{key}")
    else:
        attempt(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
        attempt(f"REPLACE INTO {table} SELECT * FROM {table}")
        attempt(f"INSERT INTO {table} SELECT * FROM {table} WHERE TRUE ON CONFLICT ({key}) DO UPDATE SET {key} = {key}")


COLUMNS = "operation_id, line, unit_id, lot_id, source_id, target_id, amount"


def movement(**changes: str) -> str:
    """A statement that would add a movement like the first one to a new operation 99, but for the changes."""
    row = {name: name for name in COLUMNS.split(", ")} | {"operation_id": "99"} | changes
    return f"INSERT INTO ledger_movement ({COLUMNS}) SELECT {', '.join(row.values())} FROM ledger_movement WHERE line = 1"


def opening(number: int = 99, seal: int | None = None) -> str:
    columns = "name, schema, principal_id, input, input_digest, nonce, recorded_at, effective_on"
    return (
        f"INSERT INTO ledger_operation (id, seal_id, key, {columns}) SELECT {number}, {seal or number}, 'k{number}', {columns} "
        "FROM ledger_operation WHERE name = 'earn'"
    )


def sealing(number: int = 99, movements: int = 1) -> str:
    return (
        "INSERT INTO ledger_seal (operation_id, position, answer, movements, content_hash, version) "
        f"VALUES ({number}, {number}, '', {movements}, '', '')"
    )


def test_the_pattern_of_the_refused_statements_is_itself_accepted(book: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for sql in (opening(), movement(), sealing()):
            cursor.execute(sql)
    assert Balance.objects.get().amount == 2000


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "0"},
        {"amount": "-5"},
        {"amount": "1.5"},
        {"amount": "'abc'"},
        {"target_id": "source_id"},
        {"unit_id": "(SELECT id FROM ledger_unit WHERE code = 'NZD')"},
        {"source_id": "(SELECT b.id FROM ledger_bucket b JOIN ledger_unit u ON u.id = b.unit_id WHERE u.code = 'NZD')"},
        {"source_id": "target_id", "target_id": "source_id", "amount": "1001"},
        {"lot_id": "12345"},
        {"source_id": "12345"},
    ],
    ids=lambda changes: " ".join(f"{k}={v[:12]}" for k, v in changes.items()),
)
def test_movements_that_can_not_be(book: int, changes: dict[str, str]) -> None:
    if changes.get("amount") == "1.5" and connection.vendor == "postgresql":
        changes = {"amount": "'1.5'"}  # a bare 1.5 is rounded by the cast before the table sees it
    attempt(opening(), movement(**changes), sealing())
    assert Movement.objects.count() == 1
    assert Balance.objects.get().amount == 1000


def test_a_movement_never_joins_a_sealed_operation(book: int) -> None:
    attempt(movement(operation_id=str(book), line="2"))


def test_an_operation_has_a_seal_of_its_own(book: int) -> None:
    attempt(opening())
    attempt(opening(seal=book))
    attempt(opening(), movement())
    attempt(opening(), movement(), sealing(movements=2))
    attempt(opening(), movement(), sealing(movements=0))
    attempt(sealing(movements=0))
    attempt(movement())


TEXT = "ledger_privatetext"
ERASE = f"UPDATE {TEXT} SET text = '', salt = '', erased_id = 99"
ADD = f"INSERT INTO {TEXT} (operation_id, field, salt, text) "


def test_a_running_operation_may_erase_a_private_text(book: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for sql in (opening(), f"{ADD} VALUES (99, 'grounds', 's', 't')", f"{ERASE} WHERE field = 'email'", sealing(99, 0)):
            cursor.execute(sql)
        cursor.execute(f"SELECT count(*) FROM {TEXT} WHERE erased_id = 99 AND text = '' AND salt = ''")
        assert cursor.fetchone()[0] == 2
        cursor.execute(f"SELECT count(*) FROM {TEXT} WHERE erased_id IS NULL AND text <> '' AND salt <> ''")
        assert cursor.fetchone()[0] == 6  # two names, a holder with its address, an account, the one just added


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {TEXT} SET text = 'x'",
        f"UPDATE {TEXT} SET text = '', salt = ''",
        f"UPDATE {TEXT} SET erased_id = 99",
        f"UPDATE {TEXT} SET text = '', erased_id = 99",
        f"{ERASE}, field = 'x'",
        f"{ERASE}, operation_id = 99",
        f"UPDATE {TEXT} SET text = '', salt = '', erased_id = operation_id",
        f"DELETE FROM {TEXT}",
        f"{ADD} SELECT operation_id, 'more', salt, text FROM {TEXT} WHERE field = 'email'",
    ],
)
def test_what_else_may_not_be_done_to_private_texts(book: int, statement: str) -> None:
    attempt(opening(), statement, sealing(99, 0))


def test_a_private_text_is_not_replaced_nor_erased_twice(book: int) -> None:
    attempt(opening(), ERASE, ERASE, sealing(99, 0))
    if connection.vendor == "postgresql":
        attempt(f"TRUNCATE {TEXT}")
    else:
        attempt(f"INSERT OR REPLACE INTO {TEXT} SELECT * FROM {TEXT}")
        first = f"INSERT INTO {TEXT} (id, operation_id, field, salt, text) VALUES (500, 99, 'f', 's', 't')"
        attempt(opening(), first, first.replace("INSERT", "REPLACE").replace("500", "501"), sealing(99, 0))


def test_balances_are_the_guards_own(book: int) -> None:
    if connection.vendor == "sqlite":
        attempt("UPDATE ledger_balance SET amount = -1")
        return  # SQLite knows no roles; the audit rebuilds balances from the movements
    attempt("UPDATE ledger_balance SET amount = 5000")
    attempt("DELETE FROM ledger_balance")
    attempt("INSERT INTO ledger_balance (bucket_id, lot_id, amount) SELECT bucket_id, NULL, 5 FROM ledger_balance")


def test_a_lost_guard_is_told(database: str) -> None:
    name = "ledger_movement_balance" if not database else "ledger_movement_moved"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}" + (" ON ledger_movement" if database else ""))
    assert guards.missing() == [name]
    guards.install()
    assert guards.missing() == []
    if database:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ledger_seal DISABLE TRIGGER ledger_seal_counts")
        assert guards.missing() == ["ledger_seal_counts"]


def test_no_guard_of_sqlite_searches_by_unit_alone(tmp_path: Path) -> None:
    """Of a unit there may be a hundred thousand lots: each new one would look through all of them."""
    with fresh("sqlite", tmp_path), connection.cursor() as cursor:
        for guard in guards.expected("sqlite"):
            if guard.name.endswith("_no_replace"):
                where = guard.sql.partition(" WHERE ")[2].partition(") BEGIN")[0]
                told = re.sub(r"NEW\.\w+", "1", where)
                cursor.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM {guard.table} WHERE {told}")
                plan = [row[3] for row in cursor.fetchall()]
                assert not any(step.startswith("SCAN") or step.endswith("(unit_id=?)") for step in plan), (guard.name, plan)
