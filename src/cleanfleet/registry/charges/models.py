"""Settlements of charges that are owed; corrections of accepted vehicles."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.vehicles.models import Claim, Result


class Settlement(models.Model):
    """Charges owed by an account, met in one go by credits, money or both; with money it waits for the payment."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="settlements")
    state = models.CharField(max_length=10)
    on = models.DateField()
    offset_g = models.BigIntegerField()
    money_cents = models.BigIntegerField()
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")
    payment = models.OneToOneField(Payment, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=("waiting", "settled", "released")), name="settlement_state"),
            models.UniqueConstraint(fields=["account"], condition=Q(state="waiting"), name="settlement_waiting_once"),
        ]


class Part(models.Model):
    """One unit of charge in a settlement: grams met by credits and by money, at the rate of its year."""

    settlement = models.ForeignKey(Settlement, models.PROTECT, related_name="parts")
    unit = models.CharField(max_length=40)
    offset_g = models.BigIntegerField()
    money_g = models.BigIntegerField()
    rate_cents = models.BigIntegerField()


class Met(models.Model):
    """Which vehicle's charge a part of a settlement met, and what of it a correction undid since. Grams that no vehicle of the
    register is behind (taken in from elsewhere) have no row."""

    part = models.ForeignKey(Part, models.PROTECT, related_name="met")
    claim = models.ForeignKey(Claim, models.PROTECT, related_name="met")
    offset_g = models.BigIntegerField()
    money_g = models.BigIntegerField()
    returned_offset_g = models.BigIntegerField(default=0)
    returned_money_g = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["part", "claim"], name="met_once"),
            models.CheckConstraint(
                condition=Q(
                    returned_offset_g__gte=0,
                    returned_money_g__gte=0,
                    returned_offset_g__lte=F("offset_g"),
                    returned_money_g__lte=F("money_g"),
                ),
                name="met_returned",
            ),
        ]


class Correction(models.Model):
    """A later result for an accepted vehicle, or its withdrawal (no result), and what it changed."""

    claim = models.ForeignKey(Claim, models.PROTECT, related_name="corrections")
    before = models.ForeignKey(Result, models.PROTECT, related_name="+")
    after = models.ForeignKey(Result, models.PROTECT, null=True, related_name="+")
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=20)
    #: Grams that were issued (+) or taken back (-); grams owed more (+) or less (-); cents to be given back (below 0: no longer).
    credit_change_g = models.BigIntegerField()
    charge_change_g = models.BigIntegerField()
    refund_cents = models.BigIntegerField()
    #: Credits taken back that were no longer on the account: owed instead (below 0: no longer owed).
    shortfall_g = models.BigIntegerField()
    #: How many of the vehicle's charged grams are met by its acceptance's credits and money after this correction.
    offset_g = models.BigIntegerField()
    money_g = models.BigIntegerField()
