"""Vehicles, their identifiers and versions; claims; the results that were posted."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import LawSnapshot, Operation


class Vehicle(models.Model):
    """A vehicle, under whatever identifiers it has or gets."""

    public_id = models.CharField(max_length=40, unique=True)


class Identifier(models.Model):
    """A VIN, a chassis number or a register's id, normalised; a vehicle may have several, each names one vehicle."""

    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="identifiers")
    kind = models.CharField(max_length=8)
    value = models.CharField(max_length=40)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "value"], name="identifier_once"),
            models.CheckConstraint(condition=Q(kind__in=("vin", "chassis", "register")), name="identifier_kind"),
        ]


class Version(models.Model):
    """What a source said of a vehicle: the policy's input columns as texts, in canonical JSON."""

    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="versions")
    number = models.IntegerField()
    attributes = models.TextField()
    source = models.CharField(max_length=20)
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["vehicle", "number"], name="version_number")]


class Claim(models.Model):
    """A vehicle on an account, from its entry to its end; one open claim for each vehicle.

    ``preview_*`` is the law's answer when it was last asked, to be shown and to sort by; what counts is asked anew when the
    vehicle is accepted. ``missing`` says why it is held, since ``held_since``: what the answer lacks, or a doubtful value that
    nobody confirmed. ``preview_stamp`` is :func:`.rulings.law.stamp` of that day: once it differs the law is asked again.
    """

    public_id = models.CharField(max_length=40, unique=True)
    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="claims")
    account = models.ForeignKey(Account, models.PROTECT, related_name="claims")
    version = models.ForeignKey(Version, models.PROTECT, related_name="+")
    entry_channel = models.CharField(max_length=16)
    state = models.CharField(max_length=12)
    entered_on = models.DateField()
    ready_on = models.DateField(null=True)
    ended_on = models.DateField(null=True)
    own_reference = models.CharField(max_length=60, default="")
    client = models.CharField(max_length=60, default="")
    missing = models.CharField(max_length=500, default="")
    preview_on = models.DateField()
    preview_difference = models.BigIntegerField(null=True)
    preview_credit_g = models.BigIntegerField(null=True)
    preview_charge_g = models.BigIntegerField(null=True)
    preview_stamp = models.CharField(max_length=60, null=True)
    held_since = models.DateField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vehicle"], condition=Q(ended_on__isnull=True), name="claim_open_once"),
            models.CheckConstraint(
                condition=Q(entry_channel__in=("distributor_new", "parallel_new", "used")), name="claim_entry_channel"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "state", "id"], name="claim_list"),
            models.Index(
                fields=["held_since", "id"], condition=Q(held_since__isnull=False, ended_on__isnull=True), name="claim_held"
            ),
        ]


class Result(models.Model):
    """The law's answer on which grams and money were posted: figures, the law read, and the version that it was read on."""

    claim = models.ForeignKey(Claim, models.PROTECT, related_name="results")
    version = models.ForeignKey(Version, models.PROTECT, related_name="+")
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    on = models.DateField()
    known = models.DateField()
    law = models.ForeignKey(LawSnapshot, models.PROTECT, related_name="+")
    vehicle_type = models.CharField(max_length=1)  # empty where nothing accrues and the type isn't known
    flags = models.CharField(max_length=500, default="")
    #: In 0.0001 g/km: three-phase CO2, target, and target minus CO2; empty where nothing accrues (before 1 January 2023).
    co2 = models.BigIntegerField(null=True)
    target = models.BigIntegerField(null=True)
    difference = models.BigIntegerField(null=True)
    credit_g = models.BigIntegerField()
    charge_g = models.BigIntegerField()
    charge_cents = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(credit_g__gte=0, charge_g__gte=0, charge_cents__gte=0), name="result_not_negative"
            ),
            models.CheckConstraint(condition=Q(credit_g=0) | Q(charge_g=0), name="result_credit_or_charge"),
        ]


class Dispute(models.Model):
    """The holder says that a vehicle's details are wrong, or that it isn't theirs; answered by a correction or a decision."""

    public_id = models.CharField(max_length=40, unique=True)
    claim = models.ForeignKey(Claim, models.PROTECT, related_name="disputes")
    reason = models.CharField(max_length=20)
    state = models.CharField(max_length=12)
    with_whom = models.CharField(max_length=12)
    raised_on = models.DateField()
    answer_by = models.DateField()
    raised = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    answered = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["claim"], condition=Q(answered__isnull=True), name="dispute_open_once")
        ]
