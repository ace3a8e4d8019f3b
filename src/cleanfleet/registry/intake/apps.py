from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "cleanfleet.registry.intake"
    label = "intake"

    def ready(self) -> None:
        from cleanfleet.registry.ledger import guards

        # What came from where is never changed: it ties the old register's numbers to ours.
        guards.keep("intake_part", "id", ("intake_id", "number"), ("operation_id",))
        guards.keep("intake_origin", "id", ("register", "kind", "key"))
        guards.keep("intake_history", "id")
        guards.keep("intake_lack", "id", ("about", "subject"))
