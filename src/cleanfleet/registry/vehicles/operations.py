"""How vehicles reach an account, and what happens to them before they are accepted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pydantic

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import hold_open
from cleanfleet.registry.ledger import rows
from cleanfleet.registry.ledger.operations import Action, Private, Work, canonical
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible, Refusal
from cleanfleet.registry.rulings import law

from . import assessing
from .identify import normalised
from .models import Claim, Dispute, Identifier, Vehicle, Version
from .states import CLAIM, DISPUTE, ENDED, WAITING

#: So many vehicles at most in one operation; a longer list runs as several.
MOST = 5000
#: Days that a certifier or the register has to answer a dispute. The holder sees the day; nothing lapses by it.
ANSWER_DAYS = 10
Source = Literal["miami", "fuelsaver", "certifier", "mvr"]
Channel = Literal["distributor_new", "parallel_new", "used"]
#: Sources that may say that a vehicle is certified or inspected, which makes it ready for acceptance.
CERTIFYING = ("certifier", "mvr")


class VehicleRow(pydantic.BaseModel):
    """One vehicle as a feed tells it."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, str_max_length=200)

    #: Number of the CO2 account; an excluded vehicle needs none.
    account: str = ""
    entry_channel: Channel
    vin: str | None = None
    chassis: str | None = None
    register_id: str | None = None
    attributes: dict[str, str | int | None] = pydantic.Field(default_factory=dict)
    #: Day of the entry certification or pre-delivery inspection, once it is done.
    ready_on: dt.date | None = None
    own_reference: str = pydantic.Field(default="", max_length=60)
    client: str = pydantic.Field(default="", max_length=60)


@dataclass
class _Row:
    """A row on its way: what was found for it, and what became of it."""

    given: VehicleRow
    keys: list[tuple[str, str]] = field(default_factory=list)
    account: Account | None = None
    vehicle: int | None = None
    claim: Claim | None = None
    number: int = 1
    answer: assessing.Answer | None = None
    outcome: dict[str, Any] | None = None
    #: Why it can't be on its account; it doesn't matter where the vehicle turns out to be excluded.
    trouble: dict[str, Any] | None = None
    excluded: bool = False

    def refuse(self, code: str, message: str, **details: Any) -> None:
        self.outcome = {"outcome": "refused", "code": code, "message": message, **details}

    def without_account(self, code: str, message: str) -> None:
        self.trouble = {"outcome": "refused", "code": code, "message": message}


