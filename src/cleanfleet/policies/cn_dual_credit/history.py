"""Several years of a bank: surpluses earned, deficits met, credits carried, moved between affiliates, sold and pooled.

Each accounting year runs in the same order: what was earned and what is owed; the events that companies chose; what is left
of the deficits met with the company's own credits, the oldest first (companies may choose; :class:`Settle`); the turn of the
year, at each vintage's factor. Whatever the rules don't allow is an :class:`InputError` that names the event.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from cleanfleet.credits import Bank, CreditError, Lot, NotDetermined, Obligation, oldest_first, plan, plan_carry, rounded
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.policies.cn_dual_credit.bank import CAFC, NEV, OWN_USE, POOLS, bank_rules, carry_facts
from cleanfleet.policies.cn_dual_credit.company import CompanyYear
from cleanfleet.policies.cn_dual_credit.ownership import Ownership, affiliation, pairs

EVENTS = ("earned", "carried", "transferred", "bought", "sold", "offset", "pooled", "released", "expired", "not_determined")
#: What a company may choose and therefore state.
CHOSEN = ("transferred", "bought", "sold", "offset", "pooled", "released")
#: ``own``: deficits that no event met are met with the company's own credits; ``none``: they stay.
Settle = Literal["own", "none"]
#: The region whose companies' deficits of 2020 were reduced.
REGION = "Hubei"

CONSEQUENCE = (
    "the company must submit a plan with a deadline for adjusting its production or import; until the deficit is cleared, "
    "models that miss their GB 27999 target are not listed in the ministry's catalogue and can't be sold. There is no fine"
)


@dataclass(frozen=True)
class Event:
    """One line of the bank. ``amount`` in whole credits; ``kind`` is the credits' kind, ``against`` the deficit's.

    ``counterparty`` is who receives (transferred, sold) or gives (bought); ``vintage`` names the credits' year where the
    company chose it. Lines of a statement also tell what a turn of the year took (``lost``).
    """

    entity: str
    year: int
    kind: str
    event: str
    amount: int
    counterparty: str = ""
    vintage: int | None = None
    against: str = ""
    deficit_year: int | None = None
    lost: int = 0
    note: str = ""
    row: int | None = None

    def __str__(self) -> str:
        where = f"row {self.row}: " if self.row is not None else ""
        return f"{where}{self.entity} {self.year} {self.kind} {self.event} {self.amount}"


@dataclass(frozen=True)
class Position:
    """Where a company stands once a year is settled: deficits of the year, what is still open of them and of earlier years,
    and what it holds before the turn of the year."""

    entity: str
    year: int
    cafc_deficit: int
    nev_deficit: int
    cafc_open: int
    nev_open: int
    cafc_held: int
    nev_held: int


@dataclass(frozen=True)
class Option:
    """One legal way to meet a deficit: credits that are there for it by this way alone (None: as many as are sold), and what
    it would leave of the deficit. ``year`` is the year it is met in. Nothing is said of the price."""

    entity: str
    year: int
    kind: str
    deficit_year: int
    deficit: int
    way: str
    available: int | None
    leaves: int
    note: str = ""


@dataclass
class Result:
    """The bank after the last year, its statement, each company's positions, the ways there were to meet each deficit (after
    the chosen events, before the company's own credits were used), and what couldn't be told."""

    bank: Bank
    statement: list[Event] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    uncovered: list[Event] = field(default_factory=list)
    not_determined: list[str] = field(default_factory=list)


class History:
    """Runs the years; see the module. ``supply_demand``: a year's NEV credits for sale over deficits (the credit pool)."""

    def __init__(
        self,
        policy: Policy,
        companies: Iterable[CompanyYear],
        events: Iterable[Event] = (),
        *,
        ownership: Ownership | None = None,
        supply_demand: Mapping[int, Fraction] | None = None,
        settle: Settle = "own",
    ) -> None:
        self.policy, self.known, self.ownership, self.settle = policy, policy.known, ownership, settle
        self.supply_demand = dict(supply_demand or {})
        self.companies: dict[int, list[CompanyYear]] = {}
        self.result = Result(Bank(bank_rules(policy)))
        for company in companies:
            self.companies.setdefault(company.year, []).append(company)
        self.entities = {c.entity for years in self.companies.values() for c in years if c.entity}
        self.events: dict[int, list[Event]] = {}
        for event in _once(list(events)):
            _check(event)
            self.events.setdefault(event.year, []).append(event)

    @property
    def bank(self) -> Bank:
        return self.result.bank

    def run(self, through: int | None = None) -> Result:
        """Every year from the first to the last that has a company or an event (or to ``through``); the last isn't turned."""
        years = [*self.companies, *self.events]
        if not years:
            return self.result
        last = max(years) if through is None else through
        for year in range(min(years), last + 1):
            self.begin(year)
            for event in self.events.get(year, ()):
                self.apply(event)
            self.result.options += self.options(year)
            if self.settle == "own":
                self.settle_own(year)
            self.close(year, turn=year < last)
        return self.result

    def options_only(self) -> Result:
        """The ways to meet each deficit of each year by itself, nothing banked from year to year."""
        result = self.result
        for year in sorted(self.companies):
            self.result = Result(Bank(bank_rules(self.policy)))
            self.begin(year)
            result.options += self.options(year)
            result.not_determined += self.result.not_determined
        self.result = result
        return result

    # -- the steps of a year

    def begin(self, year: int) -> None:
        """Surpluses are earned and deficits owed."""
        on = dt.date(year, 12, 31)
        for company in self.companies.get(year, ()):
            if company.status == "excluded":
                continue
            name = company.entity or ""
            for kind, balance in ((NEV, company.nev_balance), (CAFC, company.cafc_balance)):
                if balance is None:
                    why = "; ".join(company.reasons) or "not given"
                    self.result.not_determined.append(f"{name} {year}: the {kind} balance ({why})")
                elif balance > 0:
                    self._earn(name, kind, year, balance, company)
                elif balance < 0:
                    self._update(self.bank.owe(name, kind, year, self._owed(name, year, -balance), on=on))

    def _earn(self, name: str, kind: str, year: int, balance: int, company: CompanyYear) -> None:
        on = dt.date(year, 12, 31)
        own = 0
        if kind == NEV and company.nev_own_use and company.nev_target is not None:
            # A target is met first with the credits that can't be sold.
            own = max(0, min(balance, int(company.nev_own_use - company.nev_target)))
        for part, lot_kind in ((balance - own, ""), (own, OWN_USE)):
            if part:
                self._update(self.bank.issue(name, kind, year, on, part, kind=lot_kind))
                note = "own use only" if lot_kind else ""
                self.result.statement.append(Event(name, year, kind, "earned", part, vintage=year, note=note))

    def _owed(self, name: str, year: int, deficit: int) -> int:
        """The deficit, reduced where the company's region has a reduction that year."""
        if self.ownership is None or self.ownership.regions.get(name) != REGION:
            return deficit
        factor = self.policy.value("regional_deficit_factor", period=year)[0]
        return deficit if factor is None else rounded(deficit * Fraction(factor), "half_up")

    def apply(self, event: Event) -> None:
        """What a company chose. Raises :class:`InputError` where the rules don't allow it."""
        on = dt.date(event.year, 12, 31)
        try:
            bank = getattr(self, f"_{event.event}")(event, on)
        except CreditError as error:
            raise InputError(f"{event}: {error}") from None
        self._update(bank)
        if event.event != "offset":
            self.result.statement.append(event)

    def _transferred(self, event: Event, on: dt.date) -> Bank:
        if event.kind != CAFC:
            raise InputError(f"{event}: NEV credits are sold, only CAFC credits are transferred between affiliates")
        if self.ownership is None:
            raise InputError(f"{event}: whether {event.counterparty} is an affiliate needs the ownership of both")
        if not affiliation(self.policy, self.ownership, event.entity, event.counterparty, event.year):
            raise InputError(f"{event}: {event.counterparty} isn't an affiliate of {event.entity} in {event.year}")
        return self.bank.transfer(
            event.entity, event.counterparty, CAFC, event.amount, on=on, known=self.known, vintages=_named(event)
        )

    def _sold(self, event: Event, on: dt.date) -> Bank:
        if event.kind != NEV:
            raise InputError(f"{event}: CAFC credits can't be sold, only transferred to affiliates")
        return self._trade(event, event.entity, event.counterparty, on)

    def _bought(self, event: Event, on: dt.date) -> Bank:
        if event.kind != NEV:
            raise InputError(f"{event}: CAFC credits can't be bought, only received from affiliates")
        if event.counterparty not in self.entities:  # a seller outside the book: its credits enter it with the sale
            self._update(self.bank.issue(event.counterparty, NEV, event.year, on, event.amount))
        return self._trade(event, event.counterparty, event.entity, on)

    def _trade(self, event: Event, seller: str, buyer: str, on: dt.date) -> Bank:
        tradable = [lot.id for lot in self.bank.of(seller) if lot.pool == NEV and lot.kind != OWN_USE]
        return self.bank.transfer(
            seller, buyer, NEV, event.amount, on=on, known=self.known, only=tradable, vintages=_named(event)
        )

    def _offset(self, event: Event, on: dt.date) -> Bank:
        against = event.against or event.kind
        deficits = [
            one for one in self.bank.obligations.values()
            if one.account == event.entity and one.pool == against and one.amount
            and event.deficit_year in (None, one.year)
        ]  # fmt: skip
        if not deficits:
            raise InputError(f"{event}: {event.entity} has no open {against} deficit")
        left = event.amount
        bank = self.bank
        for one in sorted(deficits, key=lambda one: one.year):
            part = min(left, one.amount)
            if part:
                before = bank
                bank = bank.offset(
                    int(one.id), on=on, known=self.known, amount=part, pools=(event.kind,), vintages=_named(event)
                )
                self._tell_offsets(before, bank, event.year)
                left -= part
        if left:
            raise InputError(f"{event}: the open {against} deficit is {event.amount - left} only")
        return bank

    def _pooled(self, event: Event, on: dt.date) -> Bank:
        self._pool_ratio(event, on, "common_pool_opens_above")
        return self.bank.deposit(event.entity, NEV, event.amount, on=on, known=self.known, vintages=_named(event))

    def _released(self, event: Event, on: dt.date) -> Bank:
        self._pool_ratio(event, on, "common_pool_releases_below")
        return self.bank.withdraw(event.entity, NEV, event.amount, on=on, known=self.known)

    def _pool_ratio(self, event: Event, on: dt.date, name: str) -> None:
        if event.kind != NEV:
            raise InputError(f"{event}: the credit pool holds NEV credits only")
        bound = self.policy.value(name, on=on)[0]
        ratio = self.supply_demand.get(event.year)
        if bound is None:
            raise InputError(f"{event}: there is no credit pool in {event.year}")
        if ratio is None:
            raise InputError(f"{event}: needs the year's ratio of NEV credits for sale to deficits (supply_demand)")
        opens = name == "common_pool_opens_above"
        if not (ratio > Fraction(bound) if opens else ratio < Fraction(bound)):
            word = "takes deposits above" if opens else "releases credits below"
            raise InputError(f"{event}: the ratio of {event.year} is {float(ratio):g}; the pool {word} {bound}")

    def options(self, year: int) -> list[Option]:
        """The legal ways to meet each open deficit in ``year``, each by itself."""
        on = dt.date(year, 12, 31)
        found = []
        for owed in oldest_first(self.bank.obligations.values()):
            if not owed.amount:
                continue
            name, pool = owed.account, owed.pool

            def free(account: str, kind: str, owed: Obligation = owed) -> int:
                mine = [lot for lot in self.bank.of(account) if account == owed.account or not lot.via]
                return plan(
                    mine, 0, account=account, pool=owed.pool, on=on, known=self.known, rules=self.bank.rules, year=owed.year,
                    deferred=owed.deferred, pools=(kind,),
                ).free  # fmt: skip

            ways: list[tuple[str, int | None, str]] = []
            if pool == CAFC:
                ways.append(("own_cafc", free(name, CAFC), ""))
                related, note = self._affiliates(name, year)
                ways.append(("affiliate_cafc", sum(free(other, CAFC) for other in related), note))
            accepted, _ = self.bank.rules.at(on, self.known).accepted(pool, "", owed.year, None)
            if NEV in accepted:
                ways.append(("own_nev", free(name, NEV), ""))
                ways.append(("purchased_nev", None, ""))
            for way, available, note in ways:
                leaves = 0 if available is None else max(0, owed.amount - available)
                found.append(Option(name, year, pool, owed.year, owed.amount, way, available, leaves, note))
        return found

    def _affiliates(self, name: str, year: int) -> tuple[list[str], str]:
        """The affiliates of a company, and what is to be said of them."""
        if self.ownership is None:
            return [], "not determined: the ownership isn't given"
        if name not in self.ownership.roles:
            return [], f"not determined: the role of {name} isn't stated"
        related = sorted(b for a, b in pairs(self.policy, self.ownership, self.entities, year) if a == name)
        return related, ", ".join(related) or "no affiliate"

    def settle_own(self, year: int) -> None:
        """Deficits still open are met with the company's own credits: NEV deficits, then CAFC deficits with CAFC first."""
        on = dt.date(year, 12, 31)
        for name in sorted({one.account for one in self.bank.obligations.values() if one.amount}):
            for pool in (NEV, CAFC):
                if self.bank.owed(name, pool):
                    before = self.bank
                    self._update(before.settle(name, on=on, known=self.known, pool=pool))
                    self._tell_offsets(before, self.bank, year)

    def close(self, year: int, *, turn: bool) -> None:
        """Positions; what can't be met any more is uncovered; then the turn of the year."""
        on = dt.date(year, 12, 31)
        bank = self.bank
        names = sorted({lot.account for lot in bank.lots.values()} | {one.account for one in bank.obligations.values()})
        for name in names:
            if name not in self.entities:
                continue
            due = {pool: self._deficit(name, pool, year) for pool in POOLS}
            self.result.positions.append(
                Position(
                    name, year, due[CAFC], due[NEV], bank.owed(name, CAFC), bank.owed(name, NEV), bank.free(name, CAFC),
                    bank.free(name, NEV),
                )
            )  # fmt: skip
        before = {key: one.amount for key, one in bank.obligations.items()}
        self._update(bank.past_due(year + 1, on=on, known=self.known))
        for key, one in self.bank.obligations.items():
            gone = before[key] - one.amount
            if gone:
                self.result.uncovered.append(
                    Event(one.account, year, one.pool, "uncovered", gone, deficit_year=one.year, note=CONSEQUENCE)
                )
        if turn:
            self._turn(year)

    def _deficit(self, name: str, pool: str, year: int) -> int:
        incurred = {
            entry.lot: entry.amount for entry in self.bank.entries if entry.unit == f"obligation:{pool}" and entry.source == "incurred"
        }  # fmt: skip
        return sum(
            incurred[key] for key, one in self.bank.obligations.items()
            if one.account == name and one.pool == pool and one.year == year
        )  # fmt: skip

    def _turn(self, year: int) -> None:
        facts = self._facts(year)
        self._set_aside(year, facts)
        before = {key: lot for key, lot in self.bank.lots.items() if lot.amount}
        self._update(self.bank.carry(year, known=self.known, facts=facts))
        for key, lot in before.items():
            after = self.bank.lots[key].amount
            if lot.via == "pool":
                self.result.statement.append(
                    Event(lot.account, year, NEV, "pooled", after, vintage=lot.vintage, note="not used, back in the pool")
                )
            if lot.vintage > year or lot.via == "pool":
                continue
            event = "carried" if after else "expired"
            lost = lot.amount - after
            self.result.statement.append(
                Event(lot.account, year, lot.pool, event, after or lot.amount, vintage=lot.vintage, lost=lost)
            )
        self._update(self.bank.expire(on=dt.date(year + 1, 1, 1), known=self.known))

    def _facts(self, year: int) -> dict[str, dict[str, bool | None]]:
        """Each company's facts of all years to ``year``."""
        found: dict[str, dict[str, bool | None]] = {}
        for past, companies in self.companies.items():
            for company in companies:
                if past <= year and company.entity:
                    found.setdefault(company.entity, {}).update(carry_facts(self.policy, company))
        return found

    def _set_aside(self, year: int, facts: Mapping[str, Mapping[str, bool | None]]) -> None:
        """Credits whose carrying can't be told are taken out, and said: what they'd be next year isn't determined."""
        groups: dict[tuple[str, str, int, str], list[Lot]] = {}
        for lot in self.bank.lots.values():
            if lot.amount:
                groups.setdefault((lot.account, lot.pool, lot.vintage, lot.kind), []).append(lot)
        for (account, pool, vintage, kind), lots in sorted(groups.items()):
            try:
                plan_carry(lots, year, known=self.known, rules=self.bank.rules, facts=facts.get(account))
            except NotDetermined as why:
                amount = sum(lot.amount for lot in lots)
                only = [lot.id for lot in lots]
                on = dt.date(year, 12, 31)
                self._update(self.bank.cancel(account, pool, amount, on=on, known=self.known, only=only))
                missing = ", ".join(why.missing)
                self.result.statement.append(
                    Event(account, year, pool, "not_determined", amount, vintage=vintage, note=f"missing:{missing}")
                )
                self.result.not_determined.append(
                    f"{account} {year}: whether {amount} {pool} credits of {vintage}{' (own use)' if kind else ''} are carried ({missing})"
                )

    def _tell_offsets(self, before: Bank, after: Bank, year: int) -> None:
        """Lines for what met which deficit, from the journal's new entries (credits and deficit move in pairs)."""
        entries = after.entries[len(before.entries) :]
        for used, met in zip(entries[::2], entries[1::2], strict=True):
            lot, deficit = after.lots[int(used.lot)], after.obligations[int(met.lot)]
            self.result.statement.append(
                Event(
                    lot.account, year, lot.pool, "offset", used.amount, vintage=lot.vintage, against=deficit.pool,
                    deficit_year=deficit.year,
                )
            )  # fmt: skip

    def _update(self, bank: Bank) -> None:
        self.result.bank = bank


