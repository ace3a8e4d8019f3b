"""Ids that leave the system, and account numbers."""

from __future__ import annotations

import hashlib

from stdnum.iso7064 import mod_11_10

#: Crockford's base 32: no I, L, O, U.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26


def opaque(prefix: str, seed: bytes, number: int) -> str:
    """An id such as ``acc_7Q...``: 130 bits of SHA-256 over the operation's random seed and a running number.

    Derived, so that a replay of the operation gives the same id; the seed is 32 random bytes, so nobody guesses one.
    """
    bits = int.from_bytes(hashlib.sha256(seed + number.to_bytes(8, "big")).digest(), "big") >> (256 - 5 * LENGTH)
    return f"{prefix}_" + "".join(ALPHABET[bits >> shift & 31] for shift in range(5 * (LENGTH - 1), -1, -5))


def account_number(serial: int) -> str:
    """``CO2-`` + seven digits + check digit (ISO 7064 Mod 11,10).

    >>> account_number(1)
    'CO2-00000015'
    """
    if not 0 < serial < 10_000_000:
        raise ValueError(f"account serial {serial} is not between 1 and 9,999,999")
    digits = f"{serial:07d}"
    return f"CO2-{digits}{mod_11_10.calc_check_digit(digits)}"


def is_account_number(text: str) -> bool:
    """Whether the text is an account number with the right check digit; blanks around it don't matter, nor does case."""
    text = text.strip().upper()
    return (
        text.startswith("CO2-")
        and len(text) == 12
        and text[4:].isascii()
        and text[4:].isdigit()
        and mod_11_10.is_valid(text[4:])
    )
