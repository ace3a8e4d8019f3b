"""Acceptances and their lines."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.vehicles.models import Claim, Result


class Acceptance(models.Model):
    """Vehicles accepted in one go, on one day under one law; with a payment it waits for that (``waiting``)."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="acceptances")
    state = models.CharField(max_length=10)
    scheme = models.CharField(max_length=5)
    on = models.DateField()
    credit_g = models.BigIntegerField()
    charge_g = models.BigIntegerField()
    offset_g = models.BigIntegerField()
    money_cents = models.BigIntegerField()
    automatic = models.BooleanField(default=False)
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")
    payment = models.OneToOneField(Payment, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=("waiting", "accepted", "released")), name="acceptance_state")
        ]


class Line(models.Model):
    """One vehicle of an acceptance: its result, and how many of its grams are met by credits and by money."""

    acceptance = models.ForeignKey(Acceptance, models.PROTECT, related_name="lines")
    claim = models.ForeignKey(Claim, models.PROTECT, related_name="lines")
    result = models.OneToOneField(Result, models.PROTECT, related_name="line")
    offset_g = models.BigIntegerField()
    money_g = models.BigIntegerField()
    money_cents = models.BigIntegerField()


class Selection(models.Model):
    """The vehicles that matched a filter when somebody confirmed it: they, and no others, are then accepted part by part."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="selections")
    count = models.IntegerField()
    digest = models.CharField(max_length=64)
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")


class Selected(models.Model):
    """One vehicle of a selection, in the selection's order from 0."""

    selection = models.ForeignKey(Selection, models.PROTECT, related_name="vehicles")
    number = models.IntegerField()
    claim = models.ForeignKey(Claim, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["selection", "number"], name="selected_once")]