class FeedVehicles(Action):
    """Vehicles from a register or a certifier, up to 5,000: each is entered, updated, made ready, found not subject, or refused.

    The answer lists one outcome for each row, in order: ``entered`` / ``ready`` / ``held`` (with ``missing``) / ``updated`` with the
    claim's id, ``not_subject`` with the ground, or ``refused`` with code and message. An excluded vehicle needs no account; one that
    is found excluded while it waits on an account is taken off it.
    """

    source: Source
    vehicles: Annotated[list[VehicleRow], pydantic.Field(min_length=1, max_length=MOST)]

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, permissions.SYSTEM)
        found = [_Row(given) for given in self.vehicles]
        self._identify(found)
        self._find_vehicles(found)
        self._find_accounts(work, found)
        self._find_claims(found)
        self._ask_the_law(work, found)
        going = [row for row in found if row.outcome is None]
        self._write_claims(work, going, self._write_vehicles(work, going))
        outcomes = [row.outcome or {} for row in found]
        return {"rows": outcomes}

    def _identify(self, found: list[_Row]) -> None:
        seen: set[tuple[str, str]] = set()
        for row in found:
            given = {"vin": row.given.vin, "chassis": row.given.chassis, "register": row.given.register_id}
            try:
                row.keys = [(kind, normalised(kind, text)) for kind, text in given.items() if text]
            except Refusal as refusal:
                row.refuse(refusal.code, refusal.message, field=refusal.field)
                continue
            if not row.keys:
                row.refuse("no_identifier", "the row has neither vin nor chassis nor register_id")
            elif seen & set(row.keys):
                row.refuse(
                    "repeated", f"{row.keys[0][0]} {row.keys[0][1]} stands twice in this message; the first row counts"
                )
            seen |= set(row.keys)

    def _find_accounts(self, work: Work, found: list[_Row]) -> None:
        going = [row for row in found if row.outcome is None]
        numbers = {row.given.account.upper() for row in going}
        keys = dict(Account.objects.filter(number__in=numbers).values_list("number", "pk"))
        alone = [row.vehicle for row in going if row.vehicle is not None and row.given.account.upper() not in keys]
        there = Claim.objects.filter(vehicle_id__in=alone, ended_on=None) if alone else Claim.objects.none()
        work.lock(*{*keys.values(), *there.values_list("account_id", flat=True)})
        accounts = {found_.number: found_ for found_ in Account.objects.filter(pk__in=keys.values())}
        for row in going:
            account = accounts.get(row.given.account.upper())
            if not row.given.account:
                row.without_account("no_account", "account is missing; a subject vehicle needs the number of a CO2 account")
            elif account is None:
                row.without_account(
                    "unknown_account", f"account is {row.given.account!r}; there is no account of that number"
                )
            elif account.state != "open":
                row.without_account("account_not_open", f"account {account.number} is {account.state} and takes no vehicle")
            elif (account.condition == "used") != (row.given.entry_channel == "used"):
                row.without_account(
                    "wrong_account",
                    f"account {account.number} is for {account.condition} vehicles, not for {row.given.entry_channel}",
                )
            else:
                row.account = account

    def _find_vehicles(self, found: list[_Row]) -> None:
        going = [row for row in found if row.outcome is None]
        known = _vehicles_of([key for row in going for key in row.keys])
        for row in going:
            vehicles = {known[key] for key in row.keys if key in known}
            if len(vehicles) > 1:
                row.refuse(
                    "identifiers_conflict",
                    "the row's identifiers name different vehicles",
                    identifiers=[list(k) for k in row.keys],
                )
            elif vehicles:
                row.vehicle = vehicles.pop()

    def _find_claims(self, found: list[_Row]) -> None:
        going = [row for row in found if row.outcome is None]
        ids = [row.vehicle for row in going if row.vehicle is not None]
        claims = {
            claim.vehicle_id: claim
            for claim in Claim.objects.filter(vehicle_id__in=ids, ended_on=None).select_related("account")
        }
        last: dict[int, int] = {}
        for vehicle, number in Version.objects.filter(vehicle_id__in=ids).values_list("vehicle_id", "number"):
            last[vehicle] = max(number, last.get(vehicle, 0))
        for row in going:
            if row.outcome is not None or row.vehicle is None:
                continue
            row.number = last.get(row.vehicle, 0) + 1
            row.claim = claims.get(row.vehicle)
            if row.claim is None:
                continue
            if row.trouble is None and row.account is not None and row.claim.account_id != row.account.pk:
                row.refuse("claimed", f"the vehicle is on another account; {row.given.account} gets it only by reallocation")
            elif row.claim.state not in WAITING:
                row.refuse(
                    "claim_closed",
                    f"the vehicle is {CLAIM.shown[row.claim.state]} on this account; a change needs a correction",
                )

    def _ask_the_law(self, work: Work, found: list[_Row]) -> None:
        policy = law.policy(work.today)
        allowed = assessing.columns(policy)
        for row in found:
            unknown = [name for name in row.given.attributes if name not in allowed]
            bad = [assessing.unreadable(allowed[n], v) for n, v in row.given.attributes.items() if n in allowed]
            wanted = "used" if row.given.entry_channel == "used" else "new"
            condition = row.given.attributes.get("condition", wanted)
            if row.outcome is None and unknown:
                row.refuse("unknown_attribute", f"attribute {unknown[0]!r} is not a column of {policy.id}", field=unknown[0])
            elif row.outcome is None and any(bad):
                row.refuse("bad_attribute", next(text for text in bad if text))
            elif row.outcome is None and condition != wanted:
                row.refuse(
                    "condition_conflict",
                    f"condition is {condition!r}; entry channel {row.given.entry_channel} is for {wanted} vehicles",
                )
        going = [row for row in found if row.outcome is None]
        for scheme in ("payg", "fleet"):
            part = [row for row in going if (row.account.scheme if row.account is not None else "payg") == scheme]
            answers = assessing.assess(policy, [attributes(row.given) for row in part], work.today, scheme)
            for row, answer in zip(part, answers, strict=True):
                row.answer = answer
                row.excluded = answer.status == "excluded"
                if answer.status == "refused":
                    row.refuse("bad_attribute", answer.reason)
        free_from = law.known_day("excluded_without_account_from", work.today)
        for row in found:
            if row.trouble is not None and not (row.excluded and free_from is not None and work.today >= free_from):
                row.outcome = row.trouble
            elif row.answer is not None and row.answer.reason == assessing.BEFORE:
                row.outcome = {"outcome": "not_subject", "reason": assessing.BEFORE}

    def _write_vehicles(self, work: Work, going: list[_Row]) -> list[int]:
        """Vehicles, identifiers and a version of each row; gives the versions' numbers."""
        new = [row for row in going if row.vehicle is None]
        for row, number in zip(new, _numbers("vehicles_vehicle", len(new)), strict=True):
            row.vehicle = number
        rows.insert("vehicles_vehicle", ("id", "public_id"), [(row.vehicle, work.id("veh")) for row in new])
        known = _vehicles_of([key for row in going for key in row.keys])
        fresh = [(kind, value, row.vehicle) for row in going for kind, value in row.keys if (kind, value) not in known]
        rows.insert("vehicles_identifier", ("kind", "value", "vehicle_id"), fresh)
        versions = _numbers("vehicles_version", len(going))
        rows.insert(
            "vehicles_version",
            ("id", "vehicle_id", "number", "attributes", "source", "operation_id"),
            [
                (version, row.vehicle, row.number, canonical(attributes(row.given)), self.source, work.number)
                for version, row in zip(versions, going, strict=True)
            ],
        )
        return versions

    def _write_claims(self, work: Work, going: list[_Row], versions: list[int]) -> None:
        confirmed, stamp = law.confirmed(), law.stamp(work.today)
        claims = []
        for version, row in zip(versions, going, strict=True):
            assert row.answer is not None
            ready = row.given.ready_on is not None and self.source in CERTIFYING
            preview = preview_of(row.answer, confirmed, work.today, stamp, row.claim)
            if row.excluded:
                self._take_off(work, row, version)
            elif row.claim is not None:
                self._update(work, row, version, preview, ready)
            else:
                assert row.account is not None
                state = "ready" if ready else CLAIM.first
                public_id = work.id("clm")
                begun = (public_id, row.vehicle, row.account.pk, version, row.given.entry_channel, state, work.today)
                own = (row.given.ready_on if ready else None, row.given.own_reference, row.given.client)
                claims.append((*begun, *own, *preview.values()))
                row.outcome = {"outcome": "held" if preview["missing"] else state, "claim": public_id}
                if preview["missing"]:
                    row.outcome["missing"] = preview["missing"]
        columns = ("public_id", "vehicle_id", "account_id", "version_id", "entry_channel", "state", "entered_on", "ready_on")
        rows.insert("vehicles_claim", (*columns, "own_reference", "client", *PREVIEW), claims)

    def _take_off(self, work: Work, row: _Row, version: int) -> None:
        """The vehicle is not subject: no account needs it, and where it waits on one it ends there."""
        assert row.answer is not None
        row.outcome = {"outcome": "not_subject", "reason": row.answer.reason}
        if row.claim is not None:
            row.claim.version_id = version
            exclude(work, row.claim)
            row.outcome["claim"] = row.claim.public_id

    def _update(self, work: Work, row: _Row, version: int, preview: Mapping[str, Any], ready: bool) -> None:
        claim = row.claim
        assert claim is not None
        claim.version_id = version
        for name, value in preview.items():
            setattr(claim, name, value)
        if claim.state == "disputed":
            claim.state = CLAIM.go(claim.state, "correct", {"system"})
            _answer_dispute(claim, "correct", {"system"}, work)
        elif claim.state == "entered" and ready:
            claim.state = CLAIM.go(claim.state, "make_ready", {"system"})
        if ready:
            claim.ready_on = row.given.ready_on
        claim.own_reference = row.given.own_reference or claim.own_reference
        claim.client = row.given.client or claim.client
        claim.save()
        outcome = "held" if claim.missing else "updated"
        row.outcome = {"outcome": outcome, "claim": claim.public_id, "state": claim.state}
        if claim.missing:
            row.outcome["missing"] = claim.missing


