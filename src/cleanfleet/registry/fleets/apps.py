from django.apps import AppConfig


class FleetsConfig(AppConfig):
    name = "cleanfleet.registry.fleets"
    label = "fleets"
