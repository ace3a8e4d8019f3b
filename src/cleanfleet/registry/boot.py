"""Make the registry ready for use in a program: settings, database, schema, guards."""

from __future__ import annotations

import os
from pathlib import Path


def start() -> None:
    """Set Django up (once). Raises :class:`.config.options.SettingError` where a setting can't be used."""
    import django
    from django.apps import apps

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cleanfleet.registry.config.settings")
    if not apps.ready:
        django.setup()


def migrate() -> None:
    """Bring the database's schema up to date and install the ledger's guards."""
    from django.conf import settings
    from django.core.management import call_command

    settings.OPTIONS["CLEANFLEET_HOME"].mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0, interactive=False)
    from .ledger import guards

    if guards.missing():
        guards.install()


def check() -> None:
    """Refuse to work on a database that isn't up to date or whose guards aren't all in place; loads every kind of operation."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from . import kinds
    from .ledger import guards
    from .refusals import Conflict

    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        raise Conflict("not_migrated", "there is no database yet; run 'cleanfleet registry migrate'")
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise Conflict("not_migrated", "the database isn't up to date; run 'cleanfleet registry migrate'")
    lost = guards.missing()
    if lost:
        raise Conflict(
            "guards", f"the ledger lacks the guards {', '.join(lost)}; 'cleanfleet registry migrate' puts them in place"
        )
    kinds.all_kinds()
