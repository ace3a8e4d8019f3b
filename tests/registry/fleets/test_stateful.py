"""Random years of one importer against a model of its own: after every step the book has what the model says.

The law is flat (108 g/km, whatever a car weighs), all cars are of type A with whole grams; the model knows s 177 and the order in
which things are met and taken back, and nothing of the code.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.fleets.models import Determination, Share
from cleanfleet.registry.fleets.operations import (
    CorrectFleetVehicle,
    DetermineFleetYear,
    SettleFleetYear,
    SubmitFleetYear,
    WithdrawFleetVehicle,
)
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.refusals import Conflict, Short
from cleanfleet.registry.transfers.operations import AcceptTransfer, OfferTransfer
from registry import databases
from registry.people import account, car, do, person, verify

from .scenes import accept, approved, give, play

TARGET = 108
RATE = {"new": 1500, "used": 750}
CONDITIONS = st.sampled_from(["new", "used"])
OVER = st.integers(-108, 400)
GRAMS = st.integers(1, 500)


class Side:
    """One account in the model: two lots (given ones of 2025, the year's of 2026), what is charged, and how it was met, in order."""

    def __init__(self) -> None:
        self.lots = {2025: 0, 2026: 0}
        self.reserved: list[tuple[int, int]] = []
        self.issued = self.charge = self.away = 0
        #: (kind, lot or None, grams), the last met last.
        self.met: list[tuple[str, int | None, int]] = []
        self.refund = 0

    @property
    def outstanding(self) -> int:
        return self.charge - sum(grams for _, _, grams in self.met)

    def free(self) -> int:
        return sum(self.lots.values())

    def take(self, grams: int) -> list[tuple[int, int]]:
        """The oldest first."""
        taken = []
        for lot in (2025, 2026):
            part = min(grams, self.lots[lot])
            if part:
                self.lots[lot] -= part
                taken.append((lot, part))
                grams -= part
        assert not grams
        return taken

    def post(self, change: int, rate: int) -> None:
        if change > 0:
            relieved = min(change, self.charge)
            self.relieve(relieved, rate)
            self.issued += change - relieved
            self.lots[2026] += change - relieved
        else:
            back = min(-change, self.issued, self.lots[2026])
            self.lots[2026] -= back
            self.issued -= back
            self.charge += -change - back

    def relieve(self, grams: int, rate: int) -> None:
        left = grams - min(grams, self.outstanding)
        self.charge -= grams
        while left:
            kind, lot, there = self.met.pop()
            part = min(left, there)
            left -= part
            if kind == "credits":
                assert lot is not None
                self.lots[lot] += part
            elif kind == "money":
                self.refund += part * rate
            if part < there:
                self.met.append((kind, lot, there - part))

    def book(self, condition: str) -> dict[tuple[str, str], int]:
        due = sum(grams for kind, _, grams in self.met if kind == "due") * RATE[condition]
        found = {
            ("held", f"credit:{condition}"): self.free(),
            ("reserved", f"credit:{condition}"): sum(grams for _, grams in self.reserved),
            ("owed", f"charge:{condition}:A:2026:fleet"): self.outstanding,
            ("payable", "NZD"): due,
            ("refund_due", "NZD"): self.refund,
        }
        return {place: amount for place, amount in found.items() if amount}


class FleetLife(RuleBasedStateMachine):
    vendor = "sqlite"

    @initialize()
    def begin(self) -> None:
        self.stack = contextlib.ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.stack.enter_context(databases.fresh(self.vendor, folder))
        self.one = approved()
        with clock.at("2026-06-01"):
            self.ben = person("Ben")
            self.theirs = {c: account(self.ben, c) for c in RATE}
        verify(self.one.used, *self.theirs.values())
        self.cars: dict[str, tuple[str, int]] = {}
        self.sides = {c: Side() for c in RATE}
        self.day, self.determined = "2026-06-01", False

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            assert audit.run() == []
            assert replay.run() == []
            self.stack.close()

    # -- the model's law

    def signed(self) -> dict[str, int]:
        net, number = -sum(over for _, over in self.cars.values()), len(self.cars)
        if not number:
            return dict.fromkeys(RATE, 0)
        counts = {c: sum(1 for condition, _ in self.cars.values() if condition == c) for c in RATE}
        return {c: (1 if net >= 0 else -1) * (abs(net) * counts[c] // number) for c in RATE}

    def follow(self) -> None:
        """What a change of the cars does."""
        for c, signed in self.signed().items():
            side = self.sides[c]
            if self.determined:
                side.post(signed - (side.issued - side.charge), RATE[c])
            elif side.reserved:
                self.adjust(side, max(0, -signed))

    @staticmethod
    def adjust(side: Side, charge: int) -> None:
        before = sum(grams for _, grams in side.reserved)
        over = before - charge
        while over > 0:
            lot, grams = side.reserved.pop()
            part = min(over, grams)
            side.lots[lot] += part
            over -= part
            if part < grams:
                side.reserved.append((lot, grams - part))
        if before < charge and side.free() >= charge - before:
            side.reserved += side.take(charge - before)

    def on(self, condition: str) -> Account:
        return self.one.new if condition == "new" else self.one.used

    # -- what can happen

    @precondition(lambda self: self.day == "2026-06-01")
    @rule(condition=CONDITIONS, over=st.lists(OVER, min_size=1, max_size=4))
    def accept_cars(self, condition: str, over: list[int]) -> None:
        with clock.at(self.day):
            to = self.on(condition)
            claims = accept(self.one, to, *(car(to, co2=TARGET + grams) for grams in over))
        self.cars |= {claim: (condition, grams) for claim, grams in zip(claims, over, strict=True)}

    @rule(condition=CONDITIONS, grams=GRAMS)
    def give_credits(self, condition: str, grams: int) -> None:
        with clock.at(self.day):
            give(self.on(condition), grams, 2025)
        self.sides[condition].lots[2025] += grams

    @precondition(lambda self: self.day == "2026-06-01" and self.cars)
    @rule()
    def the_year_ends(self) -> None:
        self.day = "2027-02-02"

    @precondition(lambda self: self.day == "2027-02-02" and not self.determined)
    @rule(condition=CONDITIONS)
    def submit(self, condition: str) -> None:
        side = self.sides[condition]
        if condition not in {c for c, _ in self.cars.values()}:
            return
        charge = max(0, -self.signed()[condition])
        asked = SubmitFleetYear(account=self.on(condition).public_id, year=2026, vehicle_type="A")
        there = side.free() + sum(grams for _, grams in side.reserved)
        with clock.at(self.day), pytest.raises(Short) if charge > there else contextlib.nullcontext():
            do(asked, self.one.owner)
        if charge <= there:
            for lot, grams in side.reserved:
                side.lots[lot] += grams
            side.reserved = side.take(charge)

    @precondition(lambda self: self.day == "2027-02-02" and not self.determined)
    @rule()
    def determine(self) -> None:
        asked = DetermineFleetYear(account=self.one.new.public_id, year=2026)
        with clock.at(self.day), contextlib.nullcontext() if self.cars else pytest.raises(Conflict):
            do(asked, self.one.case)
        if self.cars:
            self.determined = True
            for c, signed in self.signed().items():
                side = self.sides[c]
                side.post(signed, RATE[c])
                for lot, grams in side.reserved:
                    use = min(grams, side.outstanding)
                    if use:
                        side.met.append(("credits", lot, use))
                    side.lots[lot] += grams - use
                side.reserved = []

    @precondition(lambda self: self.determined and self.day == "2027-02-02")
    @rule(condition=CONDITIONS, credits_g=st.integers(0, 300), money_g=st.integers(0, 300), outcome=st.booleans())
    def settle(self, condition: str, credits_g: int, money_g: int, outcome: bool) -> None:
        side = self.sides[condition]
        credits_g, money_g = min(credits_g, side.free(), side.outstanding), min(money_g, side.outstanding)
        money_g = min(money_g, side.outstanding - credits_g)
        if not credits_g + money_g:
            return
        given = {"credits_g": credits_g, "money_g": money_g, "year": 2026, "vehicle_type": "A"}
        with clock.at(self.day):
            answer = do(SettleFleetYear(account=self.on(condition).public_id, **given), self.one.owner)
            if money_g:
                play(answer["payment"], "succeeded" if outcome else "declined")
        if money_g and not outcome:
            return
        side.met += [("credits", lot, grams) for lot, grams in side.take(credits_g)] if credits_g else []
        side.met += [("money", None, money_g)] if money_g else []

    @precondition(lambda self: bool(self.cars))
    @rule(data=st.data(), over=OVER)
    def correct(self, data: st.DataObject, over: int) -> None:
        claim = data.draw(st.sampled_from(sorted(self.cars)))
        condition, before = self.cars[claim]
        if over != before:
            given = {"co2_g_per_km": str(TARGET + over)}
            asked = CorrectFleetVehicle(claim=claim, reason="wrong_data", grounds="x", attributes=given)
            with clock.at(self.day):
                do(asked, self.one.case)
            self.cars[claim] = (condition, over)
            self.follow()

    @precondition(lambda self: len(self.cars) > 1)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(sorted(self.cars)))
        with clock.at(self.day):
            do(WithdrawFleetVehicle(claim=claim, reason="wrong_data", grounds="x"), self.one.case)
        del self.cars[claim]
        self.follow()

    @rule(condition=CONDITIONS, grams=GRAMS)
    def give_away(self, condition: str, grams: int) -> None:
        side, to = self.sides[condition], self.theirs[condition]
        book_ = side.book(condition)
        owes = any(kind in ("owed", "payable") for kind, _ in book_)
        asked = OfferTransfer(account=self.on(condition).public_id, to_account=to.number, grams=grams)
        refused = Conflict if owes else Short if grams > side.free() else None
        with clock.at(self.day), pytest.raises(refused) if refused else contextlib.nullcontext():
            made = do(asked, self.one.owner)["offer"]
            do(AcceptTransfer(offer=made), self.ben)
        if refused is None:
            side.take(grams)
            side.away += grams

    @precondition(lambda self: self.determined and self.day == "2027-02-02")
    @rule(paid=st.booleans())
    def the_last_day_passes(self, paid: bool) -> None:
        self.day = "2027-04-01"
        with clock.at(self.day):
            daily.run()
            for share in list(Share.objects.filter(state="collecting")):
                payment = share.settlements.get(state="collecting").payment
                assert payment is not None
                play(payment.public_id, "succeeded" if paid else "declined")
        for side in self.sides.values():
            if side.outstanding:
                side.met.append(("money" if paid else "due", None, side.outstanding))

    # -- what always holds

    @invariant()
    def the_book_has_what_the_model_says(self) -> None:
        if not hasattr(self, "sides"):
            return
        for c, side in self.sides.items():
            assert book.balances(self.on(c).pk) == side.book(c)
            assert book.balances(self.theirs[c].pk) == ({("held", f"credit:{c}"): side.away} if side.away else {})

    @invariant()
    def the_sum_over_vehicles_is_the_determination(self) -> None:
        if not getattr(self, "determined", False):
            return
        last = Determination.objects.order_by("-number")[0]
        assert last.net == -10_000 * sum(over for _, over in self.cars.values())
        assert last.counted.count() == len(self.cars)
        signed = {"new": last.credit_new_g - last.charge_new_g, "used": last.credit_used_g - last.charge_used_g}
        assert signed == self.signed()
        for share in Share.objects.select_related("account"):
            assert share.issued_g - share.charge_g == signed[share.account.condition]
            settled = not share.outstanding_g and not share.payable_cents
            assert (share.state == "settled") == settled

    @invariant()
    def nothing_is_created_or_lost_on_the_way(self) -> None:
        if not hasattr(self, "sides"):
            return
        from django.db.models import Sum

        from cleanfleet.registry.ledger.models import Balance, Movement

        def total(unit: str, side: str, *kinds: str) -> int:
            found = Movement.objects.filter(**{f"{side}__owner": None, f"{side}__kind__in": kinds, "unit__code": unit})
            return int(found.aggregate(n=Sum("amount"))["n"] or 0)

        for c, unit in itertools.product(RATE, ("credit:{}", "charge:{}:A:2026:fleet")):
            code = unit.format(c)
            standing = Balance.objects.filter(bucket__unit__code=code).aggregate(n=Sum("amount"))["n"] or 0
            ends = ("used", "expired", "cancelled", "exchange", "met_by_credits", "met_by_money")
            gone = total(code, "target", *ends) - total(code, "source", *ends)
            assert total(code, "source", "issued", "assessed") == int(standing) + gone


def _run(vendor: str, examples: int, steps: int) -> None:
    from django.conf import settings as django

    if vendor == "postgresql" and databases.server() is None:
        pytest.skip("no PostgreSQL server: set CLEANFLEET_TEST_PG or install one")
    with pytest.MonkeyPatch.context() as demo:
        demo.setitem(django.OPTIONS, "CLEANFLEET_DEMO", True)
        demo.setitem(django.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))
        run_state_machine_as_test(
            type(f"FleetLife_{vendor}", (FleetLife,), {"vendor": vendor}),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_random_fleet_years(vendor: str) -> None:
    _run(vendor, 3, 15)


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_many_random_fleet_years(vendor: str) -> None:
    _run(vendor, 60, 30)
