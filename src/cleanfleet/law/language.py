"""The house's own sentences in other languages: English stands in the code, the others in ``languages/<language>.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

ENGLISH = "en"
_FOLDER = Path(__file__).parent / "languages"


def say(language: str, text: str, **parts: object) -> str:
    """An English sentence of the house in ``language``, with ``{names}`` put in; one that nobody translated stays English.

    >>> say("es", "allowed is {allowed}", allowed="1")
    'se admite 1'
    """
    found = text if language == ENGLISH else sentences(language).get(text, text)
    return found.format(**parts) if parts else found


@lru_cache(maxsize=8)
def sentences(language: str) -> Mapping[str, str]:
    """The house's sentences in a language: English -> there; empty where there are none."""
    from .values import read_yaml

    path = _FOLDER / f"{language}.yaml"
    return read_yaml(path) if path.exists() else {}
