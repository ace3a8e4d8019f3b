"""Make the registry ready for use in a program: settings, database, schema, guards."""

from __future__ import annotations

import os


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
