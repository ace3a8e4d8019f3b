"""Accepting vehicles: one, many, all that are ready, or by themselves.

Grams of charge: assessed -> owed -> met_by_credits or met_by_money. Grams of credit: issued -> held. Fleet average: the vehicle goes to
the year's fleet, and nothing moves until the year is determined.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

import pydantic

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import OnAccount
from cleanfleet.registry.ledger import rows
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible, Refusal
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles import assessing
from cleanfleet.registry.vehicles.assessing import Answer
from cleanfleet.registry.vehicles.models import Claim
from cleanfleet.registry.vehicles.operations import MOST
from cleanfleet.registry.vehicles.states import CLAIM

from . import spending
from .clearing import clearance as clearance
from .models import Acceptance, Line
from .states import ACCEPTANCE

Grams = Annotated[int, pydantic.Field(ge=0, le=10**12, strict=True)]
Vintage = Annotated[int, pydantic.Field(ge=2023, le=2100, strict=True)]


def charge_unit(condition: str, vehicle_type: str, on: dt.date) -> str:
    """The unit of grams owed: by pool, type and obligation year."""
    return f"charge:{condition}:{vehicle_type}:{on.year}"


class AcceptVehicles(OnAccount):
    """Accept vehicles of one account, up to 5,000 at once; each is accepted, waits for the payment, or is refused with a reason.

    Pay as you go: ``credits_g`` grams of the charges are met by credits (oldest first, or of the ``vintages`` named), the rest in
    money; the law and the rates are those of today, and hold for half an hour where a payment is to come. One payment covers all
    vehicles of the call: until it has come they wait and the credits are reserved; if it doesn't come none is accepted.
    """

    vehicles: Annotated[list[str], pydantic.Field(min_length=1, max_length=MOST)]
    credits_g: Grams = 0
    vintages: list[Vintage] = pydantic.Field(default_factory=list)
    provider: str = "local"

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        held = permissions.require(work.by, account, "accept_vehicles")
        must_be_open(account)
        if len(set(self.vehicles)) < len(self.vehicles):
            raise Invalid("repeated", "vehicles names one vehicle twice", field="vehicles")
        found = {
            c.public_id: c
            for c in Claim.objects.filter(account=account, public_id__in=self.vehicles).select_related("version")
        }
        return accept(
            work, account, held, [(v, found.get(v)) for v in self.vehicles], self.credits_g, self.vintages, self.provider
        )


def accept(
    work: Work,
    account: Account,
    held: set[str],
    vehicles: Sequence[tuple[str, Claim | None]],
    credits_g: int,
    vintages: Sequence[int],
    provider: str,
) -> dict[str, Any]:
    """Accept what of the vehicles can be accepted, in one go; the answer has a row for each. Claims come with their version."""
    outcomes: dict[str, dict[str, Any]] = {}
    going = []
    for public_id, claim in vehicles:
        try:
            if claim is None:
                raise NotVisible("not_found", f"account {account.number} has no vehicle {public_id!r}")
            CLAIM.go(claim.state, "accept", held)
            going.append(claim)
        except Refusal as refusal:
            outcomes[public_id] = refused(refusal)
    kept = _acceptable(going, ask(work, account, going), outcomes)
    if not kept:
        return {"rows": [{"vehicle": v, **outcomes[v]} for v, _ in vehicles], "acceptance": None}
    acceptance = Accepting(work, account, kept, credits_g, vintages, provider).run()
    for claim, answer in kept:
        outcomes[claim.public_id] = told(acceptance, answer)
    return {"rows": [{"vehicle": v, **outcomes[v]} for v, _ in vehicles], **summary(acceptance)}


class AutoAccept(OnAccount):
    """The register's own acceptance, for accounts that asked for it: what lies at or below its target (decided on the unrounded
    difference), and for fleet average what lies above it where that is switched on too. Up to 5,000 vehicles at once."""

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require_role(work.by, permissions.SYSTEM)
        must_be_open(account)
        if not account.auto_accept_below and not account.auto_accept_above:
            raise Conflict("auto_accept_off", f"account {account.number} accepts no vehicle by itself")
        ready = Claim.objects.filter(account=account, state="ready", missing="")
        if not account.auto_accept_above:
            ready = ready.filter(preview_difference__gte=0)
        if not account.auto_accept_below:
            ready = ready.filter(preview_difference__lt=0)
        going = list(ready.order_by("pk").select_related("version")[:MOST])
        outcomes: dict[str, dict[str, Any]] = {}
        kept = [
            (claim, answer)
            for claim, answer in _acceptable(going, ask(work, account, going), outcomes)
            if (account.auto_accept_below if (answer.difference or 0) >= 0 else account.auto_accept_above)
        ]
        if not kept:
            return {"accepted": 0, "acceptance": None, "refused": len(outcomes)}
        acceptance = Accepting(work, account, kept, 0, [], "", automatic=True).run()
        return {"accepted": len(kept), "refused": len(outcomes), **summary(acceptance)}


class ReleaseAcceptance(OnAccount):
    """Give up an acceptance that waits for its payment: the credits are free and the vehicles ready again."""

    acceptance: str

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        held = permissions.require(work.by, account, "accept_vehicles", permissions.SYSTEM)
        acceptance = Acceptance.objects.filter(account=account, public_id=self.acceptance).first()
        if acceptance is None:
            raise NotVisible(
                "not_found", f"account {account.number} has no acceptance {self.acceptance!r}", field="acceptance"
            )
        release(work, acceptance, held)
        if acceptance.payment is not None and acceptance.payment.state in ("created", "started"):
            acceptance.payment.state = "timed_out"
            acceptance.payment.save(update_fields=["state"])
        return summary(acceptance)


def must_be_open(account: Account) -> None:
    if account.state != "open":
        raise Conflict(
            "account_not_open", f"account {account.number} is {account.state} and accepts no vehicle", state=account.state
        )


def ask(work: Work, account: Account, claims: Sequence[Claim]) -> list[Answer]:
    """Today's law on the claims, as they are known now."""
    policy = law.policy(work.today)
    found = assessing.assess(
        policy, assessing.read(claim.version.attributes for claim in claims), work.today, account.scheme
    )
    if claims:
        work.law(policy)
    return found


