"""Every setting of the registry in one table: name, what it is, default, meaning. The README's table is made from it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class SettingError(ValueError):
    """A setting that can't be used: names it, its value and what is allowed."""


def _flag(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("", "0", "false", "no", "off"):
        return False
    raise ValueError("allowed are true and false")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ValueError("allowed is a whole number from 1")
    return int(text)


def _years(text: str) -> int | None:
    return _positive(text) if text else None


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise ValueError("allowed is a date such as 2026-03-31") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


class Option(NamedTuple):
    """One setting: the environment's variable, how it is read, its default as text, what it means, whether it is a secret."""

    name: str
    read: Callable[[str], Any]
    default: str
    meaning: str
    secret: bool = False


OPTIONS = (
    Option("DATABASE_URL", str, "", "postgresql://... ; empty: SQLite in CLEANFLEET_HOME", secret=True),
    Option("CLEANFLEET_HOME", Path, "cleanfleet-data", "folder of the SQLite database and of kept files"),
    Option("CLEANFLEET_SECRET_KEY", str, "", "signs sessions; empty: a new one at each start", secret=True),
    Option(
        "CLEANFLEET_DEMO",
        _flag,
        "false",
        "a demo: its clock may be set, fictitious values are allowed, and everything says so",
    ),
    Option("CLEANFLEET_VALUES", _names, "", "overlays of the law, by name or path, separated by commas; later ones win"),
    Option("CLEANFLEET_KNOWN", _day, "", "read the law as known on this day instead of the clock's"),
    Option("CLEANFLEET_QUOTE_MINUTES", _positive, "30", "how long a quote and its reserved credits wait for the payment"),
    Option("CLEANFLEET_OFFER_DAYS", _positive, "14", "after how many days an offered transfer lapses"),
    Option("CLEANFLEET_NOTICE_DAYS", _positive, "7", "how many days before a deadline its notice is made (90 for credits)"),
    Option("CLEANFLEET_REMIND_DAYS", _positive, "5", "after how many days an answer that is overdue is reminded of again"),
    Option("CLEANFLEET_DEBIT_DAYS", _positive, "5", "how long a direct debit of a fleet year waits for the bank's answer"),
    Option(
        "CLEANFLEET_SETTLE_DAYS",
        _positive,
        "20",
        "days to settle what a fleet year is found to owe on or after its last day for settling",
    ),
    Option(
        "CLEANFLEET_KEEP_YEARS",
        _years,
        "",
        "years for which a former holder's name and texts are kept; empty: not known, and none is erased",
    ),
)


def read(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """All settings by name. Raises :class:`SettingError` at the first that can't be read."""
    given = os.environ if environment is None else environment
    found = {}
    for option in OPTIONS:
        text = given.get(option.name, option.default)
        try:
            found[option.name] = option.read(text)
        except ValueError as error:
            shown = "(secret)" if option.secret else repr(text)
            raise SettingError(f"{option.name} is {shown}; {error}") from None
    return found
