"""Holders, accounts, permissions, agency roles."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cleanfleet.registry.ledger.models import Operation, Owner, Principal


class Person(models.Model):
    """Name and address of a principal; the row is erased on request, the principal stays."""

    principal = models.OneToOneField(Principal, models.PROTECT, primary_key=True, related_name="person")
    name = models.CharField(max_length=200)
    email = models.EmailField(max_length=254)


class AgencyRole(models.Model):
    """A role at the agency, from one operation to another; ended rows stay as history."""

    principal = models.ForeignKey(Principal, models.PROTECT, related_name="roles")
    role = models.CharField(max_length=20)
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["principal", "role"], condition=Q(ended__isnull=True), name="role_once")
        ]


class Holder(models.Model):
    """The importer: a person or a legal entity. One holder may have several accounts."""

    public_id = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=12)
    name = models.CharField(max_length=200)
    address = models.CharField(max_length=500)
    #: Customer due diligence under the AML/CFT Act 2009, as the agency set it.
    aml = models.CharField(max_length=12, default="unverified")
    aml_reviewed_on = models.DateField(null=True)
    aml_reviewed_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    #: Who put it down: until it has an account, its case is theirs.
    registered_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=("person", "legal_entity")), name="holder_kind"),
            models.CheckConstraint(condition=Q(aml__in=("unverified", "verified", "refused")), name="holder_aml"),
        ]


class Account(models.Model):
    """A CO2 account, for new or for used vehicles; pay as you go when it is opened."""

    owner = models.OneToOneField(Owner, models.PROTECT, primary_key=True, related_name="account")
    public_id = models.CharField(max_length=40, unique=True)
    number = models.CharField(max_length=12, unique=True)
    holder = models.ForeignKey(Holder, models.PROTECT, related_name="accounts")
    condition = models.CharField(max_length=4)
    scheme = models.CharField(max_length=5, default="payg")
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=12)
    opened_on = models.DateField()
    state_since = models.DateField()
    state_reason = models.CharField(max_length=60, default="")
    suspended_until = models.DateField(null=True)
    appealed_on = models.DateField(null=True)
    answer_by = models.DateField(null=True)
    #: The holder's answer to the notice: the operation whose private text it is.
    answered = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")
    auto_accept_below = models.BooleanField(default=False)
    auto_accept_above = models.BooleanField(default=False)
    #: On the opt-in list of holders who want to be asked for trades, and by which operation; no price stands anywhere.
    listed = models.BooleanField(default=False)
    listing = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(condition__in=("new", "used")), name="account_condition"),
            models.CheckConstraint(condition=Q(scheme__in=("payg", "fleet")), name="account_scheme"),
            models.CheckConstraint(condition=Q(state__in=("open", "suspended", "closing", "closed")), name="account_state"),
        ]


class Grant(models.Model):
    """A permission of a principal on an account, from one operation to another; ended rows stay as history."""

    principal = models.ForeignKey(Principal, models.PROTECT, related_name="grants")
    account = models.ForeignKey(Account, models.PROTECT, related_name="grants")
    verb = models.CharField(max_length=20)
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["principal", "account", "verb"], condition=Q(ended__isnull=True), name="grant_once"
            )
        ]


class Enquiry(models.Model):
    """A question whether someone holds a CO2 account (s 188), and the agency's decision.

    The name that is asked about and the reason are private texts of ``begun``, the grounds of the decision of ``ended``. The last
    three columns are the answer: all that the asker is told.
    """

    public_id = models.CharField(max_length=40, unique=True)
    asked_by = models.ForeignKey(Principal, models.PROTECT, related_name="enquiries")
    purpose = models.CharField(max_length=20)
    #: The account number that is to be verified, where one was given.
    number = models.CharField(max_length=12, default="")
    state = models.CharField(max_length=10)
    asked_on = models.DateField()
    begun = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    ended = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="+")
    decided_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    holder = models.ForeignKey(Holder, models.PROTECT, null=True, related_name="+")
    holds_account = models.BooleanField(null=True)
    number_is_right = models.BooleanField(null=True)
    numbers = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(purpose__in=("verify_account", "transfer_credits")), name="enquiry_purpose"),
            models.CheckConstraint(
                condition=Q(state__in=("open", "answered", "refused", "withdrawn")), name="enquiry_state"
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=models.F("asked_by")), name="enquiry_not_own"
            ),
        ]
