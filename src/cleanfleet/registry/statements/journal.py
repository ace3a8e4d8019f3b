"""The book as a beancount journal, with balance assertions: a stranger's program can check every sum.

Each movement is a transaction of two postings in one commodity, dated by its operation's effective day. An account's buckets are
``Assets:<number>:<Bucket>``, the system's ``Equity:System:<Bucket>``; grams of credit are CREDIT-NEW and CREDIT-USED, grams of charge
CHARGE-<CONDITION>-<TYPE>-<YEAR>, money NZD.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Balance, Bucket, Movement


def commodity(unit: str) -> str:
    """A unit's name as a commodity.

    >>> commodity("charge:used:A:2026"), commodity("NZD")
    ('CHARGE-USED-A-2026', 'NZD')
    """
    return unit.replace(":", "-").upper()


def amount(units: int, unit: str) -> str:
    """An amount as it is written: dollars for cents."""
    return f"{Decimal(units) / 100:.2f}" if unit == "NZD" else str(units)


def _name(number: str | None, kind: str) -> str:
    bucket = kind.replace("_", "-").capitalize()
    return f"Assets:{number}:{bucket}" if number else f"Equity:System:{bucket}"


def lines() -> Iterator[str]:
    """The journal, line by line: accounts, transactions in the order of their effective days, closing balances asserted."""
    numbers = dict(Account.objects.values_list("pk", "number"))
    buckets = {
        pk: (_name(numbers.get(owner) if owner else None, kind), unit)
        for pk, owner, kind, unit in Bucket.objects.values_list("pk", "owner_id", "kind", "unit__code")
    }
    moved = Movement.objects.order_by("seal__operation__effective_on", "seal__position", "line").values_list(
        "seal__operation__effective_on",
        "seal_id",
        "seal__operation__name",
        "unit__code",
        "lot_id",
        "source_id",
        "target_id",
        "amount",
    )
    first = moved.values_list("seal__operation__effective_on", flat=True).first()
    yield 'option "title" "CO2 account registry"'
    yield 'option "operating_currency" "NZD"'
    begin = first or dt.date(2022, 12, 1)
    for name in sorted({name for name, _ in buckets.values()}):
        yield f"{begin} open {name}"
    yield ""
    last = begin
    truth: dict[tuple[str, str], int] = defaultdict(int)
    for date, operation, what, unit, lot, source, target, units in moved.iterator(10_000):
        last = max(last, date)
        yield f'{date} * "{what}" ^op-{operation}'
        if lot is not None:
            yield f'  lot: "{lot}"'
        written, of = amount(units, unit), commodity(unit)
        yield f"  {buckets[source][0]}  -{written} {of}"
        yield f"  {buckets[target][0]}  {written} {of}"
        yield ""
    for bucket, units in Balance.objects.values_list("bucket_id", "amount"):
        truth[buckets[bucket]] += units
    after = last + dt.timedelta(days=1)
    for (name, unit), units in sorted(truth.items()):
        yield f"{after} balance {name}  {amount(units, unit)} {commodity(unit)}"
