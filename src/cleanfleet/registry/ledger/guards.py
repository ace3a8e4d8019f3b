"""What the database itself refuses, and the balances that it keeps: triggers for SQLite and PostgreSQL.

Installed after every migration, because Django's remake of a SQLite table drops its triggers in silence, and compared with what is
expected by :func:`missing` at start and in the audit.

* Rows of the book are never changed or removed (UPDATE, DELETE, TRUNCATE; on SQLite also INSERT OR REPLACE, which no DELETE trigger
  sees).
* A movement is of the unit of both its buckets and of its lot, in whole numbers, and never joins a sealed operation.
* A seal counts its operation's movements.
* A private text is added with its operation, and changed in one way only: a running operation erases it, text and salt together.
* What was issued (invoices, receipts) stays as it is; only a name and an address on it may become ``erased``.
* Each movement changes the balances of the owners' buckets that it touches; no bucket falls below nothing.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

from . import erasable
from .erasable import Guard

#: Tables that are only added to, with their unique keys beside the primary one.
APPEND_ONLY: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "ledger_principal": ("id", (("public_id",),)),
    "ledger_unit": ("id", (("code",),)),
    "ledger_bucket": ("id", (("owner_id", "unit_id", "kind"),)),
    "ledger_lot": ("id", (("unit_id", "owner_id", "vintage", "earned_on", "origin_id"), ("unit_id", "origin_id"))),
    "ledger_lawsnapshot": ("digest", ()),
    "ledger_operation": ("id", (("principal_id", "key"), ("seal_id",))),
    "ledger_seal": ("operation_id", (("position",),)),
    "ledger_movement": ("id", (("operation_id", "line"),)),
    "ledger_block": ("id", (("last",), ("previous_id",))),
}


def keep(table: str, key: str = "id", *uniques: tuple[str, ...]) -> None:
    """Let an upper room's table be only added to as well; called when the room is made ready."""
    APPEND_ONLY[table] = (key, uniques)


_UNITS = """SELECT 1 FROM ledger_bucket s, ledger_bucket t
    WHERE s.id = {row}.source_id AND t.id = {row}.target_id AND s.unit_id = {row}.unit_id AND t.unit_id = {row}.unit_id
    AND ({row}.lot_id IS NULL OR EXISTS (SELECT 1 FROM ledger_lot l WHERE l.id = {row}.lot_id AND l.unit_id = {row}.unit_id))"""


def _sqlite_append_only() -> list[Guard]:
    found = []
    for table, (key, uniques) in APPEND_ONLY.items():
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_no_{verb.lower()}"
            found.append(
                Guard(
                    name,
                    table,
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN "
                    f"SELECT RAISE(ABORT, '{table} is only added to'); END",
                )
            )
        same = " OR ".join(
            "(" + " AND ".join(_same(column) for column in columns) + ")" for columns in ((key,), *_strict(uniques))
        )
        name = f"{table}_no_replace"
        found.append(
            Guard(
                name,
                table,
                f"CREATE TRIGGER {name} BEFORE INSERT ON {table} "
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN "
                f"SELECT RAISE(ABORT, 'UNIQUE constraint failed: {table} has that key already'); END",
            )
        )
    return found


def _same(column: str) -> str:
    """That a row has the new one's value. The plus keeps SQLite from searching by unit, of which there are few: of a hundred thousand
    lots each would look through all that are there."""
    return f"{'+' if column == 'unit_id' else ''}{column} IS NEW.{column}"


