from django.apps import AppConfig


class FleetsConfig(AppConfig):
    name = "cleanfleet.registry.fleets"
    label = "fleets"

    def ready(self) -> None:
        from cleanfleet.registry.ledger import guards

        # A determination and what it counted are never changed: a correction makes the next version.
        guards.keep("fleets_determination", "id", ("public_id",), ("fleet_year_id", "number"))
        guards.keep("fleets_counted", "id", ("determination_id", "result_id"))
