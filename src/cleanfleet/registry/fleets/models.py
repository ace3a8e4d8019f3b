"""Applications, standings, fleet years and their shares, determinations, settlements, deferrals.

Amounts of grams are g CO2/km in whole numbers, of money cents; ``net`` is in 0.0001 g/km.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from cleanfleet.registry.accounts.models import Account, Holder
from cleanfleet.registry.ledger.models import LawSnapshot, Lot, Operation, Principal
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.vehicles.models import Result

from .states import APPLICATION, DEFERRAL, FLEET_YEAR, SETTLEMENT, SHARE, STANDING


class Application(models.Model):
    """A holder's application for category 1, with its signed declaration; one is open at a time."""

    public_id = models.CharField(max_length=40, unique=True)
    holder = models.ForeignKey(Holder, models.PROTECT, related_name="fleet_applications")
    first_year = models.IntegerField()
    state = models.CharField(max_length=12)
    declaration_version = models.CharField(max_length=12)
    declared_by = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    declared_at = models.DateTimeField()
    #: The applicant, or a related party, is or was in an insolvency process (reg 20); the agency weighs it.
    applicant_insolvency = models.BooleanField()
    related_party_insolvency = models.BooleanField()
    recommendation = models.CharField(max_length=10, default="")
    officer = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    decided_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["holder"], condition=Q(ended__isnull=True), name="fleet_application_once"),
            models.CheckConstraint(condition=Q(state__in=list(APPLICATION.shown)), name="fleet_application_state"),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("officer")), name="fleet_application_two_persons"
            ),
        ]


class Standing(models.Model):
    """That a holder is category 1 from a 1 January on, until it is suspended or revoked."""

    holder = models.ForeignKey(Holder, models.PROTECT, related_name="fleet_standings")
    application = models.OneToOneField(Application, models.PROTECT, related_name="standing")
    state = models.CharField(max_length=10)
    starts_on = models.DateField()
    state_since = models.DateField()
    reason = models.CharField(max_length=30, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["holder"], condition=~Q(state="revoked"), name="fleet_standing_once"),
            models.CheckConstraint(condition=Q(state__in=list(STANDING.shown)), name="fleet_standing_state"),
        ]


class FleetYear(models.Model):
    """The vehicles of one type that a holder accepted under fleet average in one year, on all of its accounts.

    ``due_on`` is the last day for settling it and for acquiring credits that may be used for it; both move where the year is
    deferred, to ``deferred_to``.
    """

    holder = models.ForeignKey(Holder, models.PROTECT, related_name="fleet_years")
    vehicle_type = models.CharField(max_length=1)
    year = models.IntegerField()
    state = models.CharField(max_length=12)
    due_on = models.DateField()
    deferred_to = models.IntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["holder", "vehicle_type", "year"], name="fleet_year_once"),
            models.CheckConstraint(condition=Q(state__in=list(FLEET_YEAR.shown)), name="fleet_year_state"),
        ]


class Determination(models.Model):
    """The numbered result of a fleet year, from frozen inputs (:class:`Counted`), under the law as known on a day."""

    public_id = models.CharField(max_length=40, unique=True)
    fleet_year = models.ForeignKey(FleetYear, models.PROTECT, related_name="determinations")
    number = models.IntegerField()
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    on = models.DateField()
    known = models.DateField()
    law = models.ForeignKey(LawSnapshot, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=30)
    count_new = models.IntegerField()
    count_used = models.IntegerField()
    #: The sum of the tare weights that count; the mean is this over the number of vehicles.
    tare_kg = models.BigIntegerField()
    target = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    average = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    net = models.BigIntegerField()
    credit_new_g = models.BigIntegerField()
    credit_used_g = models.BigIntegerField()
    charge_new_g = models.BigIntegerField()
    charge_used_g = models.BigIntegerField()
    charge_cents = models.BigIntegerField()
    flags = models.CharField(max_length=500, default="")
    inputs_digest = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["fleet_year", "number"], name="determination_number"),
            models.CheckConstraint(
                condition=Q(credit_new_g__gte=0, credit_used_g__gte=0, charge_new_g__gte=0, charge_used_g__gte=0),
                name="determination_not_negative",
            ),
            models.CheckConstraint(
                condition=(Q(credit_new_g=0) | Q(charge_new_g=0)) & (Q(credit_used_g=0) | Q(charge_used_g=0)),
                name="determination_credit_or_charge",
            ),
        ]


