"""Offered transfers."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Operation


class Offer(models.Model):
    """Credits that one account offers another, reserved until it is accepted, declined, withdrawn or has lapsed. No price."""

    public_id = models.CharField(max_length=40, unique=True)
    source = models.ForeignKey(Account, models.PROTECT, related_name="offers_made")
    target = models.ForeignKey(Account, models.PROTECT, related_name="offers_received")
    grams = models.BigIntegerField()
    received_grams = models.BigIntegerField(null=True)
    state = models.CharField(max_length=10)
    offered_on = models.DateField()
    lapses_on = models.DateField()
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(grams__gt=0), name="offer_amount"),
            models.CheckConstraint(condition=~Q(source=F("target")), name="offer_from_to"),
        ]
