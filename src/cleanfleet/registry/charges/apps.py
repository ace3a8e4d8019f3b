from django.apps import AppConfig


class ChargesConfig(AppConfig):
    name = "cleanfleet.registry.charges"
    label = "charges"
