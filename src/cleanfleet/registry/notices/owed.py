"""What accounts owe: grams by pool, type and year with the rate of each year, money that is due, by when, under which law."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.db.models import F, Max, Q, Sum

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.charges import settling
from cleanfleet.registry.fleets import fleet
from cleanfleet.registry.fleets.models import Determination, Share
from cleanfleet.registry.ledger.models import Balance, Movement
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import NotDetermined
from cleanfleet.registry.rulings import law


class Charge(NamedTuple):
    """What an account owes of one kind.

    ``grams`` g CO2/km at ``rate_cents`` for each gram come to ``cents`` where money meets them; ``due_on`` is the last day, or the
    day on which it was due. Where the law doesn't tell the rate it and the cents are None and ``missing`` says what lacks. Money
    that is due already (a payment that the payer's bank took back, a fleet year after its last day) has no grams and no rate.
    """

    account: int
    number: str
    scheme: str
    condition: str
    vehicle_type: str
    year: int | None
    grams: int
    rate_cents: int | None
    cents: int | None
    due_on: dt.date
    reference: str
    missing: str = ""

    @property
    def subject(self) -> str:
        """What it is called among other things: scheme, pool, type and year, and whether it is money that is due already."""
        money = "" if self.grams else "money"
        return ":".join(str(part) for part in (self.scheme, self.condition, self.vehicle_type, self.year, money) if part)


def charges(account: Account, on: dt.date) -> list[Charge]:
    """What the account owes on that day by the book as it stands, the first due first.

    Who asks must be allowed to see the account.
    """
    return sorted(of_all(on, account), key=_order)


def of_all(on: dt.date, account: Account | None = None) -> Iterator[Charge]:
    """The same for every account, or for one."""
    owned = {} if account is None else {"bucket__owner_id": account.pk}
    found: dict[tuple[int, str], int] = {}
    kinds = Q(bucket__kind="owed") | Q(bucket__kind="payable", bucket__unit__code=MONEY)
    balances = Balance.objects.filter(kinds, amount__gt=0, bucket__owner__isnull=False, **owned)
    for owner, unit, amount in balances.values_list("bucket__owner_id", "bucket__unit__code").annotate(n=Sum("amount")):
        found[int(owner or 0), unit] = int(amount)
    accounts = {a.pk: a for a in Account.objects.filter(pk__in={owner for owner, _ in found})}
    vehicles = settling.outstanding_by_account(account)
    fleet_money: dict[int, int] = defaultdict(int)
    shares = _shares(account)
    known = _known(shares)
    for share in shares:
        fleet_money[share.account_id] += share.payable_cents
        yield from _of_share(share, known.get(share.fleet_year_id))
    since = _taken_back(owned)
    for (owner, unit), amount in found.items():
        if unit == MONEY:
            left = amount - fleet_money[owner]
            if left:
                yield _money(accounts[owner], left, since.get(owner, on))
        elif unit.count(":") == 3:
            yield _payg(accounts[owner], unit, amount, vehicles.get((owner, unit), []), on)


def _order(one: Charge) -> tuple[Any, ...]:
    return (one.due_on, one.year or 0, one.subject)


def _payg(account: Account, unit: str, grams: int, vehicles: list[tuple[int, int, dt.date]], on: dt.date) -> Charge:
    """Owed since the oldest vehicle behind it; of the phase-in, payable from its end."""
    _, condition, vehicle_type, year = unit.split(":")
    starts = law.known_day("payment_at_acceptance_starts_on", on) or dt.date(int(year), 1, 1)
    due = max([starts, *([min(day for _, _, day in vehicles)] if vehicles else [])])
    rate, reference, missing = _rate(lambda: settling.rate_and_law(unit, on)[:2])
    cents = None if rate is None else rate * grams
    place = (account.pk, account.number, "payg", condition, vehicle_type, int(year))
    return Charge(*place, grams, rate, cents, due, reference, missing)


def _money(account: Account, cents: int, since: dt.date) -> Charge:
    return Charge(account.pk, account.number, "payg", account.condition, "", None, 0, None, cents, since, "")


def _taken_back(owned: dict[str, Any]) -> dict[int, dt.date]:
    """Account -> the last day on which a payer's bank took money back."""
    mine = {name.replace("bucket__", "target__"): value for name, value in owned.items()}
    moved = Movement.objects.filter(target__kind="payable", source__kind="paid", target__owner__isnull=False, **mine)
    return dict(moved.values_list("target__owner_id").annotate(day=Max("seal__operation__effective_on")))


def _shares(account: Account | None) -> list[Share]:
    owing = Q(charge_g__gt=F("credits_g") + F("money_g")) | Q(payable_cents__gt=0)
    found = Share.objects.filter(owing, **({} if account is None else {"account": account}))
    return list(found.select_related("fleet_year", "account").order_by("pk"))


def _known(shares: list[Share]) -> dict[int, dt.date]:
    """Fleet year -> the day up to which the law was read for its last determination."""
    found = Determination.objects.filter(fleet_year_id__in={share.fleet_year_id for share in shares}).order_by("number")
    return dict(found.values_list("fleet_year_id", "known"))


def _of_share(share: Share, known: dt.date | None) -> Iterator[Charge]:
    year, account = share.fleet_year, share.account
    place = (account.pk, account.number, "fleet", account.condition, year.vehicle_type, year.year)
    if share.outstanding_g:
        rate, reference, missing = _rate(
            lambda: fleet.cents_per_gram(fleet.reading(year.year, known), year.year, account.condition)
        )
        cents = None if rate is None else rate * share.outstanding_g
        yield Charge(*place, share.outstanding_g, rate, cents, share.settle_by, reference, missing)
    if share.payable_cents:
        yield Charge(*place, 0, None, share.payable_cents, share.settle_by, "")


def _rate(ask: Callable[[], tuple[int, str]]) -> tuple[int | None, str, str]:
    try:
        rate, reference = ask()
    except NotDetermined as refusal:
        return None, "", ", ".join(refusal.details.get("missing", ()))
    return rate, reference, ""
