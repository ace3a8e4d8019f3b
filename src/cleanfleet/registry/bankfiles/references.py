"""References that the register gives out and finds again on bank statements.

* A direct debit's end-to-end id: ``PAY`` and the 26 characters of the payment's id (29 characters of letters and digits: banks carry
  at most 35, and not all of them an underscore).
* The refund of an entry: ``BKE`` and the 26 characters of the entry's id.
* A charge of a fleet year: the account's number and a code such as ``2026A`` (year, vehicle type), or both in one as a structured
  creditor reference (ISO 11649) such as ``RF69000000152026A``: account's eight digits, year, type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from stdnum import iso11649
from stdnum.iso7064 import mod_97_10

from cleanfleet.registry import ids

_OPAQUE = re.compile(rf"(PAY|BKE)[_-]?([{ids.ALPHABET}]{{{ids.LENGTH}}})(?![0-9A-Z])")
_ACCOUNT = re.compile(r"(?<![0-9A-Z])CO2[- ]?(\d{8})(?!\d)")
_CHARGE = re.compile(r"(?<![0-9A-Z])(20\d\d[AB])(?![0-9A-Z])")
_CREDITOR = re.compile(r"RF\d\d(\d{8})(20\d\d[AB])")


def end_to_end(public_id: str) -> str:
    """The end-to-end id of a payment's direct debit, or of an entry's refund.

    >>> end_to_end("pay_0123456789ABCDEFGHJKMNPQRS")
    'PAY0123456789ABCDEFGHJKMNPQRS'
    """
    prefix, _, rest = public_id.partition("_")
    return prefix.upper() + rest


def charge(account_number: str, year: int, vehicle_type: str) -> str:
    """The structured creditor reference of what an account owes for a fleet year.

    >>> charge("CO2-00000015", 2026, "A")
    'RF69000000152026A'
    """
    body = f"{account_number.removeprefix('CO2-')}{year}{vehicle_type}"
    return f"RF{mod_97_10.calc_check_digits(body + 'RF')}{body}"


def code(year: int, vehicle_type: str) -> str:
    """What stands for a fleet year beside an account's number."""
    return f"{year}{vehicle_type}"


def named(texts: Iterable[str]) -> list[str]:
    """What the texts name, each once: ids ``pay_...`` and ``bke_...``, account numbers with the right check digit, codes of charges.

    Upper and lower case don't matter. Everything else in the texts is left behind.

    >>> named(["co2-00000015 fleet 2026A"])
    ['CO2-00000015', '2026A']
    """
    found: dict[str, None] = {}
    for text in texts:
        upper = text.upper()
        for prefix, rest in _OPAQUE.findall(upper):
            found[f"{prefix.lower()}_{rest}"] = None
        numbers = [f"CO2-{digits}" for digits in _ACCOUNT.findall(upper)]
        codes = _CHARGE.findall(upper)
        # Creditor references are printed in groups of four.
        together = re.sub(r"\s", "", upper)
        for match in _CREDITOR.finditer(together):
            if iso11649.is_valid(match[0]):
                numbers.append(f"CO2-{match[1]}")
                codes.append(match[2])
        found.update(dict.fromkeys(number for number in numbers if ids.is_account_number(number)))
        found.update(dict.fromkeys(codes))
    return list(found)
