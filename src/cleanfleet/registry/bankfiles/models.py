"""Collection accounts, bank statements and their entries. Amounts are cents; an entry's is above zero where money came in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.payments.models import Payment

from .states import ENTRY, OUTCOMES


class CollectionAccount(models.Model):
    """A bank account of the agency's into which charges are paid: only its statements are taken in. Sixteen digits."""

    number = models.CharField(max_length=16, unique=True)
    name = models.CharField(max_length=70)
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")


class Statement(models.Model):
    """A statement as the bank gave it; never changed. ``digest`` is of its content without its id.

    Banks number anew each year, so an id is one statement's within the year of its closing balance.
    """

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(CollectionAccount, models.PROTECT, related_name="statements")
    identification = models.CharField(max_length=70)
    year = models.IntegerField()
    sequence = models.BigIntegerField(null=True)
    first_on = models.DateField()
    last_on = models.DateField()
    opening_cents = models.BigIntegerField()
    closing_cents = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    #: How it joins the statement before it, as far as that was there: first, follows or gap.
    continuity = models.CharField(max_length=8)
    before = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    #: Its number among the operation's statements, by which its private texts are found.
    place = models.IntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "identification", "year"], name="bank_statement_once"),
            models.UniqueConstraint(fields=["account", "digest"], name="bank_statement_content_once"),
            models.CheckConstraint(
                condition=Q(continuity__in=("first", "follows", "gap")), name="bank_statement_continuity"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "last_on"], name="bank_statement_days")]


class Entry(models.Model):
    """One entry of a statement, or one transaction of a batch: what the bank said, its one outcome, its state since.

    ``names`` are the register's references that its texts held, separated by blanks; the texts themselves and the payer stand with
    the operation's private texts. ``why`` is the code of the reason for its outcome.
    """

    public_id = models.CharField(max_length=40, unique=True)
    statement = models.ForeignKey(Statement, models.PROTECT, related_name="entries")
    number = models.IntegerField()
    booked_on = models.DateField()
    value_on = models.DateField(null=True)
    cents = models.BigIntegerField()
    bank_reference = models.CharField(max_length=80)
    bank_code = models.CharField(max_length=20)
    returned = models.BooleanField()
    return_reason = models.CharField(max_length=35)
    names = models.CharField(max_length=1000)
    digest = models.CharField(max_length=64)
    outcome = models.CharField(max_length=10)
    why = models.CharField(max_length=24)
    state = models.CharField(max_length=10)
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="bank_entries")
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="bank_entries")
    #: The entry whose money this one gave back.
    refund_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="refunds")
    resolved = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["statement", "number"], name="bank_entry_number"),
            models.CheckConstraint(condition=Q(outcome__in=list(OUTCOMES)), name="bank_entry_outcome"),
            models.CheckConstraint(condition=Q(state__in=list(ENTRY.shown)), name="bank_entry_state"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["state"], condition=Q(state__in=("queued", "held", "refund_due")), name="bank_entry_waiting"
            ),
            models.Index(fields=["bank_reference", "booked_on"], name="bank_entry_reference"),
        ]


class Mandate(models.Model):
    """A direct debit authority on an account, from one operation to another; its name and number are erasable. One is in force."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="mandates")
    payer_name = models.CharField(max_length=70)
    number = models.CharField(max_length=16)
    signed_on = models.DateField()
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account"], condition=Q(ended__isnull=True), name="mandate_in_force_once")
        ]


class Collection(models.Model):
    """Direct debits that were given to the bank together, to be collected on a day."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(CollectionAccount, models.PROTECT, related_name="collections")
    on = models.DateField()
    made_at = models.DateTimeField()
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")


class Debit(models.Model):
    """One payment of a collection, and the authority that it rests on; a payment is collected once."""

    collection = models.ForeignKey(Collection, models.PROTECT, related_name="debits")
    payment = models.OneToOneField(Payment, models.PROTECT, related_name="debit")
    mandate = models.ForeignKey(Mandate, models.PROTECT, related_name="debits")
