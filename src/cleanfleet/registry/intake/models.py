"""Packages of another register: their parts, what became of their keys, their histories, and what their data lack."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Operation, Principal

from .states import INTAKE


class Intake(models.Model):
    """A package on its way in. ``package`` is the digest of its content, ``report`` of its content and the dry run's findings."""

    public_id = models.CharField(max_length=40, unique=True)
    package = models.CharField(max_length=64)
    parts = models.IntegerField()
    register = models.CharField(max_length=60, default="")
    as_of = models.DateField(null=True)
    report = models.CharField(max_length=64, default="")
    state = models.CharField(max_length=10)
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    proposed_by = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    proposed = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")
    approved_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["package"], condition=~Q(state="withdrawn"), name="intake_package_once"),
            models.CheckConstraint(condition=Q(state__in=list(INTAKE.shown)), name="intake_state"),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("proposed_by")), name="intake_two_persons"
            ),
        ]


class Part(models.Model):
    """Some rows of a package: they are the input of the operation that staged them, its private texts where they can be erased."""

    intake = models.ForeignKey(Intake, models.PROTECT, related_name="staged")
    number = models.IntegerField()
    operation = models.OneToOneField(Operation, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["intake", "number"], name="intake_part_once")]


class Origin(models.Model):
    """The old register's key of a person, a holder or an account, and what it became here (``public_id``).

    ``staged`` is the operation that has a person's or a holder's private texts, to be erased with them.
    """

    KINDS = ("person", "holder", "account")

    intake = models.ForeignKey(Intake, models.PROTECT, related_name="origins")
    register = models.CharField(max_length=60)
    kind = models.CharField(max_length=8)
    key = models.CharField(max_length=60)
    public_id = models.CharField(max_length=40)
    staged = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["register", "kind", "key"], name="origin_once"),
            models.CheckConstraint(condition=Q(kind__in=("person", "holder", "account")), name="origin_kind"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["kind", "key"], name="origin_key"),
            models.Index(fields=["public_id"], name="origin_public_id"),
        ]


class History(models.Model):
    """An entry of the old register on an account, kept to be read; it is no movement of this book.

    ``amount`` is signed, in grams CO2/km or in cents, by ``unit``.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="history")
    intake = models.ForeignKey(Intake, models.PROTECT, related_name="+")
    line = models.IntegerField()
    date = models.DateField()
    operation = models.CharField(max_length=60)
    unit = models.CharField(max_length=40)
    bucket = models.CharField(max_length=24)
    vintage = models.IntegerField(null=True)
    amount = models.BigIntegerField()
    vehicle = models.CharField(max_length=40, default="")
    reference = models.CharField(max_length=60, default="")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "date", "line"], name="history_list")]


class Lack(models.Model):
    """What the package didn't tell of a claim or of a fleet year's determination, so that it can't be corrected here."""

    about = models.CharField(max_length=14)
    subject = models.BigIntegerField()
    missing = models.CharField(max_length=300)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["about", "subject"], name="lack_once"),
            models.CheckConstraint(condition=Q(about__in=("claim", "determination")), name="lack_about"),
        ]
