"""Keeping a copy of the registry, and bringing one back; both check what they made.

A copy of SQLite is made by its own online backup, one of PostgreSQL by pg_dump. Beside the copy stands ``<name>.check``: the number of
operations and the hash of the last block, to be kept elsewhere too, so that an end that was cut off is found.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection

from .ledger import audit, guards
from .ledger.models import Block, Operation
from .refusals import Conflict, Invalid


def state() -> dict[str, Any]:
    """What a copy must have: how many operations, and the last block's hash."""
    block = Block.objects.order_by("-last").first()
    return {"operations": Operation.objects.count(), "last_block": None if block is None else block.hash}


def backup(target: Path) -> dict[str, Any]:
    """Write a copy to ``target`` (which must not exist), and its check; gives the check. Raises :class:`Conflict`."""
    check = target.with_name(target.name + ".check")
    for path in (target, check):
        if path.exists():
            raise Conflict("exists", f"{path} is there already; a backup overwrites nothing", field="file")
    audit.seal_blocks()
    found = state()
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(target)) as copy:
            connection.ensure_connection()
            assert connection.connection is not None
            connection.connection.backup(copy)
            (answer,) = copy.execute("PRAGMA integrity_check").fetchone()
            (counted,) = copy.execute("SELECT count(*) FROM ledger_operation").fetchone()
        if answer != "ok" or counted < found["operations"]:
            raise Conflict("backup", f"the copy is not sound: {answer}, {counted} operations of {found['operations']}")
    else:
        _run("pg_dump", "--format=custom", f"--file={target}")
        listed = _run("pg_restore", "--list", str(target), database=False)
        lost = [table for table in guards.APPEND_ONLY if f" {table} " not in listed]
        if lost:
            raise Conflict("backup", f"the copy lacks {', '.join(lost)}")
    check.write_text(json.dumps(found, sort_keys=True) + "\n", encoding="utf-8")
    return found


def restore(source: Path) -> dict[str, Any]:
    """Bring a copy back into an empty place, and audit it; gives its state. Raises :class:`Conflict`, :class:`Invalid`.

    SQLite: the database's file must not exist. PostgreSQL: DATABASE_URL names an empty database.
    """
    if not source.exists():
        raise Invalid("file", f"{source} isn't there", field="file")
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        place = Path(settings["NAME"])
        if place.exists():
            raise Conflict("exists", f"{place} is there already; a restore overwrites nothing")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    else:
        if connection.introspection.table_names():
            raise Conflict("exists", "the database isn't empty; a restore overwrites nothing")
        _run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={settings['NAME']}", str(source))
    found = state()
    check = source.with_name(source.name + ".check")
    told = json.loads(check.read_text(encoding="utf-8")) if check.exists() else found
    if found["operations"] < told["operations"] or (
        told["last_block"] and not Block.objects.filter(hash=told["last_block"]).exists()
    ):
        raise Conflict("restore", f"the copy has {found}, its check says {told}")
    findings = audit.run()
    if findings:
        raise Conflict("restore", f"the audit found {len(findings)} things, the first: {' '.join(findings[0])}")
    return found


def _run(program: str, *arguments: str, database: bool = True) -> str:
    """Run one of PostgreSQL's programs on our database; its password goes by the environment."""
    import os

    path = shutil.which(program)
    if path is None:
        raise Conflict("program", f"{program} isn't installed; PostgreSQL's client programs are needed")
    settings = connection.settings_dict
    environment = {**os.environ}
    if database:
        names = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "PASSWORD": "PGPASSWORD", "NAME": "PGDATABASE"}
        environment |= {variable: str(settings[key]) for key, variable in names.items() if settings.get(key)}
    done = subprocess.run([path, *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Conflict("program", f"{program} failed: {done.stderr.strip()[:500]}")
    return done.stdout
