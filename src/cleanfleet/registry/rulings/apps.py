from django.apps import AppConfig


class RulingsConfig(AppConfig):
    name = "cleanfleet.registry.rulings"
    label = "rulings"
