"""Databases for tests: each test gets its own, copied from one that was migrated once. No guard is ever switched off.

PostgreSQL: ``CLEANFLEET_TEST_PG`` (a URL of a server where databases may be made) if set; else an installed server, started in a
temporary folder (by root through the user postgres); else the embedded one where its package is there and we aren't root; else the
tests that need it skip aloud.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from cleanfleet.registry import boot
from cleanfleet.registry.config.settings import database

boot.start()

from django.core.management import call_command  # noqa: E402
from django.db import connection, connections  # noqa: E402


def _use(settings: dict[str, Any]) -> None:
    """Let Django's default connection, here and in threads begun from now on, be this database."""
    connections["default"].close()
    full = {**connections.configure_settings({"default": settings})["default"]}
    connections.databases["default"] = full
    del connections["default"]


def use(url: str, folder: Path) -> None:
    """Let Django's default connection be the database of that DATABASE_URL ('' for SQLite in ``folder``)."""
    _use(database(url, folder))


@cache
def sqlite_template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cleanfleet-sqlite-"))
    atexit.register(shutil.rmtree, folder, True)
    _use(database("", folder))
    call_command("migrate", verbosity=0, interactive=False)
    connection.close()
    path = folder / "registry.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as there:
        there.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def binaries() -> Path | None:
    """Where PostgreSQL's programs are installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return Path(there).parent if there else None


@contextlib.contextmanager
def own_server(folder: Path, *options: str) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """A server in ``folder``: its address, what stops it at once, what starts it again. By root through the user postgres."""
    place = binaries()
    assert place is not None
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    data = folder / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    make = [*as_user, str(place / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8"]
    subprocess.run(make, check=True, capture_output=True)
    given = [f"-p {port}", f"-k {folder}", "-c listen_addresses=127.0.0.1", "-c max_connections=150", *options]
    control = [*as_user, str(place / "pg_ctl"), "-D", str(data)]

    def start() -> None:
        command = [*control, "-w", "-l", str(folder / "log"), "-o", " ".join(given), "start"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        subprocess.run([*control, "-m", "immediate", "stop"], capture_output=True)

    start()
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}", stop, start
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


@cache
def server() -> str | None:
    """The address of a PostgreSQL server to make databases on, without the database's name; None where there is none."""
    if given := os.environ.get("CLEANFLEET_TEST_PG"):
        return given.rstrip("/")
    if binaries() is None:
        return None
    running = own_server(Path(tempfile.mkdtemp(prefix="cleanfleet-pg-")), "-c fsync=off", "-c synchronous_commit=off")
    url, _, _ = running.__enter__()
    mine = os.getpid()
    atexit.register(lambda: running.__exit__(None, None, None) if os.getpid() == mine else None)
    return url


def admin_at(url: str, sql: str) -> None:
    with psycopg.connect(f"{url}/postgres", autocommit=True) as there:
        there.execute(sql)


def migrate() -> None:
    call_command("migrate", verbosity=0, interactive=False)


def admin(sql: str) -> None:
    admin_at(str(server()), sql)


@cache
def postgresql_template() -> str:
    name = f"template_{uuid.uuid4().hex[:12]}"
    admin(f"CREATE DATABASE {name}")
    _use(database(f"{server()}/{name}", Path()))
    call_command("migrate", verbosity=0, interactive=False)
    connection.close()
    return name


@contextlib.contextmanager
def fresh(vendor: str, folder: Path) -> Iterator[str]:
    """A new, empty, migrated database for Django's default connection; gives its DATABASE_URL ('' for SQLite in ``folder``)."""
    if vendor == "sqlite":
        shutil.copy(sqlite_template(), folder / "registry.sqlite3")
        _use(database("", folder))
        yield ""
        connection.close()
        return
    template = postgresql_template()
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin(f"CREATE DATABASE {name} TEMPLATE {template}")
    url = f"{server()}/{name}"
    _use(database(url, folder))
    try:
        yield url
    finally:
        connection.close()
        admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
