from django.apps import AppConfig


class BankfilesConfig(AppConfig):
    name = "cleanfleet.registry.bankfiles"
    label = "bankfiles"

    def ready(self) -> None:
        from cleanfleet.registry.ledger import guards

        # What a bank said is never changed; what became of an entry is.
        guards.keep(
            "bankfiles_statement",
            "id",
            ("public_id",),
            ("account_id", "identification", "year"),
            ("account_id", "digest"),
        )
