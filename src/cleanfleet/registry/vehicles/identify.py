"""Identifiers of a vehicle, normalised: VIN (ISO 3779), chassis number, a register's own id."""

from __future__ import annotations

import re

from cleanfleet.registry.refusals import Invalid

_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_CHASSIS = re.compile(r"[A-Z0-9]{3,25}")
_REGISTER = re.compile(r"[A-Z0-9-]{1,20}")


def normalised(kind: str, text: str) -> str:
    """The identifier as it is compared: upper case, without blanks, for chassis numbers without hyphens too.

    Raises :class:`Invalid`, naming what a number of its kind looks like. The VIN's check digit isn't asked for: outside
    North America it needn't fit.

    >>> normalised("vin", " 7at0h8sv2kx000017 ")
    '7AT0H8SV2KX000017'
    >>> normalised("chassis", "zvw30-1234567")
    'ZVW301234567'
    """
    found = re.sub(r"\s", "", text).upper()
    if kind == "chassis":
        found = found.replace("-", "")
    pattern, allowed = {
        "vin": (_VIN, "17 letters and digits without I, O and Q"),
        "chassis": (_CHASSIS, "3 to 25 letters and digits"),
        "register": (_REGISTER, "up to 20 letters, digits and hyphens"),
    }[kind]
    if not pattern.fullmatch(found):
        raise Invalid("bad_identifier", f"{kind} is {text!r}; allowed are {allowed}", field=kind)
    return found