def _strict(uniques: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Keys whose parts may be empty (an origin, a block before) are compared by the table's own index only."""
    return tuple(columns for columns in uniques if columns not in (("unit_id", "origin_id"), ("previous_id",)))


def _sqlite_balances() -> str:
    steps = []
    for side, sign in (("source", "-"), ("target", "+")):
        owned = f"(SELECT owner_id FROM ledger_bucket WHERE id = NEW.{side}_id) IS NOT NULL"
        steps.append(
            f"INSERT INTO ledger_balance (bucket_id, lot_id, amount) SELECT NEW.{side}_id, NEW.lot_id, 0 WHERE {owned} AND NOT EXISTS "
            f"(SELECT 1 FROM ledger_balance WHERE bucket_id = NEW.{side}_id AND lot_id IS NEW.lot_id);"
            f"UPDATE ledger_balance SET amount = amount {sign} NEW.amount WHERE bucket_id = NEW.{side}_id AND lot_id IS NEW.lot_id;"
        )
    return "".join(steps)


def _sqlite() -> list[Guard]:
    refuse = "SELECT RAISE(ABORT, '{}');"
    movement = (
        (
            "ledger_movement_whole",
            "typeof(NEW.amount) <> 'integer' OR NEW.amount <= 0",
            "movement_amount: an amount is a whole number above 0",
        ),
        (
            "ledger_movement_units",
            f"NOT EXISTS ({_UNITS.format(row='NEW')})",
            "a movement has the unit of its buckets and its lot",
        ),
        (
            "ledger_movement_open",
            "EXISTS (SELECT 1 FROM ledger_seal WHERE operation_id = NEW.operation_id)",
            "the operation is sealed",
        ),
    )
    found = _sqlite_append_only()
    for name, condition, text in movement:
        found.append(
            Guard(
                name,
                "ledger_movement",
                f"CREATE TRIGGER {name} BEFORE INSERT ON ledger_movement WHEN {condition} BEGIN {refuse.format(text)} END",
            )
        )
    found.append(
        Guard(
            "ledger_movement_balance",
            "ledger_movement",
            f"CREATE TRIGGER ledger_movement_balance AFTER INSERT ON ledger_movement BEGIN {_sqlite_balances()} END",
        )
    )
    found.append(
        Guard(
            "ledger_seal_counts",
            "ledger_seal",
            "CREATE TRIGGER ledger_seal_counts BEFORE INSERT ON ledger_seal WHEN NEW.movements <> "
            "(SELECT count(*) FROM ledger_movement WHERE operation_id = NEW.operation_id) OR NOT EXISTS "
            "(SELECT 1 FROM ledger_operation WHERE id = NEW.operation_id) "
            f"BEGIN {refuse.format('a seal counts the movements of its operation')} END",
        )
    )
    return found


_CHANGE = """WITH change AS (
        SELECT side.bucket_id, side.lot_id, sum(side.amount) AS amount FROM (
            SELECT source_id AS bucket_id, lot_id, -amount AS amount FROM added
            UNION ALL SELECT target_id, lot_id, amount FROM added) side
        JOIN ledger_bucket b ON b.id = side.bucket_id
        WHERE b.owner_id IS NOT NULL AND side.lot_id IS {with_lot} GROUP BY side.bucket_id, side.lot_id),
    updated AS (UPDATE ledger_balance b SET amount = b.amount + c.amount FROM change c
        WHERE b.bucket_id = c.bucket_id AND {same} RETURNING b.bucket_id, b.lot_id)
    INSERT INTO ledger_balance (bucket_id, lot_id, amount) SELECT c.bucket_id, c.lot_id, c.amount FROM change c
        WHERE NOT EXISTS (SELECT 1 FROM updated u WHERE u.bucket_id = c.bucket_id AND {known})"""
#: Numbers given out without a gap on SQLite, in order everywhere: of operations as they begin, of seals as they close.
SEQUENCES = {"ledger_operation": "id", "ledger_seal": "position"}
_PG_FUNCTIONS = {
    "ledger_refuse": """
CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to, its rows are not changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$""",
    "ledger_moved": f"""
CREATE OR REPLACE FUNCTION ledger_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added a WHERE NOT EXISTS ({_UNITS.format(row="a")})) THEN
        RAISE EXCEPTION 'a movement has the unit of its buckets and its lot' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT 1 FROM added a JOIN ledger_seal s ON s.operation_id = a.operation_id) THEN
        RAISE EXCEPTION 'the operation is sealed' USING ERRCODE = 'check_violation';
    END IF;
    {_CHANGE.format(with_lot="NOT NULL", same="b.lot_id = c.lot_id", known="u.lot_id = c.lot_id")};
    {_CHANGE.format(with_lot="NULL", same="b.lot_id IS NULL", known="TRUE")};
    RETURN NULL;
END $$""",
    "ledger_sealing": """
CREATE OR REPLACE FUNCTION ledger_sealing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.movements <> (SELECT count(*) FROM ledger_movement WHERE operation_id = NEW.operation_id)
       OR NOT EXISTS (SELECT 1 FROM ledger_operation WHERE id = NEW.operation_id) THEN
        RAISE EXCEPTION 'a seal counts the movements of its operation' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$""",
    **erasable.FUNCTIONS,
}


def _postgresql() -> list[Guard]:
    found = []
    for table in APPEND_ONLY:
        name = f"{table}_only_added"
        found.append(
            Guard(
                name,
                table,
                f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()",
            )
        )
    found.append(
        Guard(
            "ledger_movement_moved",
            "ledger_movement",
            "CREATE TRIGGER ledger_movement_moved AFTER INSERT ON ledger_movement REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_moved()",
        )
    )
    found.append(
        Guard(
            "ledger_seal_counts",
            "ledger_seal",
            "CREATE TRIGGER ledger_seal_counts BEFORE INSERT ON ledger_seal FOR EACH ROW EXECUTE FUNCTION ledger_sealing()",
        )
    )
    return found


def expected(vendor: str) -> list[Guard]:
    """The guards that a database of this vendor ('sqlite' or 'postgresql') has."""
    if vendor == "sqlite":
        return [*_sqlite(), *erasable.sqlite()]
    return [*_postgresql(), *erasable.postgresql()]


def install(using: str = "default") -> None:
    """Put every guard in place anew, in one transaction."""
    from django.db import transaction

    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table, column in SEQUENCES.items():
                cursor.execute(f"CREATE SEQUENCE IF NOT EXISTS {table}_{column}")
            for sql in _PG_FUNCTIONS.values():
                cursor.execute(sql)
        for guard in expected(connection.vendor):
            on = f" ON {guard.table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name}{on}")
            cursor.execute(guard.sql)


