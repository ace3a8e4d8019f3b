"""Taking credits: which lots, in which order, by the bank's rules; every take becomes a movement."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from django.db.models import BigIntegerField, Case, F, OuterRef, Subquery, Sum, When
from django.db.models.functions import Coalesce

from cleanfleet import credits as bank
from cleanfleet.credits.life import life
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.refusals import Forbidden, Invalid, NotDetermined, Short
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles.models import Result

#: The one pool of grams of a condition, whatever the vehicles' type (a reading, graded low).
CREDIT = "credit:{}"
#: What a use of credits for a charge rests on besides the rules that the bank marks: grams of both types in one pool.
USE = ("credit_use_by_type",)


def unit_of(account: Account) -> str:
    """The unit of the credits that the account's vehicles earn."""
    return CREDIT.format(account.condition)


def lots(account: Account, pool: str) -> list[bank.Lot]:
    """The account's lots of a pool, as the bank's rules want them."""
    there: dict[int, dict[str, book.Held]] = {}
    for row in book.lots(account.pk, ("held", "reserved"), CREDIT.format(pool)):
        there.setdefault(row.lot, {})[row.kind] = row
    found = []
    for lot, parts in there.items():
        row = next(iter(parts.values()))
        found.append(
            bank.Lot(
                id=lot,
                account=account.number,
                pool=pool,
                vintage=row.vintage,
                earned_on=row.earned_on,
                amount=sum(part.amount for part in parts.values()),
                reserved=parts["reserved"].amount if "reserved" in parts else 0,
                origin=row.origin,
            )
        )
    return found


#: Where credits end that were of no use to anybody: taken back later, they aren't owed.
UNUSED = ("expired", "surrendered")


def lapsed(owner: int | None = None, lot: int | None = None, kind: str = "expired") -> dict[tuple[int, int], int]:
    """(owner, lot) -> grams that expired unused on the owner's account, less what came back since or was taken by a correction.

    Of one owner, or of all; of one lot, or of all; ``kind`` is the system's bucket that they went to. What goes between the system's
    buckets is of the account of the vehicle that it is about, or of the account that earned the lot.
    """
    vehicle = Result.objects.filter(pk=OuterRef("subject")).values("claim__account_id")[:1]
    number = BigIntegerField()
    theirs = Coalesce(Case(When(about="result", then=Subquery(vehicle))), F("lot__owner_id"), output_field=number)
    moved = Movement.objects.filter(**({"lot__isnull": False} if lot is None else {"lot_id": lot}))
    gone = moved.filter(target__kind=kind).annotate(whose=Coalesce(F("source__owner_id"), theirs, output_field=number))
    back = moved.filter(source__kind=kind).annotate(whose=Coalesce(F("target__owner_id"), theirs, output_field=number))
    found: Counter[tuple[int, int]] = Counter()
    for sign, rows in ((1, gone), (-1, back)):
        mine = rows if owner is None else rows.filter(whose=owner)
        for of, which, amount in mine.values_list("whose", "lot_id").annotate(n=Sum("amount")):
            found[of, which] += sign * int(amount)
    return {place: amount for place, amount in found.items() if amount > 0}


def unused(owner: int, lot: int, kind: str) -> int:
    """Grams of the lot that ended on the owner's account in one of :data:`UNUSED`; see :func:`lapsed`."""
    return lapsed(owner, lot, kind).get((owner, lot), 0)


def plan(
    account: Account,
    grams: int,
    on: dt.date,
    *,
    vintages: Collection[int] = (),
    year: int | None = None,
    for_transfer: bool = False,
    among: Sequence[bank.Lot] | None = None,
) -> bank.Plan:
    """The lots that so many grams would come from on that day; ``among`` are the account's lots where they were read already.

    Raises :class:`Short`, naming pool, vintage, needed, free and reserved; :class:`NotDetermined`, also where it rests on a
    doubtful value that the agency hasn't confirmed; :class:`Forbidden` where the rules don't allow it; :class:`Invalid`.
    """
    found = lots(account, account.condition) if among is None else list(among)
    try:
        planned = bank.plan(
            found,
            grams,
            pool=account.condition,
            on=on,
            known=law.policy(on).known,
            rules=law.bank(on),
            year=year,
            vintages=vintages,
            for_transfer=for_transfer,
        )
        confirmed(planned, found, use=not for_transfer)
        return planned.require()
    except bank.CreditError as error:
        raise refusal(error) from error


def confirmed(planned: bank.Plan, found: Iterable[bank.Lot], *, use: bool) -> None:
    """Refuse a plan that rests on doubtful values which the agency hasn't confirmed: the rules of the lots that it takes, of
    those that it leaves out as expired, and, where credits are used for a charge (``use``), of the common pool of both types."""
    marks = list(planned.marks)
    if planned.left_out.get("expired"):
        marks += life_marks((lot for lot in found if lot.free), planned.on)
    if use:
        marks += law.marks(planned.on, *USE)
    law.chargeable(marks)


def life_marks(found: Iterable[bank.Lot], on: dt.date) -> list[str]:
    """The marks of what says how long the lots live."""
    reading = law.bank(on).at(on, law.policy(on).known)
    return [mark for lot in found for mark in life(lot, reading)[1]]


def refusal(error: bank.CreditError) -> Exception:
    """The bank's refusal as the register's."""
    if isinstance(error, bank.Shortage):
        return Short(
            "not_enough_credits", str(error), pool=error.pool, vintages=list(error.vintages), needed=error.needed,
            free=error.free, reserved=error.reserved,
        )  # fmt: skip
    if isinstance(error, bank.NotDetermined):
        return NotDetermined("not_determined", str(error), missing=list(error.missing))
    if isinstance(error, bank.NotPermitted):
        return Forbidden("not_permitted", str(error))
    return Invalid("invalid_input", str(error))


def take(
    work: Work, account: Account, takes: Sequence[bank.Take], source: str, target: str, *, subject: int, about: str
) -> None:
    """Move what a plan takes from one of the account's buckets to another (``used`` is the system's)."""
    unit = unit_of(account)
    owner = None if target in ("used", "expired", "surrendered", "cancelled") else account.pk
    for one in takes:
        work.move(
            unit,
            work.bucket(account.pk, source, unit),
            work.bucket(owner, target, unit),
            one.amount,
            lot=int(one.lot.id),
            subject=subject,
            about=about,
        )
