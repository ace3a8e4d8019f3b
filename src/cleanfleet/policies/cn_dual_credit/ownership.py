"""Who holds whom, and which companies are affiliated in a year. Order 44, article 23, and its amendment by Order 53.

Affiliated companies may move CAFC credits between each other:

1. two domestic makers of which one holds 25 % or more of the other;
2. two domestic makers, 25 % or more of each held by the same third party (until 2020 a domestic one);
3. an importer authorised by an overseas maker, and a domestic maker of which that overseas maker holds 25 % or more (since
   2021 also one that holds as much of the overseas maker).

Holdings count direct and indirect in total: an indirect one is the product of the holdings along a chain.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy

ROLES = ("domestic_maker", "importer", "overseas_maker", "domestic_owner", "foreign_owner")
DOMESTIC = ("domestic_maker", "domestic_owner")


@dataclass(frozen=True)
class Link:
    """``holder`` holds ``share`` (0 to 1) of ``held``, in the years from ``first`` to ``last``; None: open."""

    holder: str
    held: str
    share: Fraction
    first: int | None = None
    last: int | None = None

    def in_year(self, year: int) -> bool:
        return (self.first is None or self.first <= year) and (self.last is None or year <= self.last)


@dataclass(frozen=True)
class Ownership:
    """Holdings, roles (:data:`ROLES`) and authorisations (importer -> overseas makers); ``regions``: where registered."""

    links: tuple[Link, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    authorised_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, role in self.roles.items():
            if role not in ROLES:
                raise InputError(f"ownership: role {role!r} of {name} is not one of {', '.join(ROLES)}")
        for link in self.links:
            if not 0 < link.share <= 1:
                raise InputError(
                    f"ownership: {link.holder} holds {float(link.share):.2%} of {link.held}; allowed is over 0 to 100 %"
                )

    def share(self, holder: str, held: str, year: int) -> Fraction:
        """What ``holder`` has of ``held``, directly and through chains, in total.

        >>> half, third = Link("A", "B", Fraction(1, 2)), Link("B", "C", Fraction(1, 2))
        >>> Ownership((half, third)).share("A", "C", 2021)
        Fraction(1, 4)
        """
        into: dict[str, list[Link]] = {}
        for link in self.links:
            if link.in_year(year):
                into.setdefault(link.held, []).append(link)

        def total(target: str, behind: frozenset[str]) -> Fraction:
            found = Fraction(0)
            for link in into.get(target, ()):
                if link.holder == holder:
                    found += link.share
                elif link.holder not in behind:
                    found += link.share * total(link.holder, behind | {link.holder})
            return found

        return total(held, frozenset({held, holder}))

    def holders(self) -> set[str]:
        return {link.holder for link in self.links}


def affiliation(policy: Policy, ownership: Ownership, a: str, b: str, year: int) -> str:
    """Why ``a`` and ``b`` are affiliated in ``year``, or '' where they aren't.

    Raises :class:`InputError` where a role that decides isn't stated.
    """
    day = dt.date(year, 12, 31)
    least = policy.value("affiliate_share", on=day)[0]
    owner = policy.value("affiliate_common_owner", on=day)[0]
    link = policy.value("affiliate_overseas_link", on=day)[0]
    if None in (least, owner, link):
        raise InputError(f"affiliation in {year} is not determined: its values aren't known")
    least = Fraction(least)
    role = {name: _role(ownership, name) for name in (a, b)}
    if a == b:
        return ""
    if set(role.values()) == {"domestic_maker"}:
        for holder, held in ((a, b), (b, a)):
            if ownership.share(holder, held, year) >= least:
                return f"{holder} holds {_percent(ownership.share(holder, held, year))} of {held}"
        for third in sorted(ownership.holders() - {a, b}):
            both = min(ownership.share(third, a, year), ownership.share(third, b, year))
            if both < least:
                continue
            if owner == "any" or _role(ownership, third) in DOMESTIC:
                return f"{third} holds {_percent(both)} or more of both"
    if set(role.values()) == {"domestic_maker", "importer"}:
        importer, maker = (a, b) if role[a] == "importer" else (b, a)
        for overseas in sorted(ownership.authorised_by.get(importer, ())):
            holds = [(overseas, maker)] + ([(maker, overseas)] if link == "either_holds" else [])
            for holder, held in holds:
                if ownership.share(holder, held, year) >= least:
                    return f"{overseas} authorised {importer}, and {holder} holds {_percent(ownership.share(holder, held, year))} of {held}"
    return ""


def pairs(policy: Policy, ownership: Ownership, entities: Iterable[str], year: int) -> set[tuple[str, str]]:
    """Every ordered pair of affiliated ``entities`` in ``year``; a company without a role is affiliated with none."""
    known = sorted(name for name in set(entities) if name in ownership.roles)
    found = set()
    for i, a in enumerate(known):
        for b in known[i + 1 :]:
            if affiliation(policy, ownership, a, b, year):
                found |= {(a, b), (b, a)}
    return found


def _role(ownership: Ownership, name: str) -> str:
    if name not in ownership.roles:
        raise InputError(f"ownership: the role of {name} isn't stated; allowed is {', '.join(ROLES)}")
    return ownership.roles[name]


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.4g} %"
