"""Plays a scenario: steps and expected figures from a data file, done by the registry's own operations and compared step by step.

``seven_years.yaml`` says how such a file is read. Everything that a file doesn't name must stay as it was: after each step all balances of
all accounts and the states of all vehicles are compared.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from cleanfleet import credits as bank
from cleanfleet.registry import clock, daily, kinds
from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.acceptance.operations import clearance
from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.fleets.models import Application, Deferral, Settlement
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import perform
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import TakeMessage
from cleanfleet.registry.payments.provider import LocalProvider
from cleanfleet.registry.refusals import Refusal
from cleanfleet.registry.rulings import law
from cleanfleet.registry.rulings.operations import ApproveValue, ProposeValue
from cleanfleet.registry.statements.statement import statement
from cleanfleet.registry.transfers.models import Offer
from cleanfleet.registry.vehicles.models import Claim, Result
from cleanfleet.registry.vehicles.operations import FeedVehicles

FOLDER = Path(__file__).parent
Book = dict[tuple[str, str], int]
_GONE = object()
#: What the daily job counts besides credits that end; a file names those that aren't 0.
_DAILY = ("timed_out", "lapsed", "lifted", "schemes", "fleet_years_due", "revived_accounts")


class _Text(yaml.SafeLoader):
    """YAML whose dates and decimals stay texts: only whole numbers, true, false and null are more than that."""


_Text.yaml_implicit_resolvers = {}
for _tag, _pattern, _starts in (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(0|[1-9]\d*)", "-0123456789"),
    ("null", r"null", "n"),
):
    _Text.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_starts))


def read(file: str) -> dict[str, Any]:
    """A scenario's file."""
    with (FOLDER / file).open(encoding="utf-8") as stream:
        found: dict[str, Any] = yaml.load(stream, Loader=_Text)
    return found


def of_run(data: Any, run: str, runs: set[str]) -> Any:
    """The data of one run: what stands under another run's name is left out."""
    if isinstance(data, Mapping):
        if data and set(data) <= runs:
            return of_run(data[run], run, runs) if run in data else _GONE
        parts = {key: of_run(value, run, runs) for key, value in data.items()}
        return {key: value for key, value in parts.items() if value is not _GONE}
    if isinstance(data, list):
        return [value for part in data if (value := of_run(part, run, runs)) is not _GONE]
    return data


def cents(dollars: Any) -> int:
    found = Decimal(str(dollars)) * 100
    assert found == int(found)
    return int(found)