def _acceptable(
    claims: Sequence[Claim], answers: Sequence[Answer], outcomes: dict[str, dict[str, Any]]
) -> list[tuple[Claim, Answer]]:
    """Those that the law determines, on values that may be charged on; the others get their outcome."""
    confirmed = law.confirmed()
    kept = []
    for claim, answer in zip(claims, answers, strict=True):
        missing = answer.held(confirmed)
        if missing:
            outcomes[claim.public_id] = {"outcome": "refused", "code": "not_determined", "message": f"held: {missing}"}
        else:
            kept.append((claim, answer))
    return kept


def refused(refusal: Refusal) -> dict[str, Any]:
    return {"outcome": "refused", "code": refusal.code, "message": refusal.message}


def told(acceptance: Acceptance, answer: Answer) -> dict[str, Any]:
    """The outcome of one vehicle; with the reason where nothing accrues."""
    found = {"outcome": acceptance.state, "credit_g": answer.credit_g, "charge_g": answer.charge_g}
    return {**found, "reason": answer.reason} if answer.reason else found


def summary(acceptance: Acceptance) -> dict[str, Any]:
    payment = acceptance.payment
    return {
        "acceptance": acceptance.public_id,
        "state": acceptance.state,
        "on": str(acceptance.on),
        "credit_g": acceptance.credit_g,
        "charge_g": acceptance.charge_g,
        "offset_g": acceptance.offset_g,
        "money_cents": acceptance.money_cents,
        "payment": None if payment is None else payment.public_id,
        "expires_at": None if payment is None else payment.expires_at.isoformat(),
    }


