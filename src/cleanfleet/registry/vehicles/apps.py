from django.apps import AppConfig


class VehiclesConfig(AppConfig):
    name = "cleanfleet.registry.vehicles"
    label = "vehicles"
