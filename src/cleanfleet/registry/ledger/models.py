"""The tables of the book.

An ``Operation`` is what someone did; its ``Movement`` rows say which grams or cents went from which ``Bucket`` to which; its
``Seal`` closes it. All of these are only ever added to: the database's guards (:mod:`.guards`) refuse everything else, and keep
each holder's ``Balance`` in step with the movements.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class Principal(models.Model):
    """Who acts: a person, a token, the system. Names and addresses stand elsewhere, so that they can be erased."""

    public_id = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=10)

    KINDS = ("person", "token", "system")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=("person", "token", "system")), name="principal_kind")
        ]


class Owner(models.Model):
    """Whose buckets: one row for each account, and the row that its operations lock. ``touched`` is there to be locked only."""

    public_id = models.CharField(max_length=40, unique=True)
    touched = models.SmallIntegerField(default=0)


class Unit(models.Model):
    """What is counted: ``credit:new`` (g CO2/km), ``charge:new:A:2026`` (g CO2/km owed), ``NZD`` (cents)."""

    code = models.CharField(max_length=40, unique=True)


class Bucket(models.Model):
    """A place where an amount of one unit can be: an owner's (never below nothing), or the system's (owner empty)."""

    owner = models.ForeignKey(Owner, models.PROTECT, null=True, related_name="buckets")
    kind = models.CharField(max_length=24)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "unit", "kind"], condition=Q(owner__isnull=False), name="bucket_of_owner"
            ),
            models.UniqueConstraint(fields=["unit", "kind"], condition=Q(owner__isnull=True), name="bucket_of_system"),
        ]


class Lot(models.Model):
    """Grams of one unit that an owner earned on one day (``origin`` empty), or that an exchange made of another lot.

    The lot goes along when its grams change hands, so every gram leads back to where it was earned.
    """

    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")
    owner = models.ForeignKey(Owner, models.PROTECT, related_name="lots")
    vintage = models.IntegerField()
    earned_on = models.DateField()
    origin = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["unit", "owner", "vintage", "earned_on"], condition=Q(origin__isnull=True), name="lot_earned"
            ),
            models.UniqueConstraint(fields=["unit", "origin"], condition=Q(origin__isnull=False), name="lot_exchanged"),
        ]


class LawSnapshot(models.Model):
    """The values of the law behind one digest, with their references: any figure explains itself years later."""

    digest = models.CharField(max_length=64, primary_key=True)
    policy = models.CharField(max_length=80)
    content = models.TextField()


class Operation(models.Model):
    """One thing done: by whom, recorded when, effective when, with which input. The key is used once by each principal."""

    id = models.BigIntegerField(primary_key=True)
    seal = models.OneToOneField("Seal", models.PROTECT, related_name="+")
    name = models.CharField(max_length=60)
    schema = models.SmallIntegerField()
    principal = models.ForeignKey(Principal, models.PROTECT, related_name="operations")
    key = models.CharField(max_length=120)
    input = models.TextField()
    input_digest = models.CharField(max_length=64)
    nonce = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()
    effective_on = models.DateField()
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["principal", "key"], name="operation_key"),
            models.CheckConstraint(condition=Q(seal_id=F("id")), name="operation_sealed_by_its_own"),
        ]


class PrivateText(models.Model):
    """A private text of an operation's input; the one part of it that can be erased: text and salt go, the row says by which operation."""

    operation = models.ForeignKey(Operation, models.PROTECT, related_name="private")
    field = models.CharField(max_length=60)
    salt = models.CharField(max_length=32)
    text = models.TextField()
    erased = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["operation", "field"], name="private_field")]


class Seal(models.Model):
    """Closes an operation: its answer, how many movements it made, a hash of all of it, and the law that it applied."""

    operation = models.OneToOneField(Operation, models.PROTECT, primary_key=True, related_name="+")
    position = models.BigIntegerField(unique=True)
    answer = models.TextField()
    movements = models.IntegerField()
    content_hash = models.CharField(max_length=64)
    version = models.CharField(max_length=40)
    law = models.ForeignKey(LawSnapshot, models.PROTECT, null=True, related_name="+")
    law_known = models.DateField(null=True)


class Movement(models.Model):
    """An amount of a unit from one bucket to another, by one operation; ``subject`` is the id of what it is
    about, and ``about`` says what that is: a vehicle's result, an acceptance, a settlement, an offer, a payment, a share."""

    seal = models.ForeignKey(Seal, models.PROTECT, db_column="operation_id", related_name="moved")
    line = models.IntegerField()
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")
    lot = models.ForeignKey(Lot, models.PROTECT, null=True, related_name="+")
    source = models.ForeignKey(Bucket, models.PROTECT, related_name="+")
    target = models.ForeignKey(Bucket, models.PROTECT, related_name="+")
    amount = models.BigIntegerField()
    subject = models.BigIntegerField(null=True)
    about = models.CharField(max_length=12, null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["seal", "line"], name="movement_line"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="movement_amount"),
            models.CheckConstraint(condition=~Q(source=F("target")), name="movement_from_to"),
        ]
        indexes: ClassVar = [models.Index(fields=["subject"], condition=Q(subject__isnull=False), name="movement_subject")]


class Balance(models.Model):
    """What is in an owner's bucket, lot by lot: written by the guards alone, as movements are added."""

    bucket = models.ForeignKey(Bucket, models.PROTECT, related_name="balances")
    lot = models.ForeignKey(Lot, models.PROTECT, null=True, related_name="balances")
    amount = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bucket", "lot"], condition=Q(lot__isnull=False), name="balance_of_lot"),
            models.UniqueConstraint(fields=["bucket"], condition=Q(lot__isnull=True), name="balance_of_bucket"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="balance_not_below_nothing"),
        ]


class Block(models.Model):
    """A link of the chain: the hash over the one before and the seals that it takes in, in their order."""

    first = models.BigIntegerField()
    last = models.BigIntegerField(unique=True)
    count = models.IntegerField()
    previous = models.OneToOneField("self", models.PROTECT, null=True, related_name="+")
    hash = models.CharField(max_length=64)
    made_at = models.DateTimeField()
