"""Which law applies: the policy as known on the clock's day (or on CLEANFLEET_KNOWN), with the settings' overlays."""

from __future__ import annotations

import bisect
import datetime as dt
import hashlib
from collections.abc import Iterable
from functools import lru_cache

from django.conf import settings

from cleanfleet import policies
from cleanfleet.credits import BankRules
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import Record
from cleanfleet.policies.nz_clean_vehicle_standard.bank import bank_rules
from cleanfleet.registry.config.options import SettingError
from cleanfleet.registry.refusals import NotDetermined

from .models import Confirmation

POLICY = "nz-clean-vehicle-standard"
#: A flag of a result that rests on a doubtful value: this, then the value's name.
DOUBTFUL = "doubtful:"
#: Doubtful values of the bank that cost nobody anything against their will: naming vintages is the holder's own choice.
NOT_CHARGING = frozenset({"credit_vintage_choice"})


@lru_cache(maxsize=64)
def _policy(known: dt.date, overlays: tuple[str, ...], demo: bool) -> Policy:
    found = policies.load(POLICY, known=known, values=overlays)
    if found.program.fictitious and not demo:
        raise SettingError("CLEANFLEET_VALUES names a fictitious overlay; only a demo (CLEANFLEET_DEMO=true) may use one")
    return found


def policy(day: dt.date) -> Policy:
    """The scheme as the law was known on that day. Raises :class:`SettingError` for a fictitious overlay outside a demo."""
    options = settings.OPTIONS
    pinned: dt.date | None = options["CLEANFLEET_KNOWN"]
    return _policy(pinned or day, tuple(options["CLEANFLEET_VALUES"]), options["CLEANFLEET_DEMO"])


def confirmed() -> set[str]:
    """Names of doubtful values that may be charged on."""
    return set(Confirmation.objects.filter(approved__isnull=False, ended=None).values_list("value", flat=True))


def unconfirmed(flags: str | None, names: set[str]) -> list[str]:
    """The doubtful values in a result's flags that the agency hasn't confirmed."""
    found = [flag.removeprefix(DOUBTFUL) for flag in (flags or "").split("; ") if flag.startswith(DOUBTFUL)]
    return [name for name in found if name not in names]


def chargeable(marks: Iterable[str]) -> None:
    """Refuse what would cost a holder grams or money on a doubtful value that the agency hasn't confirmed.

    ``marks`` are those of the provisions that were read (``doubtful:<name>``, others don't matter). Raises
    :class:`NotDetermined`, which names the values.
    """
    found = {mark.removeprefix(DOUBTFUL) for mark in marks if mark.startswith(DOUBTFUL)} - NOT_CHARGING
    open_ = sorted(found - confirmed()) if found else []
    if open_:
        raise NotDetermined(
            "not_determined",
            f"this rests on doubtful values that the agency hasn't confirmed: {', '.join(open_)}",
            missing=[f"unconfirmed:{name}" for name in open_],
        )


def marks(on: dt.date, *names: str) -> list[str]:
    """The marks of values of the law that have no keys, read as known and in force on that day."""
    found = policy(on)
    return [mark for name in names for mark in marks_of(found, name, found.value(name, on=on)[1])]


def marks_of(found: Policy, name: str, record: Record | None) -> list[str]:
    """The mark of a value's record, where its grade is doubtful."""
    doubtful = {grade.grade for grade in found.definition.grades if grade.doubtful}
    return [f"{DOUBTFUL}{name}"] if record is not None and record.confidence in doubtful else []


def stamp(on: dt.date) -> str:
    """What an answer of the law depends on besides the vehicle: the values as known on that day, the last date from which
    any of them applies (at least 1 January), and what the agency has confirmed. While it stays the same, so do answers."""
    found = policy(on)
    days = _cut_overs(found)
    place = bisect.bisect_right(days, on)
    since = max(dt.date(on.year, 1, 1), days[place - 1] if place else dt.date.min)
    ruled = hashlib.sha256(",".join(sorted(confirmed())).encode()).hexdigest()[:12]
    return f"{found.digest}:{since}:{ruled}"


@lru_cache(maxsize=64)
def _cut_overs(found: Policy) -> list[dt.date]:
    """All days from which a value applies, in order; a value that is itself a date is one, too."""
    records = [record for ref in found.program.values.values() for record in ref.records if record is not None]
    days = {record.applies_from for record in records if record.applies_from is not None}
    return sorted(days | {record.value for record in records if isinstance(record.value, dt.date)})


@lru_cache(maxsize=64)
def _bank(known: dt.date, overlays: tuple[str, ...], demo: bool) -> BankRules:
    return bank_rules(_policy(known, overlays, demo))


def bank(on: dt.date) -> BankRules:
    """The bank's rules, as the law was known on that day."""
    options = settings.OPTIONS
    return _bank(options["CLEANFLEET_KNOWN"] or on, tuple(options["CLEANFLEET_VALUES"]), options["CLEANFLEET_DEMO"])


def day(name: str, on: dt.date) -> dt.date:
    """A day that the law or the agency's practice sets: a value of type date. Raises :class:`NotDetermined`."""
    found = known_day(name, on)
    if found is None:
        raise NotDetermined("not_determined", f"the law doesn't tell {name}", missing=[name])
    return found


def known_day(name: str, on: dt.date) -> dt.date | None:
    """:func:`day`, or None where it isn't known on that day."""
    value, _ = policy(on).value(name, on=on)
    return value if isinstance(value, dt.date) else None


def nothing_accrues(found: Policy, on: dt.date) -> bool:
    """Whether a subject vehicle needs a CO2 account on that day, but earns and owes nothing yet (December 2022)."""
    needed, _ = found.value("account_number_needed_from", on=on)
    starts, _ = found.value("standard_starts_on", on=on)
    return isinstance(needed, dt.date) and isinstance(starts, dt.date) and needed <= on < starts
