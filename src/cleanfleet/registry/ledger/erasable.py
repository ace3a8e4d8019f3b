"""Guards of rows that stay as they are, but for texts that can be erased: private texts, and what was issued (invoices, receipts).

* A private text is added with its operation, and changed in one way only: a running operation empties it together with its salt.
* An issued row's name and address may become ``erased``; nothing else of it changes.
"""

from __future__ import annotations

from typing import NamedTuple


class Guard(NamedTuple):
    """A trigger: its name, its table, the statements that make it."""

    name: str
    table: str
    sql: str


class Frozen(NamedTuple):
    """What of a table never changes: its key, the columns that stay, those whose text may be erased."""

    key: str
    columns: tuple[str, ...]
    erasable: tuple[str, ...]


FROZEN: dict[str, Frozen] = {}


def freeze(table: str, key: str, columns: tuple[str, ...], erasable: tuple[str, ...]) -> None:
    """Let an upper room's rows stay as they were added, but for the text of ``erasable`` columns; called when the room is made ready."""
    FROZEN[table] = Frozen(key, columns, erasable)


#: What an erasure is: the row stays, text and salt are empty, and the operation that did it isn't sealed yet.
_ERASURE = """NEW.id = OLD.id AND NEW.operation_id = OLD.operation_id AND NEW.field = OLD.field
    AND OLD.erased_id IS NULL AND NEW.erased_id IS NOT NULL AND NEW.text = '' AND NEW.salt = ''
    AND NOT EXISTS (SELECT 1 FROM ledger_seal WHERE operation_id = NEW.erased_id)"""
_SEALED_TEXT = "EXISTS (SELECT 1 FROM ledger_seal WHERE operation_id = NEW.operation_id)"


def _changed(frozen: Frozen, unlike: str) -> str:
    """The condition under which an update changes more than it may; ``unlike`` compares two values of which either may be empty."""
    kept = [f"OLD.{name} {unlike} NEW.{name}" for name in ("id", *frozen.columns)]
    erased = [f"(OLD.{name} {unlike} NEW.{name} AND NEW.{name} {unlike} 'erased')" for name in frozen.erasable]
    return " OR ".join([*kept, *erased])


def _sqlite_frozen() -> list[Guard]:
    found = []
    for table, frozen in FROZEN.items():
        there = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id OR {frozen.key} = NEW.{frozen.key})"
        for name, verb, condition, text in (
            (f"{table}_frozen", "UPDATE", _changed(frozen, "IS NOT"), f"{table} isn''t changed"),
            (f"{table}_no_delete", "DELETE", "1", f"{table} isn''t changed"),
            (f"{table}_no_replace", "INSERT", there, f"UNIQUE constraint failed: {table} has that key already"),
        ):
            sql = f"CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{text}'); END"
            found.append(Guard(name, table, sql))
    return found


def _postgresql_frozen() -> list[Guard]:
    found = []
    for table, frozen in FROZEN.items():
        changed = _changed(frozen, "IS DISTINCT FROM")
        for name, when in (
            (f"{table}_frozen", f"BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({changed})"),
            (f"{table}_no_delete", f"BEFORE DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"),
        ):
            found.append(Guard(name, table, f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION ledger_refuse()"))
    return found


def sqlite() -> list[Guard]:
    """SQLite's triggers."""
    found = _sqlite_frozen()
    same = "id = NEW.id OR (operation_id = NEW.operation_id AND field = NEW.field)"
    texts = (
        ("ledger_privatetext_only_erased", "UPDATE", f"NOT ({_ERASURE})", "a private text is only erased, by an operation"),
        ("ledger_privatetext_no_delete", "DELETE", "1", "a private text is only erased, by an operation"),
        ("ledger_privatetext_open", "INSERT", _SEALED_TEXT, "the operation is sealed"),
        (
            "ledger_privatetext_no_replace",
            "INSERT",
            f"EXISTS (SELECT 1 FROM ledger_privatetext WHERE {same})",
            "UNIQUE constraint failed: ledger_privatetext has that key already",
        ),
    )
    for name, verb, condition, text in texts:
        sql = f"CREATE TRIGGER {name} BEFORE {verb} ON ledger_privatetext WHEN {condition} BEGIN SELECT RAISE(ABORT, '{text}'); END"
        found.append(Guard(name, "ledger_privatetext", sql))
    return found


FUNCTIONS = {
    "ledger_private": f"""
CREATE OR REPLACE FUNCTION ledger_private() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF {_SEALED_TEXT} THEN
            RAISE EXCEPTION 'the operation is sealed' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NOT ({_ERASURE}) THEN
        RAISE EXCEPTION 'a private text is only erased, by an operation' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$""",
}


def postgresql() -> list[Guard]:
    """PostgreSQL's triggers; their functions are :data:`FUNCTIONS` and the ledger's own ``ledger_refuse``."""
    found = _postgresql_frozen()
    texts = (
        ("ledger_privatetext_kept", "BEFORE INSERT OR UPDATE", "ROW", "ledger_private"),
        ("ledger_privatetext_no_delete", "BEFORE DELETE OR TRUNCATE", "STATEMENT", "ledger_refuse"),
    )
    for name, when, each, function in texts:
        sql = f"CREATE TRIGGER {name} {when} ON ledger_privatetext FOR EACH {each} EXECUTE FUNCTION {function}()"
        found.append(Guard(name, "ledger_privatetext", sql))
    return found