def _named(event: Event) -> Sequence[int]:
    return () if event.vintage is None else (event.vintage,)


def _check(event: Event) -> None:
    if event.event not in CHOSEN:
        raise InputError(f"{event}: event {event.event!r} can't be chosen; allowed is {', '.join(CHOSEN)}")
    if event.kind not in POOLS:
        raise InputError(f"{event}: kind {event.kind!r} is not one of {', '.join(POOLS)}")
    if event.against and event.against not in POOLS:
        raise InputError(f"{event}: against {event.against!r} is not one of {', '.join(POOLS)}")
    if event.amount < 1:
        raise InputError(f"{event}: the amount must be a whole number, 1 or more")
    if event.event in ("transferred", "sold", "bought") and not event.counterparty:
        raise InputError(f"{event}: needs a counterparty")


def _once(events: list[Event]) -> list[Event]:
    """A trade that stands in both companies' lines (sold and bought) is one trade."""
    sold = [(e.counterparty, e.entity, e.year, e.amount, e.kind) for e in events if e.event == "sold"]
    found = []
    for event in events:
        place = (event.entity, event.counterparty, event.year, event.amount, event.kind)
        if event.event == "bought" and place in sold:
            sold.remove(place)
            continue
        found.append(event)
    return found


def company(entity: str, year: int, *, cafc: int | None = None, nev: int | None = None, **more: object) -> CompanyYear:
    """A company's year with its two balances only, for plans and simulations; ``more`` sets other figures."""
    made = CompanyYear(entity, year, "given", cafc_balance=cafc, nev_balance=nev)
    for name, value in more.items():
        if not hasattr(made, name):
            raise InputError(f"a company's year has no {name}")
        setattr(made, name, Decimal(value) if isinstance(value, str) else value)
    return made
