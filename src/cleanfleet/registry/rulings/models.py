"""What the agency decided about doubtful values of the law."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cleanfleet.registry.ledger.models import Operation, Principal


class Confirmation(models.Model):
    """A doubtful value that one officer proposed to charge on, and another approved; ended rows stay as history."""

    value = models.CharField(max_length=80)
    proposed_by = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    proposed = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    approved = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["value"], condition=Q(ended__isnull=True), name="confirmation_once")
        ]
