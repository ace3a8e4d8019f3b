"""Notices: what somebody is to be told of, made by the daily job and never changed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Operation


class Notice(models.Model):
    """A deadline that is near (``step`` 0) or over (1, 2, ... with each reminder), for one recipient.

    ``recipient`` is ``holder:<permission>`` (whoever has it on the account), ``agency:<role>``, or a source of data
    (``certifier``, ``register``). ``subject`` is the id of what it is about, ``reference`` what the recipient knows it by.
    Grams are g CO2/km, money is cents.
    """

    public_id = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=20)
    account = models.ForeignKey(Account, models.PROTECT, related_name="notices")
    recipient = models.CharField(max_length=40)
    subject = models.CharField(max_length=80)
    reference = models.CharField(max_length=80)
    due_on = models.DateField()
    made_on = models.DateField()
    step = models.IntegerField()
    grams = models.BigIntegerField(null=True)
    cents = models.BigIntegerField(null=True)
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "account", "recipient", "subject", "due_on", "step"], name="notice_once"
            ),
            models.CheckConstraint(condition=Q(step__gte=0), name="notice_step"),
        ]
        indexes: ClassVar = [models.Index(fields=["recipient", "id"], name="notice_recipient")]
