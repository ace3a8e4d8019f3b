"""Which law applies: the policy as known on the clock's day (or on CLEANFLEET_KNOWN), with the settings' overlays."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from django.conf import settings

from cleanfleet import policies
from cleanfleet.credits import BankRules
from cleanfleet.law.policy import Policy
from cleanfleet.policies.nz_clean_vehicle_standard.bank import bank_rules
from cleanfleet.registry.config.options import SettingError
from cleanfleet.registry.refusals import NotDetermined

from .models import Confirmation

POLICY = "nz-clean-vehicle-standard"
#: A flag of a result that rests on a doubtful value: this, then the value's name.
DOUBTFUL = "doubtful:"


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


@lru_cache(maxsize=64)
def _bank(known: dt.date, overlays: tuple[str, ...], demo: bool) -> BankRules:
    return bank_rules(_policy(known, overlays, demo))


def bank(on: dt.date) -> BankRules:
    """The bank's rules, as the law was known on that day."""
    options = settings.OPTIONS
    return _bank(options["CLEANFLEET_KNOWN"] or on, tuple(options["CLEANFLEET_VALUES"]), options["CLEANFLEET_DEMO"])


def day(name: str, on: dt.date) -> dt.date:
    """A day that the law or the agency's practice sets: a value of type date."""
    value, _ = policy(on).value(name, on=on)
    if not isinstance(value, dt.date):
        raise NotDetermined("not_determined", f"the law doesn't tell {name}", missing=[name])
    return value
