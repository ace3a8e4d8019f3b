"""Invoices, payments, the provider's messages, receipts."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Operation


class Invoice(models.Model):
    """What is to be paid for one purpose, with the name and address of that day (erasable) and the law it is charged under. No GST.

    A debit that is tried again for the same amount is another payment of the same invoice.
    """

    number = models.CharField(max_length=20, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="invoices")
    purpose = models.CharField(max_length=20)
    subject = models.BigIntegerField()
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    issued_on = models.DateField()
    name = models.CharField(max_length=200)
    address = models.CharField(max_length=500)
    cents = models.BigIntegerField()
    law_reference = models.CharField(max_length=200)
    note = models.CharField(max_length=60, default="no GST")

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(cents__gt=0), name="invoice_amount")]


class Payment(models.Model):
    """An amount that a provider is to collect for one purpose: an acceptance, the charges of the phase-in, a year's fleet.

    ``purpose`` names the room that waits for it and ``subject`` its row there.
    """

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="payments")
    invoice = models.ForeignKey(Invoice, models.PROTECT, null=True, related_name="payments")
    cents = models.BigIntegerField()
    state = models.CharField(max_length=12)
    purpose = models.CharField(max_length=20)
    subject = models.BigIntegerField()
    provider = models.CharField(max_length=20)
    reference = models.CharField(max_length=80, default="")
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(cents__gt=0), name="payment_amount"),
            models.UniqueConstraint(fields=["provider", "reference"], condition=~Q(reference=""), name="payment_reference"),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "expires_at"], name="payment_waiting")]


class Message(models.Model):
    """A provider's message that was taken in; one that comes twice has the same id and does nothing again."""

    provider = models.CharField(max_length=20)
    event = models.CharField(max_length=80)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="messages")
    outcome = models.CharField(max_length=12)
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["provider", "event"], name="message_once")]


class Receipt(models.Model):
    """What was paid, with the name and address of that day (erasable) and the law it was charged under. No GST."""

    number = models.CharField(max_length=20, unique=True)
    payment = models.OneToOneField(Payment, models.PROTECT, related_name="receipt")
    issued_on = models.DateField()
    name = models.CharField(max_length=200)
    address = models.CharField(max_length=500)
    cents = models.BigIntegerField()
    law_reference = models.CharField(max_length=200)
    note = models.CharField(max_length=60, default="no GST")
