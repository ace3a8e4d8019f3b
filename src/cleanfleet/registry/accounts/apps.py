from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "cleanfleet.registry.accounts"
    label = "accounts"
