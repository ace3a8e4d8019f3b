"""What the bank refuses, in the user's words: the field, the value, what is allowed.

A refusal is no failure: nothing was changed, and the message can be shown as it stands. ``code`` is a stable word for programs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection


class CreditError(Exception):
    """Base of everything that this package refuses."""

    code = "refused"


class BadInput(CreditError):
    """A call or a row that can't be meant: an amount that isn't a whole number above zero, an unknown lot."""

    code = "bad_input"

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field} {value!r}: {allowed}")
        self.field, self.value, self.allowed = field, value, allowed


class NotPermitted(CreditError):
    """The rules of that day don't allow it."""

    code = "not_permitted"


class NotDetermined(CreditError):
    """The rules exist, but a value that is needed isn't known; ``missing`` names the values."""

    code = "not_determined"

    def __init__(self, missing: Collection[str], why: str) -> None:
        self.missing = tuple(sorted(missing))
        super().__init__(f"not determined: {', '.join(self.missing)} ({why})")


class Shortage(CreditError):
    """Too few credits; nothing was taken. All amounts are whole units of the pool.

    ``free`` and ``reserved`` count what is usable that day under the same conditions (vintages named, obligation year).
    """

    code = "shortage"

    def __init__(
        self, *, account: str, pool: str, needed: int, free: int, reserved: int, on: dt.date, vintages: Collection[int] = ()
    ) -> None:
        self.account, self.pool, self.needed, self.free, self.reserved = account, pool, needed, free, reserved
        self.on, self.vintages, self.short = on, tuple(sorted(vintages)), needed - free
        named = f", vintage {', '.join(map(str, self.vintages))}" if self.vintages else ""
        owner = f"account {account}, " if account else ""
        super().__init__(
            f"{owner}pool {pool}{named}: {needed} needed, {free} free, {reserved} reserved on {on}; {self.short} short"
        )