#: The columns of a claim that show the law's answer.
PREVIEW = (
    "missing", "preview_on", "preview_difference", "preview_credit_g", "preview_charge_g", "preview_stamp", "held_since",
)  # fmt: skip


def preview_of(
    answer: assessing.Answer, confirmed: set[str], on: dt.date, stamp: str, claim: Claim | None = None
) -> dict[str, Any]:
    """What a claim shows of the law's answer of a day, column by column of :data:`PREVIEW`."""
    missing = answer.held(confirmed)[:500]
    before = claim.held_since if claim is not None else None
    figures = (answer.difference, answer.credit_g, answer.charge_g)
    return dict(zip(PREVIEW, (missing, on, *figures, stamp, (before or on) if missing else None), strict=True))


def exclude(work: Work, claim: Claim) -> None:
    """End the claim of a vehicle that the law excludes; a dispute about it is answered by that."""
    disputed = claim.state == "disputed"
    claim.state = CLAIM.go(claim.state, "exclude", {"system"})
    claim.ended_on = work.today
    claim.missing, claim.held_since = "", None
    claim.save()
    if disputed:
        _answer_dispute(claim, "correct", {"system"}, work)


def attributes(given: VehicleRow) -> dict[str, Any]:
    """What is kept of a row: its attributes, with the condition that its entry channel states."""
    return {**given.attributes, "condition": "used" if given.entry_channel == "used" else "new"}


