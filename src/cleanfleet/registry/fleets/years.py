"""What operations on a fleet year share: the holder's accounts are found, locked and brought up to date together."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import pydantic

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account, Grant, Holder
from cleanfleet.registry.accounts.operations import OnAccount, bring_up_to_date
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.refusals import Conflict, Forbidden, NotVisible

from . import fleet
from .models import FleetYear, Share
from .states import FLEET_YEAR, OWNER, SHARE

Year = Annotated[int, pydantic.Field(ge=2023, le=2100, strict=True)]
VehicleType = Literal["A", "B"]


def lock_all(work: Work, holder: Holder) -> dict[int, Account]:
    """The holder's accounts by key, locked and as they stand now."""
    work.lock(*(account.pk for account in fleet.accounts_of(holder)))
    found = {account.pk: account for account in fleet.accounts_of(holder)}
    for account in found.values():
        bring_up_to_date(work, account)
    return found


def permitted(work: Work, holder: Holder) -> set[str]:
    """What the principal may claim towards the holder as a whole: roles, and ``owner`` as the owner of one of its accounts."""
    held = permissions.permissions(work.by)
    if owns(work.by, holder):
        held.add(OWNER)
    return held


def owns(principal: Principal, holder: Holder) -> bool:
    return Grant.objects.filter(principal=principal, account__holder=holder, verb=OWNER, ended=None).exists()


def not_own(work: Work, holder: Holder) -> None:
    """Nobody of the agency decides on a holder on whose accounts they act themselves."""
    if Grant.objects.filter(principal=work.by, account__holder=holder, ended=None).exists():
        raise Forbidden("own_case", "nobody decides on their own account's holder")


class OnYear(OnAccount):
    """An operation on one year of the holder of ``account``."""

    year: Year

    def find_all(self, work: Work) -> tuple[Account, dict[int, Account]]:
        """The account named, and all of its holder's by key."""
        account = permissions.account_for(work.by, self.account)
        found = lock_all(work, account.holder)
        return found[account.pk], found

    def must_have_ended(self, work: Work) -> None:
        if work.today <= fleet.year_end(self.year):
            raise Conflict("year_runs", f"the fleet year {self.year} runs until 31 December", field="year")


class OnShare(OnYear):
    """An operation on what one account owes for one type of a year."""

    vehicle_type: VehicleType

    def find_share(self, work: Work) -> Share:
        """The account's share. Raises :class:`NotVisible` where the fleet year has none there."""
        account, _ = self.find_all(work)
        share = (
            Share.objects.filter(account=account, fleet_year__year=self.year, fleet_year__vehicle_type=self.vehicle_type)
            .select_related("fleet_year", "account__holder")
            .first()
        )
        if share is None:
            raise NotVisible(
                "not_found",
                f"account {account.number} has no part in the fleet of type {self.vehicle_type} of {self.year}",
                field="vehicle_type",
            )
        return share


def year_of(holder: Holder, vehicle_type: str, year: int) -> FleetYear:
    """The fleet year's row, made where there is none yet; under the lock of the holder's accounts."""
    due = fleet.settled_by(fleet.reading(year), year)
    found, _ = FleetYear.objects.get_or_create(
        holder=holder, vehicle_type=vehicle_type, year=year, defaults={"state": FLEET_YEAR.first, "due_on": due}
    )
    return found


def share_of(year: FleetYear, account: Account) -> Share:
    """The fleet year's share on an account, made where there is none yet."""
    found, _ = Share.objects.get_or_create(
        fleet_year=year, account=account, defaults={"state": SHARE.first, "settle_by": year.due_on}
    )
    found.fleet_year, found.account = year, account
    return found


def told(share: Share) -> dict[str, Any]:
    """A share for an answer."""
    year = share.fleet_year
    return {
        "account": share.account.public_id,
        "condition": share.account.condition,
        "vehicle_type": year.vehicle_type,
        "year": year.year,
        "state": share.state,
        "issued_g": share.issued_g,
        "charge_g": share.charge_g,
        "met_by_credits_g": share.credits_g,
        "met_by_money_g": share.money_g,
        "outstanding_g": share.outstanding_g,
        "payable_cents": share.payable_cents,
        "refund_due_cents": share.refund_cents,
        "settle_by": str(share.settle_by),
    }


def days_later(day: dt.date, days: int) -> dt.date:
    return day + dt.timedelta(days=days)
