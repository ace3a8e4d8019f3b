from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "cleanfleet.registry.notices"
    label = "notices"

    def ready(self) -> None:
        from cleanfleet.registry.ledger import guards

        # A notice stays as it was made; that it was sent is another row, of whoever sends it.
        guards.keep("notices_notice", "id", ("public_id",), ("kind", "account_id", "recipient", "subject", "due_on", "step"))