def _numbers(table: str, count: int) -> list[int]:
    return rows.numbers(table, "id", count) if count else []


def _vehicles_of(keys: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """(kind, value) -> vehicle, for identifiers that are known already."""
    found: dict[tuple[str, str], int] = {}
    values = [value for _, value in keys]
    wanted = set(keys)
    for start in range(0, len(values), 10_000):
        part = Identifier.objects.filter(value__in=values[start : start + 10_000]).values_list("kind", "value", "vehicle_id")
        found |= {(kind, value): vehicle for kind, value, vehicle in part if (kind, value) in wanted}
    return found


def _answer_dispute(claim: Claim, action: str, held: set[str], work: Work) -> None:
    dispute = Dispute.objects.get(claim=claim, answered=None)
    dispute.state = DISPUTE.go(dispute.state, action, held)
    dispute.answered_id = work.number
    dispute.save(update_fields=["state", "answered"])


class OnClaim(Action):
    """What operations on one vehicle of an account share."""

    claim: str

    def find(self, work: Work, *, account: str | None = None) -> Claim:
        visible = permissions.visible_to(work.by)
        claim = Claim.objects.filter(public_id=self.claim, account__in=visible).select_related("account").first()
        if claim is None:
            raise NotVisible("not_found", f"there is no vehicle {self.claim!r} that you may see", field="claim")
        work.lock(claim.account_id)
        claim.refresh_from_db()
        return claim

    def step(self, work: Work, claim: Claim, action: str) -> set[str]:
        """Take the claim where the action leads; a suspended account's vehicles stay as they are for its holder."""
        held = permissions.permissions(work.by, claim.account)
        if claim.account.state != "open" and not any(p.startswith("agency:") for p in held):
            raise Conflict("account_not_open", f"account {claim.account.number} is {claim.account.state}")
        claim.state = CLAIM.go(claim.state, action, held)
        if claim.state in ENDED:
            claim.ended_on = work.today
        claim.save()
        return held


class RejectVehicle(OnClaim):
    """Send back a vehicle that doesn't belong on the account; another account may then claim it."""

    def run(self, work: Work) -> dict[str, Any]:
        claim = self.find(work)
        self.step(work, claim, "reject")
        return {"claim": claim.public_id, "state": claim.state}


class DisputeVehicle(OnClaim):
    """Say what is wrong with a vehicle's details: it waits until the certifier or the register corrects them, or the agency decides."""

    reason: Literal["not_mine", "wrong_details", "wrong_co2", "wrong_weight", "wrong_class"]
    explanation: Annotated[Private | None, pydantic.Field(max_length=2000)] = None

    def run(self, work: Work) -> dict[str, Any]:
        claim = self.find(work)
        self.step(work, claim, "dispute")
        dispute = Dispute.objects.create(
            public_id=work.id("dsp"),
            claim=claim,
            reason=self.reason,
            state=DISPUTE.first,
            with_whom="agency"
            if self.reason == "not_mine"
            else "certifier"
            if claim.entry_channel == "used"
            else "register",
            raised_on=work.today,
            answer_by=work.today + dt.timedelta(days=ANSWER_DAYS),
            raised_id=work.number,
        )
        return {
            "claim": claim.public_id,
            "dispute": dispute.public_id,
            "with": dispute.with_whom,
            "answer_by": str(dispute.answer_by),
        }


class DecideDispute(OnClaim):
    """The agency's decision: the details stand and the vehicle is ready again, or it is taken off the account."""

    details_stand: bool
    grounds: Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]

    def run(self, work: Work) -> dict[str, Any]:
        claim = self.find(work)
        action = "uphold" if self.details_stand else "give_in"
        held = self.step(work, claim, action)
        _answer_dispute(claim, action, held, work)
        return {"claim": claim.public_id, "state": claim.state}


