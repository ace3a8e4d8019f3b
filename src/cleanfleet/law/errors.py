"""What can go wrong, said once and in the user's words.

Every error names the field, the value and what is allowed. The command line turns a :class:`CleanfleetError` into one
line and exit code 2; it never shows a traceback.
"""

from __future__ import annotations


class CleanfleetError(Exception):
    """Base of all errors that a user can mend."""


class LawError(CleanfleetError):
    """A policy's files (policy.yaml, values, rules, overlays) can't be used as they are."""


class InputError(CleanfleetError):
    """The input as a whole can't be used: a missing column, an unreadable file, an unknown option."""


class UnknownName(CleanfleetError):
    """A name of a policy, value, column or option that does not exist."""


def near(name: str, known: list[str] | tuple[str, ...]) -> str:
    """A hint of close names, or the whole list where it is short.

    >>> near("tare", ["tare_kg", "seats"])
    'did you mean tare_kg?'
    """
    import difflib

    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if len(known) <= 24:
        return f"known are {', '.join(known)}"
    return f"{len(known)} names are known"
