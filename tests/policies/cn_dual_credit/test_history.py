"""Ten years of five companies against a hand-made file, what the rules refuse, and the ownership graph."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from cleanfleet import policies
from cleanfleet.law.errors import InputError
from cleanfleet.law.values import read_yaml
from cleanfleet.policies.cn_dual_credit.history import Event, History, Result, company
from cleanfleet.policies.cn_dual_credit.ownership import Link, Ownership, affiliation, pairs

FILE: dict[str, Any] = read_yaml(Path(__file__).parent / "history.yaml")
POLICY = policies.load("cn-dual-credit", known="2026-11-22")


def ownership() -> Ownership:
    given = FILE["ownership"]
    return Ownership(
        links=tuple(Link(one["holder"], one["held"], Fraction(one["share"])) for one in given["links"]),
        roles=given["roles"],
        authorised_by={importer: frozenset(makers) for importer, makers in given["authorised_by"].items()},
        regions=given["regions"],
    )


def companies() -> list[Any]:
    found = []
    for one in FILE["balances"]:
        more: dict[str, Any] = {}
        if "nev_only" in one:
            more = {"volume": 100, "conventional_volume": 0}
        if "conventional_actual" in one:
            more = {
                "volume": 100, "conventional_volume": 60, "year_ratio": "1.23",
                "conventional_cafc_actual": one["conventional_actual"],
                "conventional_mean_target": Fraction(one["conventional_target"]),
            }  # fmt: skip
        found.append(company(one["entity"], int(one["year"]), cafc=int(one["cafc"]), nev=int(one["nev"]), **more))
    return found


def event(one: dict[str, str]) -> Event:
    vintage = int(one["vintage"]) if "vintage" in one else None
    return Event(
        one["entity"], int(one["year"]), one["kind"], one["event"], int(one["amount"]), one.get("counterparty", ""), vintage
    )


def run(extra: list[Event] | None = None, **more: Any) -> Result:
    ratios = {int(year): Fraction(ratio) for year, ratio in FILE["supply_demand"].items()}
    events = [event(one) for one in FILE["events"]] if extra is None else extra
    return History(POLICY, companies(), events, **{"ownership": ownership(), "supply_demand": ratios, **more}).run()


@pytest.fixture(scope="module")
def result() -> Result:
    return run()


def _line(one: Any) -> tuple[Any, ...]:
    names = ("year", "entity", "kind", "event", "amount", "counterparty", "vintage", "against", "deficit_year", "lost")
    got = one.get if isinstance(one, dict) else lambda name: getattr(one, name)
    return tuple(str(got(name) or 0) if name in ("lost",) else str(got(name) or "") for name in names)


def test_every_line_of_the_statement(result: Result) -> None:
    assert len(FILE["statement"]) == 71
    ours, theirs = Counter(map(_line, result.statement)), Counter(map(_line, FILE["statement"]))
    assert ours - theirs == Counter()
    assert theirs - ours == Counter()


def test_what_is_left_uncovered(result: Result) -> None:
    found = [(e.entity, e.year, e.kind, e.amount, e.deficit_year) for e in result.uncovered]
    assert found == [
        (e["entity"], int(e["year"]), e["kind"], int(e["amount"]), int(e["deficit_year"])) for e in FILE["uncovered"]
    ]
    assert all("catalogue" in e.note for e in result.uncovered)


@pytest.mark.parametrize("expected", FILE["positions"], ids=lambda one: f"{one['entity']}-{one['year']}")
def test_positions(result: Result, expected: dict[str, str]) -> None:
    (found,) = [p for p in result.positions if (p.entity, p.year) == (expected["entity"], int(expected["year"]))]
    assert {name: str(getattr(found, name)) for name in expected} == expected


def test_the_book_balances_and_the_pool_keeps_the_rest(result: Result) -> None:
    result.bank.check()
    assert sum(parcel.amount for parcel in result.bank.parcels.values()) == int(FILE["pooled_at_the_end"])
    assert all(balance.difference == 0 for balance in result.bank.balances())
    assert len(result.not_determined) == 2
    assert "A 2018: whether 40 nev credits of 2018 are carried (carry_factor)" in result.not_determined


REFUSED: dict[str, tuple[Event, str]] = {
    "one foreign parent before 2021": (Event("C", 2019, "cafc", "transferred", 1, "D"), "D isn't an affiliate of C in 2019"),
    "no link": (Event("C", 2018, "cafc", "transferred", 1, "A"), "A isn't an affiliate of C in 2018"),
    "no role": (Event("C", 2018, "cafc", "transferred", 1, "Z"), "the role of Z isn't stated"),
    "CAFC credits sold": (Event("C", 2018, "cafc", "sold", 1, "I"), "CAFC credits can't be sold"),
    "CAFC credits bought": (Event("C", 2018, "cafc", "bought", 1, "I"), "CAFC credits can't be bought"),
    "NEV credits transferred": (Event("A", 2018, "nev", "transferred", 1, "B"), "NEV credits are sold"),
    "more than there is": (Event("C", 2018, "cafc", "transferred", 501, "I"), "501 needed, 500 free"),
    "CAFC against NEV": (
        Event("B", 2020, "cafc", "offset", 1, against="nev"), "credits of pool cafc can't settle an obligation of pool nev",
    ),
    "no deficit": (Event("A", 2016, "cafc", "offset", 1), "A has no open cafc deficit"),
    "a pool before there is one": (Event("D", 2022, "nev", "pooled", 1), "there is no credit pool in 2022"),
    "CAFC in the pool": (Event("D", 2021, "cafc", "pooled", 1), "the credit pool holds NEV credits only"),
    "a release at a high ratio": (Event("D", 2023, "nev", "released", 1), "the pool releases credits below 1.5"),
    "a deposit at a low ratio": (Event("D", 2024, "nev", "pooled", 1), "the pool takes deposits above 2"),
    "a word that can't be chosen": (Event("D", 2024, "nev", "earned", 1), "event 'earned' can't be chosen"),
    "an unknown kind": (Event("D", 2024, "co2", "sold", 1, "A"), "kind 'co2' is not one of cafc, nev"),
    "nothing": (Event("D", 2024, "nev", "sold", 0, "A"), "the amount must be a whole number, 1 or more"),
    "nobody": (Event("D", 2024, "nev", "sold", 1), "needs a counterparty"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why: str) -> None:
    refused, message = REFUSED[why]
    with pytest.raises(InputError, match=message):
        run([refused], settle="none")


def test_received_credits_serve_this_year_and_nobody_else() -> None:
    to_b = Event("A", 2018, "cafc", "transferred", 350, "B")
    with pytest.raises(InputError, match="1 needed, 0 free"):
        run([to_b, Event("B", 2018, "cafc", "transferred", 1, "A")], settle="none")
    kept = run([to_b], settle="none")
    gone = [e for e in kept.statement if e.entity == "B" and e.event == "expired" and e.year == 2018]
    assert [(e.amount, e.vintage) for e in gone] == [(350, 2016)]
    sold = [Event("D", 2019, "nev", "sold", 50, "B"), Event("B", 2019, "nev", "sold", 50, "A")]
    with pytest.raises(InputError, match="50 needed, 0 free"):
        run(sold, settle="none")


def test_credits_for_own_use_are_not_sold_and_meet_the_target_first() -> None:
    maker = company("X", 2021, cafc=0, nev=100, nev_own_use=Decimal("130.00"), nev_target=Decimal(50))
    other = company("Y", 2021, cafc=0, nev=-90)
    with pytest.raises(InputError, match="21 needed, 20 free"):
        History(POLICY, [maker, other], [Event("X", 2021, "nev", "sold", 21, "Y")]).run()
    result = History(POLICY, [maker, other], [Event("X", 2021, "nev", "sold", 20, "Y")]).run()
    assert [(e.amount, e.note) for e in result.statement if e.event == "earned"] == [(20, ""), (80, "own use only")]
    assert [e.amount for e in result.uncovered] == [70]


def test_a_balance_that_is_not_determined_is_said() -> None:
    result = History(POLICY, [company("X", 2021, cafc=5)]).run()
    assert result.not_determined == ["X 2021: the nev balance (not given)"]


# -- ownership


def test_shares_add_up_over_chains_and_cycles_end() -> None:
    links = (
        Link("P", "A", Fraction(1, 10)), Link("P", "Q", Fraction(3, 5)), Link("Q", "A", Fraction(1, 4)),
        Link("A", "Q", Fraction(1, 5)), Link("P", "A", Fraction(1, 2), 2021, 2022),
    )  # fmt: skip
    owns = Ownership(links)
    assert owns.share("P", "A", 2020) == Fraction(1, 4)  # 0.1 + 0.6 x 0.25
    assert owns.share("P", "A", 2021) == Fraction(3, 4)
    assert owns.share("P", "A", 2023) == Fraction(1, 4)
    assert owns.share("A", "P", 2020) == 0


@pytest.mark.parametrize(
    ("a", "b", "year", "affiliated"),
    [
        ("A", "B", 2018, True), ("A", "B", 2021, True), ("C", "I", 2018, True), ("I", "C", 2021, True),
        ("C", "D", 2020, False), ("C", "D", 2021, True), ("A", "C", 2021, False), ("A", "I", 2021, False),
        ("D", "I", 2018, True), ("A", "A", 2021, False),
    ],
)  # fmt: skip
def test_affiliates(a: str, b: str, year: int, affiliated: bool) -> None:
    assert bool(affiliation(POLICY, ownership(), a, b, year)) is affiliated


def test_exactly_a_quarter_is_enough_and_less_is_not() -> None:
    roles = {"A": "domestic_maker", "B": "domestic_maker", "O": "overseas_maker", "I": "importer"}

    def owns(holder: str, held: str, share: str) -> Ownership:
        return Ownership((Link(holder, held, Fraction(share)),), roles, {"I": frozenset({"O"})})

    assert affiliation(POLICY, owns("A", "B", "1/4"), "B", "A", 2018) == "A holds 25 % of B"
    assert not affiliation(POLICY, owns("A", "B", "0.2499"), "B", "A", 2018)
    # a domestic maker that holds the overseas maker counts since 2021
    assert not affiliation(POLICY, owns("A", "O", "1/4"), "I", "A", 2020)
    assert affiliation(POLICY, owns("A", "O", "1/4"), "I", "A", 2021)
    assert pairs(POLICY, owns("A", "B", "1/4"), ["A", "B", "I", "unknown"], 2021) == {("A", "B"), ("B", "A")}


def test_ownership_refuses_what_cannot_be() -> None:
    with pytest.raises(InputError, match="role 'shop' of A is not one of"):
        Ownership(roles={"A": "shop"})
    with pytest.raises(InputError, match=r"A holds 120\.00% of B; allowed is over 0 to 100 %"):
        Ownership((Link("A", "B", Fraction(6, 5)),))
