"""Plans: order of use, what counts, what is left out, exchange, obligations; refusals and their words."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanfleet.credits import (
    BadInput,
    Bank,
    BankRules,
    Dated,
    Lot,
    NotDetermined,
    NotPermitted,
    Obligation,
    Ratio,
    Shortage,
    always,
    plan,
    plan_exchange,
    plan_offset,
)  # fmt: skip

D = dt.date
DAY = D(2026, 6, 1)
RULES = BankRules(pools=("new", "used"), life_years=always(3))


def used(id_: int, earned: dt.date, amount: int, **how: object) -> Lot:
    return Lot(id_, "A", "used", earned.year, earned, amount, **how)  # type: ignore[arg-type]


LOTS = [
    used(5, D(2025, 7, 1), 10),
    used(4, D(2024, 7, 1), 20, reserved=5),
    used(3, D(2024, 7, 1), 30),
    used(2, D(2022, 7, 1), 40),
    Lot(1, "A", "new", 2024, D(2024, 1, 1), 99),
]


def taken(lots: list[Lot], needed: int, **how: object) -> list[tuple[object, int]]:
    found = plan(lots, needed, pool="used", on=DAY, known=DAY, rules=how.pop("rules", RULES), **how)  # type: ignore[arg-type]
    return [(take.lot.id, take.amount) for take in found.require().takes]


def test_oldest_first_then_id() -> None:
    assert taken(LOTS, 50) == [(3, 30), (4, 15), (5, 5)]
    assert taken(LOTS, 30) == [(3, 30)]
    assert taken(LOTS, 31) == [(3, 30), (4, 1)]
    assert taken(LOTS, 0) == []


def test_by_last_day_before_day_earned() -> None:
    rules = BankRules(pools=("used",), life_years=(Dated(9), Dated(1, years=(2025, 2025))))
    assert taken([used(1, D(2024, 7, 1), 10), used(2, D(2025, 7, 1), 10)], 15, rules=rules) == [(2, 10), (1, 5)]
    same_end = BankRules(pools=("used",))
    assert taken([used(1, D(2025, 7, 2), 10), used(2, D(2025, 7, 1), 10)], 15, rules=same_end) == [(2, 10), (1, 5)]


@given(st.permutations(LOTS), st.integers(0, 55))
def test_whatever_the_order_of_the_rows(lots: list[Lot], needed: int) -> None:
    assert taken(lots, needed) == taken(LOTS, needed)


def test_a_plan_says_all_it_found() -> None:
    found = plan(LOTS, 60, pool="used", on=DAY, known=DAY, rules=RULES)
    assert (found.needed, found.planned, found.shortage, found.free, found.reserved) == (60, 55, 5, 55, 5)
    assert [take.amount for take in found.takes] == [30, 15, 10]
    assert [take.last_day for take in found.takes] == [D(2027, 7, 1), D(2027, 7, 1), D(2028, 7, 1)]
    assert (found.left_out, found.account, found.marks) == ({"expired": 40}, "A", ())


def test_the_refusal_names_pool_vintage_needed_free_and_reserved() -> None:
    with pytest.raises(Shortage) as refused:
        taken(LOTS, 46, vintages=[2024])
    error = refused.value
    assert (error.pool, error.vintages, error.needed, error.free, error.reserved, error.short) == (
        "used",
        (2024,),
        46,
        45,
        5,
        1,
    )
    assert error.code == "shortage"
    assert str(error) == "account A, pool used, vintage 2024: 46 needed, 45 free, 5 reserved on 2026-06-01; 1 short"
    with pytest.raises(Shortage, match=r"^pool used: 1 needed, 0 free, 0 reserved on 2026-06-01; 1 short$"):
        taken([], 1)
    with pytest.raises(Shortage, match=r"^account Z, pool used, vintage 2024, 2025: 1 needed"):
        taken([], 1, account="Z", vintages=[2025, 2024])


def test_the_holder_names_vintages_or_lots_where_the_rules_allow_it() -> None:
    assert taken(LOTS, 12, vintages=[2025, 2024]) == [(3, 12)]
    assert taken(LOTS, 10, vintages=[2025]) == [(5, 10)]
    assert taken(LOTS, 12, only=[5, 4]) == [(4, 12)]
    assert plan(LOTS, 0, pool="used", on=DAY, known=DAY, rules=RULES, only=[4]).left_out == {"not_named": 80}
    with pytest.raises(Shortage):
        taken(LOTS, 1, only=[])
    strict = BankRules(pools=("used",), holder_may_name=always(False))
    for choice in ({"vintages": [2025]}, {"only": [5]}, {"only": []}):
        with pytest.raises(NotPermitted, match="may not name the vintages"):
            taken(LOTS[:1], 1, rules=strict, **choice)
    assert taken(LOTS[:1], 1, rules=strict) == [(5, 1)]


def test_vintages_up_to_the_obligations_year() -> None:
    rules = BankRules(pools=("used",), vintages_allowed=always("up_to_year"), deferral_years=(Dated(1, years=(2024, 2024)),))
    lots = [used(1, D(2024, 7, 1), 10), used(2, D(2025, 7, 1), 10), used(3, D(2026, 5, 1), 10)]
    for year, free in ((2023, 0), (2024, 20), (2025, 20), (2026, 30)):
        found = plan(lots, 1, pool="used", on=DAY, known=DAY, rules=rules, year=year)
        assert found.free == free
        assert sum(found.left_out.values()) == 30 - free
    assert set(plan(lots, 1, pool="used", on=DAY, known=DAY, rules=rules, year=2023).left_out) == {"later_vintage"}
    anything = BankRules(pools=("used",))
    assert plan(lots, 1, pool="used", on=DAY, known=DAY, rules=anything, year=2023).free == 30


def test_deferral_on_application_counts_only_where_granted() -> None:
    rules = BankRules(
        pools=("used",), vintages_allowed=always("up_to_year"), deferral_years=always(1), deferral_on_application=True
    )
    lots = [used(2, D(2025, 7, 1), 10)]
    owed = Obligation(7, "A", "used", 2024, 8)
    assert plan_offset(owed, lots, on=DAY, known=DAY, rules=rules).shortage == 8
    granted = Obligation(7, "A", "used", 2024, 8, deferred=True)
    assert plan_offset(granted, lots, on=DAY, known=DAY, rules=rules).shortage == 0
    assert plan_offset(granted, lots, on=DAY, known=DAY, rules=rules, amount=3).needed == 3
    with pytest.raises(BadInput, match="amount 9: must not be more than the 8 owed"):
        plan_offset(granted, lots, on=DAY, known=DAY, rules=rules, amount=9)


def test_types_that_dont_share_a_pool() -> None:
    lots = [used(1, D(2025, 7, 1), 10, kind="A"), used(2, D(2025, 7, 2), 10, kind="B"), used(3, D(2025, 7, 3), 10)]
    assert taken(lots, 30, kind="B") == [(1, 10), (2, 10), (3, 10)]
    separate = BankRules(pools=("used",), kinds_share_pool=(Dated(False, marks=("doubtful:sharing",)),))
    assert taken(lots, 20, kind="B", rules=separate) == [(2, 10), (3, 10)]
    assert taken(lots, 30, rules=separate) == [(1, 10), (2, 10), (3, 10)]
    found = plan(lots, 1, pool="used", on=DAY, known=DAY, rules=separate, kind="B")
    assert (found.left_out, found.marks) == ({"other_kind": 10}, ("doubtful:sharing",))
    unknown = BankRules(pools=("used",), kinds_share_pool=(Dated(None, name="sharing"),))
    with pytest.raises(NotDetermined, match="sharing"):
        taken(lots, 1, kind="B", rules=unknown)
    assert taken(lots[1:], 20, kind="B", rules=unknown) == [(2, 10), (3, 10)], "what isn't asked needn't be known"


def test_acquired_by_a_day() -> None:
    lots = [
        used(1, D(2025, 7, 1), 10),
        used(2, D(2025, 7, 1), 10, received_on=D(2026, 4, 1), via="transfer"),
        used(3, D(2026, 4, 1), 10),
    ]
    found = plan(lots, 1, pool="used", on=DAY, known=DAY, rules=RULES, acquired_by=D(2026, 3, 31))
    assert (found.free, found.left_out) == (10, {"acquired_late": 20})
    assert plan(lots, 1, pool="used", on=DAY, known=DAY, rules=RULES, acquired_by=D(2026, 4, 1)).free == 30


def test_which_pools_serve_an_obligation_and_in_which_order() -> None:
    rules = BankRules(pools=("new", "used"), accepts=(Dated(("used", "new"), pools=("used",), marks=("doubtful:way",)),))
    lots = [Lot(1, "A", "new", 2020, D(2020, 1, 1), 10), used(2, D(2025, 7, 1), 10)]
    assert taken(lots, 15, rules=rules, year=2026) == [(2, 10), (1, 5)]
    assert plan(lots, 15, rules=rules, year=2026, pool="used", on=DAY, known=DAY).marks == ("doubtful:way",)
    assert taken(lots, 15, rules=rules, year=2026, pools=["new", "used"]) == [(1, 10), (2, 5)]
    assert taken(lots, 5, rules=rules, pools=["new"]) == [(1, 5)]
    assert taken(lots, 5, rules=rules) == [(2, 5)], "a spending that is for no obligation takes the pool itself"
    with pytest.raises(NotPermitted, match="credits of pool used can't settle an obligation of pool new; allowed: new"):
        plan(lots, 1, pool="new", pools=["used"], on=DAY, known=DAY, rules=rules)
    with pytest.raises(BadInput, match="pool 'old': must be one of new, used"):
        plan(lots, 1, pool="old", on=DAY, known=DAY, rules=rules)


def test_what_may_go_on_to_another_account() -> None:
    rules = BankRules(pools=("used",), onward_transfer=always(False))
    lots = [used(1, D(2025, 7, 1), 10, received_on=D(2026, 1, 1), via="transfer"), used(2, D(2025, 8, 1), 10)]
    assert taken(lots, 20, rules=rules) == [(1, 10), (2, 10)]
    found = plan(lots, 20, pool="used", on=DAY, known=DAY, rules=rules, for_transfer=True)
    assert (found.free, found.left_out) == (10, {"not_transferable": 10})
    closed = BankRules(pools=("used",), transferable=(Dated(False), Dated(True, D(2026, 6, 2))))
    with pytest.raises(NotPermitted, match="credits of pool used can't go to another account on 2026-06-01"):
        plan(lots, 1, pool="used", on=DAY, known=DAY, rules=closed, for_transfer=True)
    assert plan(lots, 1, pool="used", on=D(2026, 6, 2), known=DAY, rules=closed, for_transfer=True).free == 20


def test_rows_that_cant_be_meant() -> None:
    with pytest.raises(BadInput, match=r"lots \['A', 'B'\]: must be of one account"):
        plan([LOTS[0], Lot(9, "B", "used", 2025, D(2025, 1, 1), 1)], 1, pool="used", on=DAY, known=DAY, rules=RULES)
    with pytest.raises(BadInput):
        plan(LOTS, 1, pool="used", on=DAY, known=DAY, rules=RULES, account="B")
    for amount in (1.5, "7", True, -1, None):
        with pytest.raises(BadInput, match="must be a whole number, 0 or more"):
            plan(LOTS, amount, pool="used", on=DAY, known=DAY, rules=RULES)  # type: ignore[arg-type]
        with pytest.raises(BadInput):
            used(1, DAY, amount)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="reserved 11: must not be more than the lot's amount 10"):
        used(1, DAY, 10, reserved=11)


def test_marks_of_what_counted_and_of_nothing_else() -> None:
    rules = BankRules(
        pools=("used",),
        life_years=(Dated(3, marks=("doubtful:life",)),),
        life_basis=(Dated("day", marks=("doubtful:basis",)),),
        none_expires_before=(Dated(D(2024, 1, 1), marks=("doubtful:least",)),),
        received_life=(Dated("own", marks=("doubtful:received",)),),
        holder_may_name=(Dated(True, marks=("doubtful:naming",)),),
        vintages_allowed=(Dated("up_to_year", marks=("doubtful:vintages",)),),
        transferable=(Dated(True, marks=("doubtful:transfer",)),),
    )
    lots = [used(1, D(2025, 7, 1), 10)]
    life = ("doubtful:life", "doubtful:basis", "doubtful:least")

    def marks(lots: list[Lot], **how: object) -> tuple[str, ...]:
        return plan(lots, 1, pool="used", on=DAY, known=DAY, rules=rules, **how).marks  # type: ignore[arg-type]

    assert marks(lots) == life
    assert marks([]) == ()
    assert marks(lots, vintages=[2025]) == ("doubtful:naming", *life)
    assert marks(lots, year=2025) == life
    assert marks(lots, year=2024) == ("doubtful:vintages",)
    assert marks(lots, for_transfer=True) == ("doubtful:transfer", *life)
    received = [used(1, D(2025, 7, 1), 10, received_on=DAY, via="transfer")]
    assert marks(received) == (*life, "doubtful:received")


# -- exchange

EXCHANGE = BankRules(
    pools=("new", "used"),
    exchange=(
        Dated(Ratio("new", "used", 1, 2), D(2026, 1, 1), D(2025, 11, 30)),
        Dated(Ratio("used", "new", 2, 1), D(2026, 1, 1), D(2025, 11, 30), marks=("doubtful:ratio",)),
    ),
)


def test_one_new_for_two_used_and_each_set_of_two_used_for_one_new() -> None:
    new = [Lot(1, "A", "new", 2024, D(2024, 1, 1), 9)]
    assert plan_exchange(new, 7, source="new", target="used", on=DAY, known=DAY, rules=EXCHANGE).received == 14
    found = plan_exchange(LOTS[:2], 14, source="used", target="new", on=DAY, known=DAY, rules=EXCHANGE)
    assert (found.received, found.plan.marks) == (7, ("doubtful:ratio",))


@pytest.mark.parametrize(("amount", "near"), [(1, "2 can"), (3, "2 or 4 can"), (7, "6 or 8 can")])
def test_an_odd_amount_is_refused(amount: int, near: str) -> None:
    with pytest.raises(BadInput, match=f"each set of 2 used becomes 1 new; {near} be exchanged, {amount} can't"):
        plan_exchange(LOTS, amount, source="used", target="new", on=DAY, known=DAY, rules=EXCHANGE)


def test_a_set_over_two_lots_takes_the_older_ones_vintage() -> None:
    lots = [used(1, D(2024, 7, 1), 3), used(2, D(2025, 7, 1), 4), used(3, D(2025, 8, 1), 9)]
    found = plan_exchange(lots, 8, source="used", target="new", on=DAY, known=DAY, rules=EXCHANGE)
    assert [(take.lot.id, take.amount) for take in found.plan.takes] == [(1, 3), (2, 4), (3, 1)]
    assert found.receipts == (2, 2, 0)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 4), st.data())
def test_receipts_add_up_to_the_ratio(amounts: list[int], give: int, receive: int, data: st.DataObject) -> None:
    rules = BankRules(pools=("new", "used"), exchange=always(Ratio("used", "new", give, receive)))
    lots = [used(i, D(2020 + i, 1, 1), amount) for i, amount in enumerate(amounts)]
    sets = data.draw(st.integers(0, sum(amounts) // give))
    if sets:
        found = plan_exchange(lots, sets * give, source="used", target="new", on=DAY, known=DAY, rules=rules)
        assert found.received == sets * receive
        assert all(part >= 0 and part % receive == 0 for part in found.receipts)


def test_before_its_date_and_the_other_way_nothing_is_exchanged() -> None:
    eve = D(2025, 12, 31)
    with pytest.raises(NotPermitted, match="isn't permitted on 2025-12-31; it is from 2026-01-01"):
        plan_exchange(LOTS, 2, source="used", target="new", on=eve, known=eve, rules=EXCHANGE)
    with pytest.raises(NotPermitted, match=r"isn't permitted on 2026-06-01$"):
        plan_exchange(LOTS, 2, source="used", target="new", on=DAY, known=D(2025, 11, 29), rules=EXCHANGE)
    assert plan_exchange(LOTS, 2, source="used", target="new", on=DAY, known=D(2025, 11, 30), rules=EXCHANGE).received == 1
    one_way = BankRules(pools=("new", "used"), exchange=always(Ratio("new", "used", 1, 1)))
    with pytest.raises(NotPermitted, match="from used to new"):
        plan_exchange(LOTS, 2, source="used", target="new", on=DAY, known=DAY, rules=one_way)


def test_a_ratio_that_is_not_known() -> None:
    rules = BankRules(pools=("new", "used"), exchange=(Dated(None, pools=("used", "new"), name="ratio"),))
    with pytest.raises(NotDetermined, match="ratio"):
        plan_exchange(LOTS, 2, source="used", target="new", on=DAY, known=DAY, rules=rules)
    with pytest.raises(NotPermitted):
        plan_exchange(LOTS, 2, source="new", target="used", on=DAY, known=DAY, rules=rules)


def test_a_ratio_that_cant_be() -> None:
    for give, receive in ((0, 1), (1, 0), (1.5, 1)):
        with pytest.raises(BadInput, match="must be a whole number, 1 or more"):
            Ratio("new", "used", give, receive)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="another pool"):
        Ratio("new", "new", 1, 1)


# -- rules that can't be


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"pools": ()}, "one or more different names"),
        ({"pools": ("a", "a")}, "one or more different names"),
        ({"life_basis": always("decade")}, "must be one of day, year_end, vintage_year"),
        ({"received_life": always("short")}, "must be one of own, year_received"),
        ({"vintages_allowed": always("all")}, "must be one of any, up_to_year"),
        ({"carry_rounding": always("even")}, "must be one of half_up, down, up"),
        ({"life_years": always(-1)}, "whole number of years"),
        ({"deferral_years": always(1.5)}, "whole number of years"),
        ({"life_years": (Dated(3, pools=("b",)),)}, "pool 'b': must be one of a"),
        ({"exchange": always(Ratio("a", "b", 1, 1))}, "pool 'b'"),
        ({"exchange": always(Ratio("b", "a", 1, 1))}, "pool 'b'"),
        ({"accepts": always(("a", "b"))}, "pool 'b'"),
    ],
)
def test_rules_that_cant_be(rules: dict[str, object], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        BankRules(**{"pools": ("a",), **rules})  # type: ignore[arg-type]
    assert BankRules(pools=("a",), life_years=(Dated(None),), life_basis=(Dated(None),), accepts=(Dated(None),))


def test_thousands_of_lots() -> None:
    """Correct at size, and quick enough for an account of years: a bound that only a quadratic way would miss."""
    import time

    generator = random.Random(3)
    lots = [
        used(i, D(2024, 1, 1) + dt.timedelta(generator.randrange(700)), generator.randrange(1, 50)) for i in range(20_000)
    ]
    began = time.perf_counter()
    found = plan(lots, 60_000, pool="used", on=DAY, known=DAY, rules=RULES)
    assert time.perf_counter() - began < 2
    in_order = sorted(lots, key=lambda lot: (lot.earned_on, lot.id))
    assert [take.lot for take in found.takes] == in_order[: len(found.takes)]
    assert sum(take.amount for take in found.takes) == 60_000


def test_a_bank_is_left_as_it_is_by_a_plan() -> None:
    bank = Bank(RULES).issue("A", "used", 2025, D(2025, 7, 1), 10)
    before = dict(bank.lots)
    plan(bank.of("A"), 5, pool="used", on=DAY, known=DAY, rules=RULES)
    assert bank.lots == before


# -- provisions for one kind only


def test_provisions_by_kind() -> None:
    rules = BankRules(
        pools=("used", "new"),
        life_years=(Dated(9), Dated(1, kinds=("A",))),
        life_basis=(Dated("day"), Dated("year_end", kinds=("A",))),
        none_expires_before=(Dated(D(2026, 12, 30), kinds=("B",)),),
        received_life=(Dated("year_received", kinds=("C",)),),
        holder_may_name=(Dated(False, kinds=("A",)),),
        accepts=(Dated(("used", "new"), kinds=("B",)),),
        vintages_allowed=(Dated("up_to_year", kinds=("A",)),),
        deferral_years=(Dated(1, kinds=("A",), years=(2024, 2024)),),
        onward_transfer=(Dated(False, kinds=("C",)),),
    )

    def ends(kind: str, **how: object) -> dt.date:
        found = plan(
            [used(1, D(2025, 7, 1), 5, kind=kind, **how)], 1, pool="used", on=DAY, known=DAY, rules=rules, kind=kind
        )
        return found.takes[0].last_day

    assert [ends("A"), ends("B"), ends("C")] == [D(2026, 12, 31), D(2034, 7, 1), D(2034, 7, 1)]
    assert [ends("B", received_on=DAY), ends("C", received_on=DAY)] == [D(2034, 7, 1), D(2026, 12, 31)]
    lots = [used(1, D(2025, 7, 1), 5), Lot(2, "A", "new", 2025, D(2025, 7, 1), 5), used(3, D(2026, 5, 1), 5)]
    with pytest.raises(NotPermitted):
        taken(lots, 1, rules=rules, kind="A", vintages=[2025])
    assert taken(lots, 1, rules=rules, kind="B", vintages=[2025]) == [(1, 1)]
    assert taken(lots, 12, rules=rules, kind="B", year=2026) == [(1, 5), (3, 5), (2, 2)]
    assert taken(lots, 8, rules=rules, kind="C", year=2020) == [(1, 5), (3, 3)]
    assert taken(lots, 5, rules=rules, kind="A", year=2024) == [(1, 5)], "2024 may be deferred to 2025, for kind A"
    with pytest.raises(Shortage):
        taken(lots, 1, rules=rules, kind="A", year=2023)
    received = [used(1, D(2025, 7, 1), 5, kind="C", received_on=DAY), used(2, D(2025, 7, 1), 5, kind="B", received_on=DAY)]
    found = plan(received, 1, pool="used", on=DAY, known=DAY, rules=rules, for_transfer=True)
    assert (found.free, found.left_out) == (5, {"not_transferable": 5})


def test_provisions_by_pool_and_year() -> None:
    rules = BankRules(
        pools=("used", "new"),
        holder_may_name=(Dated(False, pools=("new",)),),
        vintages_allowed=(Dated("any"), Dated("up_to_year", pools=("used",), years=(2024, 2024))),
        deferral_years=(Dated(5, pools=("new",)),),
        kinds_share_pool=(Dated(False, pools=("used",)),),
        transferable=(Dated(False, pools=("new",)),),
        accepts=(Dated(("used", "new"), pools=("used",), years=(2025, 2025)),),
    )
    lots = [used(1, D(2025, 7, 1), 5, kind="A"), Lot(2, "A", "new", 2025, D(2025, 7, 1), 5, kind="A")]

    def free(pool: str, **how: object) -> int:
        return plan(lots, 1, pool=pool, on=DAY, known=DAY, rules=rules, **how).free  # type: ignore[arg-type]

    assert [free("used", vintages=[2025]), free("used", year=2024), free("used", year=2023)] == [5, 0, 5]
    assert [free("new", year=2024), free("used", kind="B"), free("new", kind="B")] == [5, 0, 5]
    assert [free("used", year=2025), free("used", year=2026), free("used", for_transfer=True)] == [10, 5, 5]
    for refused in ({"vintages": [2025]}, {"for_transfer": True}):
        with pytest.raises(NotPermitted):
            free("new", **refused)


def test_codes_of_refusals() -> None:
    from cleanfleet.credits import CreditError

    assert [error.code for error in (CreditError, BadInput, NotPermitted, NotDetermined, Shortage)] == [
        "refused", "bad_input", "not_permitted", "not_determined", "shortage",
    ]  # fmt: skip
    refused = BadInput("amount", 7, "must be even")
    assert (refused.field, refused.value, refused.allowed, str(refused)) == (
        "amount",
        7,
        "must be even",
        "amount 7: must be even",
    )
    assert NotDetermined(["b", "a"], "why").missing == ("a", "b")
    assert str(NotDetermined(["b", "a"], "why")) == "not determined: a, b (why)"


def test_what_is_kept_of_a_reading_is_not_mixed_up() -> None:
    rules = BankRules(pools=("used", "new"), life_years=(Dated(1), Dated(2, DAY), Dated(3, DAY, DAY)))
    lot = used(1, D(2025, 7, 1), 5)
    from cleanfleet.credits import last_day

    for _ in range(2):
        assert last_day(lot, D(2026, 5, 31), DAY, rules) == D(2026, 7, 1)
        assert last_day(lot, DAY, D(2026, 5, 31), rules) == D(2027, 7, 1)
        assert last_day(lot, DAY, DAY, rules) == D(2028, 7, 1)
    assert rules.at(DAY, DAY) is rules.at(DAY, DAY)
    for day in range(5000):
        rules.at(D(2020, 1, 1) + dt.timedelta(day), DAY)
    assert rules.at(DAY, DAY).on == DAY


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ratio("new", "used", 0, 1), "give 0: must be a whole number, 1 or more"),
        (lambda: Ratio("new", "new", 1, 1), "target 'new': must be another pool than the source"),
        (lambda: BankRules(pools=("a", "a")), "pools ('a', 'a'): must be one or more different names"),
        (
            lambda: BankRules(pools=("a",), life_years=always(-1)),
            "life_years -1: must be a whole number of years, 0 or more",
        ),
        (lambda: EXCHANGE.at(DAY, DAY).ratio("old", "new"), "pool 'old': must be one of new, used"),
    ],
)
def test_the_words_of_what_cant_be(make: object, text: str) -> None:
    with pytest.raises(BadInput) as refused:
        make()  # type: ignore[operator]
    assert str(refused.value) == text


def test_the_words_of_an_exchange_that_isnt_known_or_not_yet() -> None:
    rules = BankRules(pools=("new", "used"), exchange=(Dated(None, pools=("used", "new")),))
    with pytest.raises(NotDetermined) as refused:
        plan_exchange(LOTS, 2, source="used", target="new", on=DAY, known=DAY, rules=rules)
    assert str(refused.value) == "not determined: exchange (pool used, on 2026-06-01, as known on 2026-06-01)"
    ended = BankRules(pools=("new", "used"), exchange=(Dated(Ratio("used", "new", 1, 1), DAY, until=D(2026, 6, 2)),))
    with pytest.raises(NotPermitted, match=r"isn't permitted on 2026-06-02$"):
        plan_exchange(LOTS, 2, source="used", target="new", on=D(2026, 6, 2), known=DAY, rules=ended)
    assert BankRules(pools=("a",)) == BankRules(pools=("a",))
    asked = BankRules(pools=("a",))
    asked.at(DAY, DAY)
    assert asked == BankRules(pools=("a",)), "what was asked of rules is no part of them"
