from django.apps import AppConfig


class AcceptanceConfig(AppConfig):
    name = "cleanfleet.registry.acceptance"
    label = "acceptance"
