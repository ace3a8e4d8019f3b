"""Django's settings, made from :mod:`.options`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import dj_database_url

from .options import SettingError, read

OPTIONS = read()


def database(url: str, home: Path) -> dict[str, Any]:
    """Django's connection of a database: SQLite with write-ahead log and full synchronisation, or PostgreSQL."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(home / "registry.sqlite3"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    found: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=600))
    if found["ENGINE"] != "django.db.backends.postgresql":
        raise SettingError("DATABASE_URL is not of PostgreSQL; allowed is postgresql://..., or nothing for SQLite")
    # An operation sends the same statements again and again: PostgreSQL plans each of them once for a connection.
    found.setdefault("OPTIONS", {}).update({"server_side_binding": True, "prepare_threshold": 3})
    return found


SECRET_KEY = OPTIONS["CLEANFLEET_SECRET_KEY"] or secrets.token_urlsafe(50)
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOMS = (
    "ledger",
    "accounts",
    "rulings",
    "vehicles",
    "payments",
    "acceptance",
    "charges",
    "transfers",
    "fleets",
    "intake",
    "bankfiles",
    "notices",
)
INSTALLED_APPS = [f"cleanfleet.registry.{room}" for room in ROOMS]
DATABASES = {"default": database(OPTIONS["DATABASE_URL"], OPTIONS["CLEANFLEET_HOME"])}
ATOMIC_REQUESTS = False
