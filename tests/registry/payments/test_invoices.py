"""Invoices and receipts: no GST, and the name, address and law of their day."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction

from cleanfleet.registry import clock
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import WithdrawVehicle
from cleanfleet.registry.charges.settling import SettleCharges
from cleanfleet.registry.ledger import guards
from cleanfleet.registry.payments.models import Invoice, Payment, Receipt
from cleanfleet.registry.payments.operations import TakeMessage, TimeOutPayment
from cleanfleet.registry.transfers.operations import TransferOwn
from cleanfleet.registry.vehicles.models import Claim
from registry.charges.test_correcting import charged
from registry.people import account, car, credited, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")


def pay(payment: Payment, event: str = "e") -> dict[str, Any]:
    message = {"payment": payment.public_id, "provider": "local", "event": event, "outcome": "succeeded"}
    return do(TakeMessage.read({**message, "cents": payment.cents}), system())


def test_an_invoice_stands_before_the_payment_and_freezes_what_the_receipt_will_say() -> None:
    from cleanfleet.registry.acceptance.operations import AcceptVehicles

    ready_law()
    owner = person()
    of = account(owner)
    with clock.at("2026-04-02"):
        (row,) = feed(car(of, 150))
        made = do(AcceptVehicles(account=of.public_id, vehicles=[row["claim"]]), owner)
        payment = Payment.objects.get(public_id=made["payment"])
        invoice = Invoice.objects.get()
        assert payment.invoice == invoice
        holder = of.holder
        holder.name, holder.address = (
            "Tui Ltd",
            "2 Quay St",
        )  # changed before it is paid: the invoice stays, the receipt is of today
        holder.save()
        pay(payment)
    receipt = Receipt.objects.get()
    assert (invoice.name, invoice.address) == ("Kea Imports Ltd", "1 Quay St, Auckland")
    assert (receipt.name, receipt.address) == ("Tui Ltd", "2 Quay St")
    for issued in (Invoice.objects.get(), receipt):
        assert (issued.cents, issued.note, str(issued.issued_on)) == (22200, "no GST", "2026-04-02")
        assert "s 182" in issued.law_reference
    assert (invoice.name, invoice.number[:6]) == (Invoice.objects.get().name, "I2026-")
    holder.name = "Moa Ltd"
    holder.save()
    assert Receipt.objects.get().name == "Tui Ltd"


def test_the_same_sum_is_invoiced_again_only_once_it_was_paid() -> None:
    from cleanfleet.registry.ledger.operations import Action, Work
    from cleanfleet.registry.payments import operations as payments

    class Collect(Action):
        """Only for this test: a payment of $5 for a purpose of nobody's."""

        def run(self, work: Work) -> dict[str, Any]:
            return {"payment": payments.create(work, of, 500, "nothing", 1, "local").public_id}

    owner = person()
    of = account(owner)
    first, second = (do(Collect(), owner)["payment"] for _ in range(2))
    assert len({one.invoice_id for one in Payment.objects.all()}) == 1
    pay(Payment.objects.get(public_id=first))
    assert second != do(Collect(), owner)["payment"]
    assert [one.invoice_id for one in Payment.objects.order_by("pk")][1] != Payment.objects.latest("pk").invoice_id


def test_what_credits_meet_alone_has_no_invoice() -> None:
    ready_law()
    owner = person()
    of = credited(owner, 40)
    with clock.at("2026-04-02"):
        charged(owner, of, 150, credits_g=37)
    assert not Invoice.objects.exists()


def test_a_settlement_has_an_invoice_of_its_own_each_time_it_is_begun() -> None:
    ready_law()
    owner = person()
    of = credited(owner, 40)
    other = account(owner, "used", of.holder.public_id)
    with clock.at("2026-04-02T12:00+13:00"):
        do(TransferOwn(account=of.public_id, to_account=other.number, grams=35), owner)
        do(WithdrawVehicle(claim=Claim.objects.get().public_id, reason="exported", grounds="x"), officer())
        first = do(SettleCharges(account=of.public_id), owner)
    with clock.at("2026-04-03T12:00+13:00"):
        do(TimeOutPayment(payment=first["payment"]), system())
        second = do(SettleCharges(account=of.public_id), owner)
        pay(Payment.objects.get(public_id=second["payment"]))
    assert [(one.cents, one.note) for one in Invoice.objects.order_by("pk")] == [(21000, "no GST")] * 2
    assert Receipt.objects.get().cents == 21000


FIGURES = ["number = 'x'", "cents = 1", "law_reference = 'x'", "note = 'x'", "name = 'x'", "address = ''", "id = 99"]


@pytest.mark.parametrize("table", ["payments_invoice", "payments_receipt"])
def test_what_was_issued_is_not_changed(table: str) -> None:
    from registry.test_kill import _waiting

    _, _, answer = _waiting()
    with clock.at("2026-04-02T12:05+13:00"):
        pay(Payment.objects.get(public_id=answer["payment"]))
    wrong = [f"UPDATE {table} SET {change}" for change in FIGURES] + [f"DELETE FROM {table}"]
    if connection.vendor == "postgresql":
        wrong.append(f"TRUNCATE {table} CASCADE")
    else:
        wrong += [f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}", f"REPLACE INTO {table} SELECT * FROM {table}"]
    for statement in wrong:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET name = 'erased', address = 'erased'")
        cursor.execute(f"SELECT cents, name, note FROM {table}")
        assert cursor.fetchall() == [(4200, "erased", "no GST")]
    assert {f"{table}_frozen", f"{table}_no_delete"} <= {guard.name for guard in guards.expected(connection.vendor)}


def test_neither_has_a_column_of_tax() -> None:
    for model in (Invoice, Receipt):
        columns = {field.column for field in model._meta.get_fields() if isinstance(field, models.Field)}
        assert not {name for name in columns if "gst" in name or "tax" in name}
        assert {"name", "address", "cents", "law_reference", "note"} <= columns