class ReallocateVehicle(OnClaim):
    """Move a vehicle that isn't accepted yet to another account, which has to accept it itself."""

    to_account: str

    def run(self, work: Work) -> dict[str, Any]:
        claim = self.find(work)
        target = Account.objects.filter(number=self.to_account.upper()).first()
        if target is None:
            raise NotVisible("not_found", f"there is no account {self.to_account!r}", field="to_account")
        if target.pk == claim.account_id:
            raise Invalid("same_account", f"the vehicle is on account {target.number} already", field="to_account")
        work.lock(target.pk)
        target.refresh_from_db()
        if target.state != "open":
            raise Conflict(
                "account_not_open", f"account {target.number} is {target.state} and takes no vehicle", field="to_account"
            )
        if target.condition != claim.account.condition:
            raise Invalid("wrong_account", f"account {target.number} is for {target.condition} vehicles", field="to_account")
        disputed = claim.state == "disputed"
        held = self.step(work, claim, "reallocate")
        if disputed:
            _answer_dispute(claim, "give_in", held, work)
        moved = Claim.objects.get(pk=claim.pk)
        moved.pk, moved.public_id, moved.account, moved.ended_on = None, work.id("clm"), target, None
        moved.state, moved.entered_on = ("ready" if moved.ready_on else CLAIM.first), work.today
        moved.own_reference = moved.client = ""
        moved.save()
        return {"claim": moved.public_id, "from_claim": claim.public_id, "account": target.number, "state": moved.state}


@hold_open
def _open_vehicles(account: Account) -> str | None:
    waiting = Claim.objects.filter(account=account, ended_on=None).exclude(state="accepted").count()
    return f"{waiting} vehicles wait on it" if waiting else None


def vehicle_of(claim: Claim) -> Vehicle:
    return Vehicle.objects.get(pk=claim.vehicle_id)
