"""The turn of a year: factors, conditions, rounding; a bank whose credits shrink when they are carried."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanfleet.credits import BadInput, Bank, BankRules, Carry, Dated, Lot, NotDetermined, NotPermitted, always, plan_carry

D = dt.date
#: Fuel credits x 0.8 (up to 2018) or 0.9 for three years; electric ones: 2019 at par for one year, 2020 x 0.5, 2021-22 x 0.5 on a
#: condition, 2018 and 2023 not known. Electric credits serve fuel deficits, never the other way; 2021's serve 2020 too.
RULES = BankRules(
    pools=("fuel", "electric"),
    life_years=(Dated(3), Dated(1, pools=("electric",), years=(2019, 2019))),
    life_basis=always("vintage_year"),
    accepts=(Dated(("fuel", "electric"), pools=("fuel",)),),
    vintages_allowed=always("up_to_year"),
    deferral_years=(Dated(1, pools=("electric",), years=(2020, 2020)),),
    carry=(
        Dated(Carry(F(8, 10)), pools=("fuel",), years=(None, 2018)),
        Dated(Carry(F(9, 10)), pools=("fuel",), years=(2019, None)),
        Dated(None, pools=("electric",), years=(2018, 2018), name="carry_2018"),
        Dated(Carry(F(1)), pools=("electric",), years=(2019, 2019)),
        Dated(Carry(F(1, 2)), pools=("electric",), years=(2020, 2020), marks=("doubtful:half",)),
        Dated(Carry(F(1, 2), ("frugal", "electric_only")), pools=("electric",), years=(2021, 2022)),
        Dated(None, pools=("electric",), years=(2023, None), name="carry_2023"),
    ),
)
NOW = D(2026, 1, 1)


def end(year: int) -> dt.date:
    return D(year, 12, 31)


def with_credits(pool: str, vintage: int, amount: int) -> Bank:
    return Bank(RULES).issue("X", pool, vintage, end(vintage), amount)


@pytest.mark.parametrize(
    ("pool", "vintage", "amount", "after"),
    [
        ("fuel", 2018, 1000, [800, 640, 512]),
        ("fuel", 2018, 999, [799, 639, 511]),  # 799.2, 639.36, 511.488: the exact balance is carried, not the rounded one
        ("fuel", 2019, 1005, [905, 814, 733]),  # 904.5, 814.05, 732.645
        ("electric", 2019, 77, [77]),
        ("electric", 2020, 1001, [501, 250, 125]),  # 500.5, 250.25, 125.125: from 501 it would be 251 and 126
        ("electric", 2020, 1, [1, 0, 0]),
    ],
)
def test_a_factor_at_each_carry(pool: str, vintage: int, amount: int, after: list[int]) -> None:
    bank = with_credits(pool, vintage, amount)
    for year, left in enumerate(after, vintage):
        bank = bank.carry(year, known=NOW)
        assert bank.free("X", pool) == left
        bank.check()
    bank = bank.carry(vintage + len(after), known=NOW)
    assert bank.free("X", pool) == 0
    assert all((e.source, e.target) == ("held", "expired") for e in bank.latest)
    assert [balance.difference for balance in bank.balances()] == [0, 0, 0, 0]


def test_what_is_written() -> None:
    bank = with_credits("electric", 2020, 1001).carry(2020, known=NOW)
    assert [(e.on, e.source, e.target, e.amount) for e in bank.latest] == [(D(2021, 1, 1), "held", "discounted", 500)]
    assert bank.marks == ("doubtful:half",)
    assert bank.lots[1].carried_through == 2020
    again = bank.carry(2020, known=NOW)
    assert (again.latest, again.free("X", "electric")) == ((), 501)


def test_the_part_spent_leaves_the_exact_rest() -> None:
    bank = with_credits("electric", 2020, 1001).carry(2020, known=NOW)
    bank = bank.spend("X", "electric", 100, on=end(2021), known=NOW).carry(2021, known=NOW)
    assert bank.free("X", "electric") == 200  # (500.5 - 100) / 2 = 200.25
    bank = bank.spend("X", "electric", 200, on=end(2022), known=NOW).carry(2022, known=NOW)
    assert bank.free("X", "electric") == 0


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        ({"frugal": True, "electric_only": False}, 50),
        ({"frugal": False, "electric_only": True}, 50),
        ({"frugal": None, "electric_only": True}, 50),
        ({"frugal": False, "electric_only": False}, 0),
    ],
)
def test_on_a_condition(facts: dict[str, bool | None], left: int) -> None:
    bank = with_credits("electric", 2021, 100).carry(2021, known=NOW, facts={"X": facts})
    assert bank.free("X", "electric") == left
    assert bank.latest[0].target == ("discounted" if left else "expired")


@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        (None, ("electric_only", "frugal")),
        ({"Y": {"frugal": True}}, ("electric_only", "frugal")),
        ({"X": {"frugal": None, "electric_only": False}}, ("frugal",)),
        ({"X": {"frugal": False}}, ("electric_only",)),
    ],
)
def test_a_condition_that_is_not_known(facts: dict[str, dict[str, bool | None]] | None, missing: tuple[str, ...]) -> None:
    with pytest.raises(NotDetermined, match="account X, pool electric, vintage 2021, end of 2021") as refused:
        with_credits("electric", 2021, 100).carry(2021, known=NOW, facts=facts)
    assert refused.value.missing == missing


@pytest.mark.parametrize(("vintage", "name"), [(2018, "carry_2018"), (2023, "carry_2023"), (2017, "carry")])
def test_a_rule_that_is_not_known(vintage: int, name: str) -> None:
    with pytest.raises(NotDetermined) as refused:
        with_credits("electric", vintage, 100).carry(vintage, known=NOW)
    assert refused.value.missing == (name,)
    assert with_credits("electric", vintage, 100).spend("X", "electric", 100, year=vintage, on=end(vintage), known=NOW)


def test_a_credit_serves_a_later_year_only_once_it_was_carried() -> None:
    bank = with_credits("electric", 2020, 100).owe("X", "electric", 2021, 40, on=end(2021))
    with pytest.raises(BadInput, match="lot 1: of vintage 2020 must be carried over the end of 2020 before it serves 2021"):
        bank.offset(2, on=end(2021), known=NOW)
    done = bank.carry(2020, known=NOW).offset(2, on=end(2021), known=NOW)
    assert (done.owed("X"), done.free("X", "electric")) == (0, 10)
    own = with_credits("electric", 2020, 100).owe("X", "electric", 2020, 40, on=end(2020)).offset(2, on=end(2020), known=NOW)
    assert own.free("X", "electric") == 60


def test_years_are_turned_in_order() -> None:
    with pytest.raises(BadInput, match="year 2021: lot 1 must be carried over the end of 2020 first"):
        with_credits("electric", 2020, 100).carry(2021, known=NOW)
    assert with_credits("electric", 2020, 100).carry(2019, known=NOW).free("X", "electric") == 100
    brought = Bank(RULES).issue("X", "electric", 2020, end(2020), 40, carried_through=2021)
    assert brought.carry(2022, known=NOW).free("X", "electric") == 20
    with pytest.raises(BadInput, match="has 5 reserved over the end of 2020"):
        with_credits("electric", 2020, 100).reserve("X", "electric", 5, on=end(2020), known=NOW).carry(2020, known=NOW)


def test_one_way_street_and_carry_back() -> None:
    bank = (
        with_credits("electric", 2021, 100)
        .owe("X", "fuel", 2021, 30, on=end(2021))
        .owe("X", "electric", 2020, 20, on=end(2021))
    )
    done = bank.settle("X", on=end(2021), known=NOW)
    assert (done.owed("X"), done.free("X", "electric")) == (0, 50)
    assert {(e.unit, e.target) for e in done.latest} == {
        ("credit:electric", "used"), ("obligation:electric", "offset"), ("obligation:fuel", "offset"),
    }  # fmt: skip
    other = Bank(RULES).issue("X", "fuel", 2021, end(2021), 100).owe("X", "electric", 2021, 30, on=end(2021))
    assert other.settle("X", on=end(2021), known=NOW).owed("X") == 30
    with pytest.raises(NotPermitted, match="credits of pool fuel can't settle an obligation of pool electric"):
        other.offset(2, on=end(2021), known=NOW, pools=["fuel"])
    late = Bank(RULES).issue("X", "electric", 2022, end(2022), 100).owe("X", "electric", 2020, 30, on=end(2021))
    assert late.settle("X", on=end(2022), known=NOW).owed("X") == 30, "2022 can't serve 2020"


def test_reversal_of_what_was_carried_at_a_factor() -> None:
    bank = with_credits("electric", 2020, 100).carry(2020, known=NOW)
    with pytest.raises(NotPermitted, match="lot 1 was carried at a factor; its year must be drawn up anew"):
        bank.reverse(1, 10, on=end(2021))


def test_without_rules_of_carrying_nothing_happens() -> None:
    bank = Bank(BankRules(pools=("a",))).issue("X", "a", 2020, end(2020), 7).carry(2020, known=NOW)
    assert (bank.latest, bank.lots[1].carried_through) == ((), None)


# -- one balance over several lots

HALF = BankRules(pools=("a",), carry=always(Carry(F(1, 2))))


def lots(*amounts: int, vintage: int = 2020) -> list[Lot]:
    return [Lot(i, "X", "a", vintage, D(vintage, 1, i), amount) for i, amount in enumerate(amounts, 1)]


def test_a_balance_is_rounded_once_and_shared_out_the_oldest_first() -> None:
    found = plan_carry(lots(1001, 1001), 2020, known=NOW, rules=HALF)
    assert [(one.kept, one.discounted, one.expired) for one in found.carried] == [(500, 501, 0), (501, 500, 0)]
    assert found.parts == {}
    odd = plan_carry(lots(3, 1, 1), 2020, known=NOW, rules=HALF)
    assert sum(one.kept for one in odd.carried) == 3  # 2.5, half up
    assert odd.parts == {("X", "a", 2020, ""): F(-1, 2)}
    assert plan_carry(reversed(lots(3, 1, 1)), 2020, known=NOW, rules=HALF) == odd


@pytest.mark.parametrize(("how", "kept", "part"), [("half_up", 2, F(-1, 2)), ("down", 1, F(1, 2)), ("up", 2, F(-1, 2))])
def test_roundings(how: str, kept: int, part: F) -> None:
    rules = BankRules(pools=("a",), carry=always(Carry(F(1, 2))), carry_rounding=always(how))  # type: ignore[arg-type]
    found = plan_carry(lots(3), 2020, known=NOW, rules=rules)
    assert (found.carried[0].kept, found.parts) == (kept, {("X", "a", 2020, ""): part})


def test_fractions_of_a_balance_that_is_gone_are_dropped() -> None:
    parts = {("X", "a", 2019, ""): F(1, 4), ("Y", "a", 2019, ""): F(1, 4)}
    found = plan_carry(lots(2), 2020, known=NOW, rules=HALF, parts=parts)
    assert found.parts == {("Y", "a", 2019, ""): F(1, 4)}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=6),
    st.fractions(0, 1, max_denominator=20),
    st.sampled_from(["half_up", "down", "up"]),
    st.data(),
)
def test_carrying_and_spending_never_makes_a_credit(amounts: list[int], factor: F, how: str, data: st.DataObject) -> None:
    rules = BankRules(pools=("a",), carry=always(Carry(factor)), carry_rounding=always(how))  # type: ignore[arg-type]
    bank, exact = Bank(rules), F(sum(amounts))
    for day, amount in enumerate(amounts, 1):
        if amount:
            bank = bank.issue("X", "a", 2020, D(2020, 1, day), amount)
    for year in range(2020, 2024):
        before = bank
        bank, exact = bank.carry(year, known=NOW), exact * factor
        bank.check()
        assert all(bank.lots[id_].amount <= lot.amount for id_, lot in before.lots.items())
        assert abs(bank.free("X", "a") - exact) <= (F(1, 2) if how == "half_up" else 1)
        spent = data.draw(st.integers(0, bank.free("X", "a")))
        if spent:
            bank, exact = bank.spend("X", "a", spent, on=D(year + 1, 6, 1), known=NOW), exact - spent


def test_factors_that_cant_be() -> None:
    for factor in (F(11, 10), F(-1, 10), 0.5):
        with pytest.raises(BadInput, match="must be a fraction from 0 to 1"):
            Carry(factor)  # type: ignore[arg-type]
    assert Carry(F(0)).admitted({})
    assert Carry(F(1)).admitted({})


def test_carrying_by_kind_and_by_day() -> None:
    rules = BankRules(
        pools=("a",),
        life_years=(Dated(9), Dated(0, kinds=("C",))),
        life_basis=always("vintage_year"),
        carry=(
            Dated(Carry(F(1))),
            Dated(Carry(F(1, 2)), kinds=("B",)),
            Dated(Carry(F(1, 4)), D(2022, 1, 1), marks=("late",)),
        ),
        carry_rounding=(Dated("half_up", marks=("rounding",)), Dated("down", kinds=("B",))),
    )
    rows = [Lot(i, "X", "a", 2020, D(2020, 1, 1), 5, kind=kind) for i, kind in enumerate("ABC", 1)]
    found = plan_carry(rows, 2020, known=NOW, rules=rules)
    assert {one.lot.kind: (one.kept, one.discounted, one.expired) for one in found.carried} == {
        "A": (5, 0, 0), "B": (2, 3, 0), "C": (0, 0, 5),
    }  # fmt: skip
    assert (found.year, found.marks, found.parts) == (2020, ("rounding",), {("X", "a", 2020, "B"): F(1, 2)})
    later = [Lot(1, "X", "a", 2021, D(2021, 1, 1), 8, kind="A")]
    assert plan_carry(later, 2021, known=NOW, rules=rules).marks == ("late", "rounding")
    assert plan_carry(later, 2021, known=NOW, rules=rules).carried[0].kept == 2


def test_a_part_that_expires_and_a_part_that_is_carried() -> None:
    rules = BankRules(
        pools=("a",), life_years=always(1), received_life=always("year_received"), carry=always(Carry(F(1, 2))),
    )  # fmt: skip
    rows = [
        Lot(1, "X", "a", 2020, D(2020, 6, 1), 8, received_on=D(2020, 7, 1), via="transfer"),
        Lot(2, "X", "a", 2020, D(2020, 6, 1), 7),
    ]
    found = plan_carry(rows, 2020, known=NOW, rules=rules)
    assert [(one.lot.id, one.kept, one.discounted, one.expired) for one in found.carried] == [(1, 0, 0, 8), (2, 4, 3, 0)]


def test_what_lies_in_or_came_out_of_the_common_pool_isnt_carried() -> None:
    rules = BankRules(pools=("a",), carry=always(Carry(F(1, 2))), common_pool_years=always(5))
    at = {"on": end(2020), "known": NOW}
    bank = Bank(rules).issue("X", "a", 2020, D(2020, 6, 1), 10).deposit("X", "a", 6, **at).carry(2020, known=NOW)
    assert bank.free("X", "a") == 2
    out = bank.withdraw("X", "a", 5, on=D(2021, 3, 1), known=NOW)
    assert out.free("X", "a") == 7
    assert out.spend("X", "a", 7, year=2021, on=end(2021), known=NOW).free("X", "a") == 0
    assert out.carry(2021, known=NOW).free("X", "a") == 6, "what was withdrawn stays, and goes back by expiry"


def test_credits_of_several_accounts_keep_their_own_fractions() -> None:
    bank = (
        Bank(HALF)
        .issue("X", "a", 2020, end(2020), 3)
        .issue("Y", "a", 2020, end(2020), 5)
        .issue("Y", "a", 2021, end(2021), 9)
    )
    bank = bank.carry(2020, known=NOW).carry(2021, known=NOW)
    assert (bank.free("X", "a"), bank.free("Y", "a")) == (1, 6)  # 0.75; 1.25 and 4.5, each half up
    bank = bank.carry(2022, known=NOW)
    assert (bank.free("X", "a"), bank.free("Y", "a")) == (0, 3)  # 0.375; 0.625 and 2.25


def test_the_fraction_of_what_wasnt_carried_is_gone() -> None:
    rules = BankRules(pools=("a",), carry=always(Carry(F(1, 2), ("fine",))))
    parts = {("X", "a", 2020, ""): F(1, 4)}
    assert plan_carry(lots(4), 2020, known=NOW, rules=rules, facts={"fine": False}, parts=parts).parts == {}
    assert plan_carry(lots(4), 2020, known=NOW, rules=rules, facts={"fine": True}, parts=parts).parts == {
        ("X", "a", 2020, ""): F(1, 8)
    }
