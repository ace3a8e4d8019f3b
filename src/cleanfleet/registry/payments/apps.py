from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "cleanfleet.registry.payments"
    label = "payments"
