from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "cleanfleet.registry.payments"
    label = "payments"

    def ready(self) -> None:
        from cleanfleet.registry.ledger.erasable import freeze

        # What was issued stays as it is; a name and an address on it may be erased.
        issued = ("number", "issued_on", "cents", "law_reference", "note")
        freeze("payments_invoice", "number", ("account_id", "purpose", "subject", "begun_id", *issued), ("name", "address"))
        freeze("payments_receipt", "number", ("payment_id", *issued), ("name", "address"))