class Accepting:
    """One acceptance on its way: how its charges are met, and what is written."""

    def __init__(
        self,
        work: Work,
        account: Account,
        kept: Sequence[tuple[Claim, Answer]],
        credits_g: int,
        vintages: Sequence[int],
        provider: str,
        *,
        automatic: bool = False,
    ) -> None:
        self.work, self.account, self.kept, self.automatic = work, account, kept, automatic
        self.provider, self.vintages = provider, vintages
        self.payg = account.scheme == "payg"
        self.charge_g = sum(answer.charge_g or 0 for _, answer in kept)
        if credits_g > (self.charge_g if self.payg else 0):
            raise Invalid(
                "credits_g",
                f"credits_g is {credits_g}; the charges come to {self.charge_g if self.payg else 0} g",
                field="credits_g",
            )
        self.offset_g = credits_g
        #: In the phase-in of 2023 a charge vehicle was accepted unpaid, and nothing could be offset.
        self.unpaid = self.payg and work.today < law.day("payment_at_acceptance_starts_on", work.today)
        if self.unpaid and credits_g:
            raise Conflict("phase_in", "charges of the phase-in can't be offset before 1 June 2023", field="credits_g")

    def run(self) -> Acceptance:
        work, account = self.work, self.account
        takes = spending.plan(account, self.offset_g, work.today, vintages=self.vintages).takes if self.offset_g else ()
        lines = self._lines()
        money = sum(line[2] for line in lines) if self.payg and not self.unpaid else 0
        waits = money > 0
        acceptance = Acceptance.objects.create(
            public_id=work.id("acp"),
            account=account,
            state="waiting" if waits else "accepted",
            scheme=account.scheme,
            on=work.today,
            credit_g=sum(answer.credit_g or 0 for _, answer in self.kept) if self.payg else 0,
            charge_g=self.charge_g if self.payg else 0,
            offset_g=self.offset_g,
            money_cents=money,
            automatic=self.automatic,
            begun_id=work.number,
            ended_id=None if waits else work.number,
        )
        results = self._results()
        columns = ("acceptance_id", "claim_id", "result_id", "offset_g", "money_g", "money_cents")
        rows.insert(
            "acceptance_line",
            columns,
            [(acceptance.pk, c.pk, r, *line) for (c, _), r, line in zip(self.kept, results, lines, strict=True)],
        )
        if waits:
            spending.take(work, account, takes, "held", "reserved", subject=acceptance.pk, about="acceptance")
            _set_state([claim for claim, _ in self.kept], "pending")
            acceptance.payment = payments.create(
                work, account, money, "acceptance", acceptance.pk, self.provider, law_reference=_charged_under(acceptance)
            )
            acceptance.save(update_fields=["payment"])
            return acceptance
        spending.take(work, account, takes, "held", "used", subject=acceptance.pk, about="acceptance")
        if self.payg:
            _post(work, account, acceptance, unpaid=self.unpaid)
        _set_state([claim for claim, _ in self.kept], "accepted")
        return acceptance

    def _lines(self) -> list[tuple[int, int, int]]:
        """For each vehicle: grams met by credits, grams met by money, cents; credits go to the vehicles in their order.

        Of the phase-in none are met: they are owed.
        """
        left = self.offset_g
        found = []
        for _, answer in self.kept:
            charge, cents = (answer.charge_g or 0, answer.charge_cents or 0) if self.payg else (0, 0)
            offset = min(left, charge)
            left -= offset
            if charge and cents % charge:
                raise ArithmeticError(f"a charge of {cents} cents for {charge} g is no whole number of cents for each gram")
            paid = 0 if self.unpaid else charge - offset
            found.append((offset, paid, paid * (cents // charge if charge else 0)))
        return found

    def _results(self) -> list[int]:
        work = self.work
        policy = law.policy(work.today)
        numbers = rows.numbers("vehicles_result", "id", len(self.kept))
        head = ("id", "claim_id", "version_id", "operation_id", "on", "known", "law_id")
        figures = ("vehicle_type", "flags", "co2", "target", "difference", "credit_g", "charge_g", "charge_cents")
        found = []
        for number, (claim, answer) in zip(numbers, self.kept, strict=True):
            asked = (number, claim.pk, claim.version_id, work.number, work.today, policy.known, policy.digest)
            told_ = answer._replace(vehicle_type=answer.vehicle_type or "")
            found.append((*asked, *(getattr(told_, name) for name in figures)))
        rows.insert("vehicles_result", (*head, *figures), found)
        return numbers


def _set_state(claims: Sequence[Claim], state: str) -> None:
    """Take claims to a state; what is accepted isn't held any more, whatever its preview said."""
    more: dict[str, Any] = {"missing": "", "held_since": None} if state == "accepted" else {}
    for start in range(0, len(claims), 500):
        Claim.objects.filter(pk__in=[claim.pk for claim in claims[start : start + 500]]).update(state=state, **more)


def _post(work: Work, account: Account, acceptance: Acceptance, *, unpaid: bool = False) -> None:
    """The movements of an accepted pay-as-you-go acceptance: what each vehicle earned, owed, and how that was met."""
    unit = spending.unit_of(account)
    found = Line.objects.filter(acceptance=acceptance).order_by("pk")
    for line in found.values_list(
        "result_id", "result__vehicle_type", "result__credit_g", "result__charge_g", "offset_g", "money_g"
    ):
        result, vehicle_type, credit, charge, offset, money = line
        if credit:
            lot = work.lot(unit, account.pk, acceptance.on.year, acceptance.on)
            work.move(
                unit,
                work.bucket(None, "issued", unit),
                work.bucket(account.pk, "held", unit),
                credit,
                lot=lot,
                subject=result,
            )
        if charge:
            owing = charge_unit(account.condition, vehicle_type, acceptance.on)
            owed = work.bucket(account.pk, "owed", owing)
            work.move(owing, work.bucket(None, "assessed", owing), owed, charge, subject=result)
            if offset:
                work.move(owing, owed, work.bucket(None, "met_by_credits", owing), offset, subject=result)
            if money and not unpaid:
                work.move(owing, owed, work.bucket(None, "met_by_money", owing), money, subject=result)


def _reserved(acceptance: Acceptance) -> list[tuple[int, int]]:
    """(lot, grams) that an acceptance reserved when it began."""
    return list(
        Movement.objects.filter(
            seal_id=acceptance.begun_id, target__kind="reserved", subject=acceptance.pk, about="acceptance"
        )
        .order_by("line")
        .values_list("lot_id", "amount")
    )


def _move_reserved(work: Work, acceptance: Acceptance, target: str) -> None:
    account = acceptance.account
    unit = spending.unit_of(account)
    to = work.bucket(None if target == "used" else account.pk, target, unit)
    for lot, amount in _reserved(acceptance):
        work.move(
            unit, work.bucket(account.pk, "reserved", unit), to, amount, lot=lot, subject=acceptance.pk, about="acceptance"
        )


def release(work: Work, acceptance: Acceptance, held: set[str]) -> None:
    """End a waiting acceptance without its vehicles; the account is locked."""
    acceptance.state = ACCEPTANCE.go(acceptance.state, "release", held)
    acceptance.ended_id = work.number
    acceptance.save(update_fields=["state", "ended"])
    _move_reserved(work, acceptance, "held")
    _set_state([line.claim for line in acceptance.lines.select_related("claim")], "ready")


@payments.handles("acceptance", "succeed")
def _paid(work: Work, payment: Payment) -> dict[str, Any]:
    """The money came in time: credits are used, charges met, vehicles accepted as of the day of the quote."""
    acceptance = Acceptance.objects.select_related("account__holder").get(pk=payment.subject)
    acceptance.state = ACCEPTANCE.go(acceptance.state, "complete", {"system"})
    acceptance.ended_id = work.number
    acceptance.save(update_fields=["state", "ended"])
    _move_reserved(work, acceptance, "used")
    payments.receive(work, payment)
    _post(work, acceptance.account, acceptance)
    _set_state([line.claim for line in acceptance.lines.select_related("claim")], "accepted")
    work.law(law.policy(acceptance.on))
    receipt = payments.issue_receipt(work, payment, _charged_under(acceptance))
    return {**summary(acceptance), "receipt": receipt.number}


def _charged_under(acceptance: Acceptance) -> str:
    """The references of the rate that the acceptance is charged at."""
    policy = law.policy(acceptance.on)
    rate = policy.value("charge_rate", on=acceptance.on, scheme="payg", condition=acceptance.account.condition)[1]
    return "; ".join(f"{r.title}, {r.section}" for r in (rate.references if rate else ()))[:200]


@payments.handles("acceptance", "decline")
@payments.handles("acceptance", "time_out")
def _not_paid(work: Work, payment: Payment) -> dict[str, Any]:
    """The money didn't come: nothing is accepted and the credits are free again."""
    acceptance = Acceptance.objects.select_related("account").get(pk=payment.subject)
    if acceptance.state == "waiting":
        release(work, acceptance, {"system"})
    return summary(acceptance)


@payments.handles("acceptance", "reverse")
def money_taken_back(work: Work, payment: Payment) -> dict[str, Any]:
    """The card holder's bank took the money back: the charge is owed again, in cents; the vehicles stay accepted."""
    owner = payment.account_id
    work.move(
        payments.MONEY,
        work.bucket(None, "revenue", payments.MONEY),
        work.bucket(None, "provider", payments.MONEY),
        payment.cents,
        subject=payment.pk,
        about="payment",
    )
    work.move(
        payments.MONEY,
        work.bucket(None, "paid", payments.MONEY),
        work.bucket(owner, "payable", payments.MONEY),
        payment.cents,
        subject=payment.pk,
        about="payment",
    )
    return {"owed_cents": payment.cents}