def install_after_migrate(sender: Any, using: str, **_: Any) -> None:
    """After the last room has been migrated (the ledger's tables may have been remade)."""
    if sender.label == "ledger":
        install(using)


def missing(using: str = "default") -> list[str]:
    """Names of guards that the database lacks, or has in another form than expected, or has switched off."""
    connection = connections[using]
    lost = []
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            there = dict(cursor.fetchall())
            lost = [guard.name for guard in expected("sqlite") if there.get(guard.name) != guard.sql]
        else:
            cursor.execute(
                "SELECT t.tgname, c.relname, t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
                "WHERE NOT t.tgisinternal"
            )
            enabled = {(name, table) for name, table, on in cursor.fetchall() if on in ("O", "A")}
            lost = [guard.name for guard in expected("postgresql") if (guard.name, guard.table) not in enabled]
            cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname = ANY(%s)", [list(_PG_FUNCTIONS)])
            source = dict(cursor.fetchall())
            lost += [name for name, sql in _PG_FUNCTIONS.items() if source.get(name, "") not in sql or name not in source]
    return lost


#: Tables that the run-time role may change; all others of the book it may only read and add to. Balances the guards write.
def grants(role: str) -> list[str]:
    """The statements that give a PostgreSQL role what running the registry needs and no more. Run them as the owner."""
    read_only = {"ledger_balance", "django_migrations"}
    found = [f'GRANT USAGE ON SCHEMA public TO "{role}"', f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"']
    found.append(f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "{role}"')
    for table in connections["default"].introspection.table_names():
        if table in read_only:
            continue
        verbs = (
            "INSERT" if table in APPEND_ONLY else "INSERT, UPDATE" if table != "django_session" else "INSERT, UPDATE, DELETE"
        )
        found.append(f'GRANT {verbs} ON {table} TO "{role}"')
    return found