class Play:
    """One run of a scenario on the registry's database."""

    def __init__(self, file: str, run: str) -> None:
        data = read(file)
        runs = data.pop("runs")
        self.setting = runs[run]
        self.data = of_run(data, run, set(runs))
        self.provider = LocalProvider("scenario")
        self.people: dict[str, Principal] = {}
        self.accounts: dict[str, Account] = {}
        self.holders: dict[str, str] = {}
        self.claims: dict[str, str] = {}
        self.books: dict[str, Book] = {}
        self.states: dict[str, str] = {}
        #: The books as they are expected at the end of each year.
        self.year_ends: dict[int, dict[str, Book]] = {}
        self.steps_done = 0
        self._keys = itertools.count(1)
        self._run = run

    def options(self) -> dict[str, Any]:
        """The registry's settings for this run: a demo, since its values are invented."""
        known = self.setting["known"]
        return {
            "CLEANFLEET_DEMO": True,
            "CLEANFLEET_KNOWN": known and dt.date.fromisoformat(known),
            "CLEANFLEET_VALUES": tuple(str(FOLDER / name) for name in self.setting["overlays"]),
        }

    # -- doing

    def do(self, action: Any, by: Principal, key: str = "") -> dict[str, Any]:
        return perform(action, by=by, key=key or f"scenario-{next(self._keys)}").answer

    def open(self) -> None:
        """People, holders and accounts; the doubtful values that the agency confirms."""
        self.people["register"] = system()
        with clock.at(self.data["opened"]):
            for name, roles in self.data["people"].items():
                made = self.do(accounts.RegisterPerson(full_name=name, email=f"{name.lower()}@example.nz"), system())
                self.people[name] = Principal.objects.get(public_id=made["person"])
                for role in roles:
                    self.do(accounts.AssignRole(person=made["person"], role=role), system())
            for name, told in self.data["holders"].items():
                owner = self.people[told["owner"]]
                holder = accounts.RegisterHolder(kind="legal_entity", holder_name=name, address="1 Quay Street, Auckland")
                self.holders[name] = self.do(holder, owner)["holder"]
                for called, condition in told["accounts"].items():
                    opened = accounts.OpenAccount(holder=self.holders[name], condition=condition, account_name=called)
                    self.accounts[called] = Account.objects.get(public_id=self.do(opened, owner)["account"])
                    self.books[called] = {}
            for value in self.data["confirmed"]:
                self.do(ProposeValue(value=value), self.people["Olive"])
                self.do(ApproveValue(value=value), self.people["Petra"])

    def run(self) -> None:
        """All steps; fails at the first that isn't as expected, naming it."""
        self.open()
        year = int(self.data["opened"][:4])
        for step in self.data["steps"]:
            if step.get("only", self._run) != self._run:
                continue
            while year < int(step["when"][:4]):
                self.year_ends[year] = {name: dict(found) for name, found in self.books.items()}
                year += 1
            with clock.at(step["when"]):
                try:
                    self._step(step)
                except Exception as error:
                    error.add_note(f"in step {step['when']} {step['who']} {step['does']} of run {self._run!r}: {step}")
                    raise
            self.steps_done += 1
        self.year_ends[year] = self.books

    def _step(self, step: dict[str, Any]) -> None:
        self._feed(step)
        before = set(Result.objects.values_list("pk", flat=True))
        answer: Any = None
        try:
            answer, why = self._answer(step), None
        except Refusal as refusal:
            why = refusal
        assert (why and why.code) == step.get("refused"), (
            f"refused: {why!r}, answer: {answer}; to be refused: {step.get('refused')}"
        )
        assert why is None or "expect" not in step, "refused, but an answer is expected"
        _compare(step.get("expect", {}), answer, "answer")
        for name, changed in step.get("books", {}).items():
            self.books[name].update({self._place(name, place): self._units(place, n) for place, n in changed.items()})
            self.books[name] = {place: amount for place, amount in self.books[name].items() if amount}
        self.states |= step.get("states", {})
        self._look(step, before)

    def _feed(self, step: dict[str, Any]) -> None:
        names = step.get("feed", [])
        if not names:
            return
        rows = [self._row(name, step["when"][:10]) for name in names]
        told = self.do(FeedVehicles.read({"source": "certifier", "vehicles": rows}), system())["rows"]
        for name, outcome in zip(names, told, strict=True):
            _compare(step.get("fed", {}).get(name, {"outcome": "ready"}), outcome, f"fed {name}")
            self.claims[name], self.states[name] = outcome["claim"], "ready"

    def _row(self, name: str, ready_on: str) -> dict[str, Any]:
        told = self.data["vehicles"][name]
        account = self.accounts[told["account"]]
        return {
            "account": account.number,
            "entry_channel": "used" if account.condition == "used" else "parallel_new",
            "vin": self._vin(name),
            "attributes": {
                "vehicle_class": told["class"], "tare_kg": told["tare"], "co2_g_per_km": str(told["co2"]), "co2_cycle": "3P-WLTP",
            },
            "ready_on": ready_on,
            "client": told.get("client", ""),
            "own_reference": told.get("reference", ""),
        }  # fmt: skip

    @staticmethod
    def _vin(name: str) -> str:
        return f"7AT0SEVEN{name:0>8}"

    def _answer(self, step: dict[str, Any]) -> dict[str, Any]:
        does, by = step["does"], self.people[step["who"]]
        if does == "daily":
            done = daily.run()
            assert {name: done[name] for name in _DAILY} == dict.fromkeys(_DAILY, 0) | step.get("expect", {})
            return done
        given = {name: self._refer(name, value) for name, value in step.get("with", {}).items()}
        if does == "provider":
            payment = Payment.objects.get(public_id=given["payment"])
            self.provider.start(payment.public_id, payment.cents)
            event = self.provider.read(*self.provider.play(payment.public_id, given["outcome"]))
            return self.do(TakeMessage.of("local", event), by, f"local:{event.event}")
        return self.do(kinds.all_kinds()[does].read(given), by)

    def _refer(self, field: str, value: Any) -> Any:
        """The id behind a name, by the field that it stands in; of what has no name the last one of its account or holder."""
        if field == "account":
            return self.accounts[value].public_id
        if field == "to_account":
            return self.accounts[value].number
        if field == "holder":
            return self.holders[value]
        if field == "claim":
            return self.claims[value]
        if field == "vehicles":
            return [self.claims[name] for name in value]
        if field == "payment":
            return Payment.objects.filter(account=self.accounts[value]).latest("pk").public_id
        if field == "offer":
            return Offer.objects.filter(source=self.accounts[value]).latest("pk").public_id
        if field == "settlement":
            return Settlement.objects.filter(share__account=self.accounts[value]).latest("pk").public_id
        if field == "application":
            return Application.objects.filter(holder__public_id=self.holders[value]).latest("pk").public_id
        if field == "deferral":
            return Deferral.objects.filter(fleet_year__holder__public_id=self.holders[value]).latest("pk").public_id
        return value

    # -- comparing

    def _place(self, account: str, place: str) -> tuple[str, str]:
        """(bucket, unit) of a place: 'held', 'owed A 2023', 'owed A 2023 fleet', 'payable', ..."""
        condition = self.accounts[account].condition
        if place in ("held", "reserved"):
            return place, f"credit:{condition}"
        if place.startswith("owed "):
            return "owed", ":".join(["charge", condition, *place.split()[1:]])
        assert place in ("payable", "unallocated", "refund due"), place
        return place.replace(" ", "_"), "NZD"

    @staticmethod
    def _units(place: str, amount: Any) -> int:
        return cents(amount) if place in ("payable", "unallocated", "refund due") else int(amount)

    def _look(self, step: dict[str, Any], before: set[int]) -> None:
        """Everything that stands in the register against everything that is expected of it."""
        for name, account in self.accounts.items():
            assert book.balances(account.pk) == self.books[name], name
        found = dict(Claim.objects.values_list("public_id", "state"))
        assert {name: found[claim] for name, claim in self.claims.items()} == self.states
        names = {claim: name for name, claim in self.claims.items()}
        for result in Result.objects.exclude(pk__in=before).select_related("claim"):
            name = names[result.claim.public_id]
            should = step.get("results", {}).get(name) or self.data["vehicles"][name]
            for figure in ("target", "difference"):
                assert Decimal(getattr(result, figure)).scaleb(-4) == Decimal(should[figure]), (name, figure)
        for name, amount in step.get("payment", {}).items():
            assert Payment.objects.filter(account=self.accounts[name]).latest("pk").cents == cents(amount), name
        for name, cleared in step.get("cleared", {}).items():
            assert clearance("vin", self._vin(name))["cleared"] is cleared, name
        for name, lots in step.get("lots", {}).items():
            assert self._lots(name) == {dt.date.fromisoformat(day): amount for day, amount in lots.items()}, name
        for name, days in step.get("last days", {}).items():
            assert {str(earned): str(last) for earned, last in self._last_days(name).items()} == days, name

    def _lots(self, name: str) -> dict[dt.date, int]:
        account = self.accounts[name]
        found: dict[dt.date, int] = {}
        for lot in book.lots(account.pk, "held", f"credit:{account.condition}"):
            found[lot.earned_on] = found.get(lot.earned_on, 0) + lot.amount
        return found

    def _last_days(self, name: str) -> dict[dt.date, dt.date]:
        account, today = self.accounts[name], clock.today()
        rules, known = law.bank(today), law.policy(today).known
        lots = spending.lots(account, account.condition)
        return {lot.earned_on: bank.last_day(lot, today, known, rules) for lot in lots}

    def check_statements(self) -> None:
        """The statements of every account and year, and those that the file writes out."""
        for name, account in self.accounts.items():
            for year, closing in self.year_ends.items():
                found = statement(account, dt.date(year, 1, 1), dt.date(year, 12, 31))
                assert found.opening == self.year_ends.get(year - 1, {}).get(name, {}), (name, year)
                assert found.closing == closing[name], (name, year)
        for told in self.data["statements"]:
            name, place = told["account"], lambda text, name=told["account"]: self._place(name, text)
            first, last = (dt.date.fromisoformat(told[key]) for key in ("from", "to"))
            found = statement(self.accounts[name], first, last, client=told.get("client"))
            for side in ("opening", "closing"):
                if side in told:
                    assert getattr(found, side) == {place(p): self._units(p, n) for p, n in told[side].items()}, side
            entries = [(str(entry.date), (entry.bucket, entry.unit), entry.amount) for entry in found.entries]
            assert entries == [(day, place(p), self._units(p, n)) for day, p, n in told["entries"]]

    def closing(self) -> Iterator[tuple[str, str, str, int]]:
        """What is expected at the end: (account's number, bucket, unit, amount)."""
        for name, found in self.books.items():
            for (bucket, unit), amount in found.items():
                yield self.accounts[name].number, bucket, unit, amount


def _compare(expected: Any, found: Any, where: str) -> None:
    """Every part of ``expected`` stands in ``found``; numbers as numbers, ``..._nzd`` in dollars against ``..._cents``."""
    if isinstance(expected, Mapping):
        for key, value in expected.items():
            if key.endswith("_nzd"):
                other = key.removesuffix("_nzd") + "_cents"
                assert found[other] == cents(value), f"{where}.{key}: expected {value}, found {found[other]} cents"
            else:
                assert key in found, f"{where} has no {key}: {found}"
                _compare(value, found[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(expected) == len(found), f"{where}: expected {expected}, found {found}"
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            _compare(one, other, f"{where}[{number}]")
    else:
        assert expected == found, f"{where}: expected {expected!r}, found {found!r}"
