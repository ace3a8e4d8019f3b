"""Files beside the vehicles: what companies chose to do with their credits, and who holds whom."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from cleanfleet import tables
from cleanfleet.law.columns import Column, Refused
from cleanfleet.law.errors import InputError
from cleanfleet.policies.cn_dual_credit.history import CHOSEN, Event
from cleanfleet.policies.cn_dual_credit.ownership import ROLES, Link, Ownership
from cleanfleet.policies.cn_dual_credit.planner import Opening

_YEAR = {"unit": "year", "minimum": Decimal(2001), "maximum": Decimal(2099)}
_AMOUNT = {"minimum": Decimal(1), "maximum": Decimal(10**9)}
_KINDS = {"cafc": "CAFC credits", "nev": "NEV credits"}

EVENT_COLUMNS = [
    Column("entity", "text", required=True, names=("企业名称",)),
    Column("year", "integer", required=True, names=("年度",), **_YEAR),  # type: ignore[arg-type]
    Column("kind", "choice", required=True, choices=_KINDS, names=("积分类型",)),
    Column("event", "choice", required=True, choices=dict.fromkeys(CHOSEN, ""), names=("事项",)),
    Column("amount", "integer", required=True, names=("数量", "积分数量"), **_AMOUNT),  # type: ignore[arg-type]
    Column("counterparty", "text", names=("对方企业",)),
    Column("vintage", "integer", names=("积分年度",), **_YEAR),  # type: ignore[arg-type]
    Column("against", "choice", choices=_KINDS),
    Column("deficit_year", "integer", **_YEAR),  # type: ignore[arg-type]
]
OWNERSHIP_COLUMNS = [
    Column("holder", "text", required=True, names=("持股方", "股东")),
    Column(
        "relation", "choice", required=True, names=("关系",),
        choices={"holds": "holds a share of", "authorises": "is the overseas maker that authorised the importer", "is": "has the role",
                 "registered_in": "is registered in"},
    ),
    Column("held", "text", names=("被持股方",)),
    Column("share_percent", "decimal", decimals=6, minimum=Decimal("0.000001"), maximum=Decimal(100), names=("持股比例",)),
    Column("from_year", "integer", **_YEAR),  # type: ignore[arg-type]
    Column("to_year", "integer", **_YEAR),  # type: ignore[arg-type]
]  # fmt: skip
OPENING_COLUMNS = [
    Column("entity", "text", required=True, names=("企业名称",)),
    Column("kind", "choice", required=True, choices=_KINDS),
    Column("vintage", "integer", required=True, names=("积分年度",), **_YEAR),  # type: ignore[arg-type]
    Column("amount", "integer", required=True, names=("数量",), **_AMOUNT),  # type: ignore[arg-type]
]


def read_events(path: Path) -> list[Event]:
    """The events of a file (:data:`EVENT_COLUMNS`), in its order; raises :class:`InputError` naming row, field and value."""
    return [
        Event(
            row["entity"], row["year"], row["kind"], row["event"], row["amount"], row.get("counterparty") or "",
            row.get("vintage"), row.get("against") or "", row.get("deficit_year"), row=number,
        )
        for number, row in _rows(path, EVENT_COLUMNS)
    ]  # fmt: skip


def read_opening(path: Path) -> list[Opening]:
    """Credits held as a plan begins (:data:`OPENING_COLUMNS`)."""
    return [Opening(row["entity"], row["kind"], row["vintage"], row["amount"]) for _, row in _rows(path, OPENING_COLUMNS)]


def read_ownership(path: Path) -> Ownership:
    """Holdings, roles and authorisations of a file (:data:`OWNERSHIP_COLUMNS`).

    ``holds``: ``holder`` has ``share_percent`` of ``held``, in the years from ``from_year`` to ``to_year``; ``authorises``:
    the overseas maker ``holder`` authorised the importer ``held``; ``is``: ``holder`` has the role ``held``
    (:data:`~.ownership.ROLES`); ``registered_in``: ``holder`` is registered in the region ``held``.
    """
    links: list[Link] = []
    roles: dict[str, str] = {}
    authorised: dict[str, set[str]] = {}
    regions: dict[str, str] = {}
    for number, row in _rows(path, OWNERSHIP_COLUMNS):
        holder, held = row["holder"], row.get("held")
        where = f"{path}, row {number}"
        if not held:
            raise InputError(f"{where}: held is empty")
        if row["relation"] == "holds":
            if row.get("share_percent") is None:
                raise InputError(f"{where}: share_percent is empty; allowed is a number over 0, up to 100")
            links.append(Link(holder, held, Fraction(row["share_percent"], 10**8), row.get("from_year"), row.get("to_year")))
        elif row["relation"] == "is":
            if held not in ROLES:
                raise InputError(f"{where}: held {held!r} is not a role; allowed is {', '.join(ROLES)}")
            if roles.setdefault(holder, held) != held:
                raise InputError(f"{where}: {holder} is {roles[holder]} in another row")
            roles[holder] = held
        elif row["relation"] == "authorises":
            authorised.setdefault(held, set()).add(holder)
        else:
            regions[holder] = held
    return Ownership(tuple(links), roles, {importer: frozenset(makers) for importer, makers in authorised.items()}, regions)


def _rows(path: Path, columns: list[Column]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file with their numbers, each cell read by its column; the first bad one is an :class:`InputError`."""
    table = tables.read(path, columns)
    for batch in table.batches():
        for number, refusal, original, row in zip(
            batch.row, batch.refusal, batch.original.rows(named=True), batch.typed.rows(named=True), strict=True
        ):
            if refusal is not None:
                raise InputError(f"{path}, row {number}: {table.explain(refusal, original)}")
            found: dict[str, Any] = {}
            for column in columns:
                try:
                    found[column.name] = column.read(row.get(column.name))
                except Refused as refused:
                    raise InputError(f"{path}, row {number}: {refused.message}") from None
                if column.required and found[column.name] is None:
                    raise InputError(f"{path}, row {number}: {column.name} is empty; allowed is {column.allowed}")
            yield number, found