class Counted(models.Model):
    """One vehicle's result that a determination counted."""

    determination = models.ForeignKey(Determination, models.PROTECT, related_name="counted")
    result = models.ForeignKey(Result, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["determination", "result"], name="counted_once")]


class Share(models.Model):
    """A fleet year's part on one account: what it earned there, what it owes there, and how far that is met.

    ``issued_g`` less ``charge_g`` is the part that the last determination gives the account. ``charge_g`` includes what is
    owed again for credits that a correction took back after they were spent.
    """

    fleet_year = models.ForeignKey(FleetYear, models.PROTECT, related_name="shares")
    account = models.ForeignKey(Account, models.PROTECT, related_name="fleet_shares")
    state = models.CharField(max_length=14)
    issued_g = models.BigIntegerField(default=0)
    charge_g = models.BigIntegerField(default=0)
    credits_g = models.BigIntegerField(default=0)
    money_g = models.BigIntegerField(default=0)
    #: Money due and not paid; money to be given back.
    payable_cents = models.BigIntegerField(default=0)
    refund_cents = models.BigIntegerField(default=0)
    settle_by = models.DateField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["fleet_year", "account"], name="share_once"),
            models.CheckConstraint(condition=Q(state__in=list(SHARE.shown)), name="share_state"),
            models.CheckConstraint(
                condition=Q(
                    issued_g__gte=0,
                    credits_g__gte=0,
                    money_g__gte=0,
                    payable_cents__gte=0,
                    refund_cents__gte=0,
                    charge_g__gte=F("credits_g") + F("money_g"),
                ),
                name="share_amounts",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "settle_by"], name="share_waiting")]

    @property
    def outstanding_g(self) -> int:
        """Grams that are neither met nor turned into money due."""
        return self.charge_g - self.credits_g - self.money_g


class Settlement(models.Model):
    """Grams of a share that are met by credits (:class:`SettledLot`), by money, or by both; ``returned`` is what a correction undid."""

    public_id = models.CharField(max_length=40, unique=True)
    share = models.ForeignKey(Share, models.PROTECT, related_name="settlements")
    state = models.CharField(max_length=10)
    credits_g = models.BigIntegerField()
    money_g = models.BigIntegerField()
    cents_per_g = models.IntegerField()
    returned_money_g = models.BigIntegerField(default=0)
    #: Cents that are due and not paid: after the last day, or since the bank took a debit back.
    due_cents = models.BigIntegerField(default=0)
    #: A submission for the whole deficit: a correction before the determination reserves more by itself.
    whole = models.BooleanField(default=False)
    payment = models.OneToOneField(Payment, models.PROTECT, null=True, related_name="+")
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=list(SETTLEMENT.shown)), name="fleet_settlement_state"),
            models.CheckConstraint(
                condition=Q(
                    credits_g__gte=0,
                    money_g__gte=0,
                    returned_money_g__gte=0,
                    returned_money_g__lte=F("money_g"),
                    due_cents__gte=0,
                ),
                name="fleet_settlement_amounts",
            ),
        ]


class SettledLot(models.Model):
    """Grams of one lot in a settlement: reserved, then used; ``returned_g`` is what a correction gave back."""

    settlement = models.ForeignKey(Settlement, models.PROTECT, related_name="lots")
    lot = models.ForeignKey(Lot, models.PROTECT, related_name="+")
    amount_g = models.BigIntegerField()
    returned_g = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(amount_g__gte=0, returned_g__gte=0, returned_g__lte=F("amount_g")), name="settled_lot_amounts"
            )
        ]


class Deferral(models.Model):
    """An application to defer what a fleet year owes to the next year. s 179."""

    public_id = models.CharField(max_length=40, unique=True)
    fleet_year = models.ForeignKey(FleetYear, models.PROTECT, related_name="deferrals")
    to_year = models.IntegerField()
    state = models.CharField(max_length=10)
    requested_on = models.DateField()
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["fleet_year"], condition=Q(ended__isnull=True), name="deferral_open_once"),
            models.CheckConstraint(condition=Q(state__in=list(DEFERRAL.shown)), name="deferral_state"),
        ]
