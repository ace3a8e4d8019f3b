from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LedgerConfig(AppConfig):
    name = "cleanfleet.registry.ledger"
    label = "ledger"

    def ready(self) -> None:
        from .guards import install_after_migrate

        post_migrate.connect(install_after_migrate, dispatch_uid="ledger.guards")
