from django.apps import AppConfig


class TransfersConfig(AppConfig):
    name = "cleanfleet.registry.transfers"
    label = "transfers"
