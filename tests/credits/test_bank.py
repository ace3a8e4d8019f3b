"""The bank's operations one by one: what they write, what they refuse; a batch and the same one by one."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

from cleanfleet.credits import (
    BadInput,
    Bank,
    BankRules,
    CreditError,
    Dated,
    Entry,
    NotPermitted,
    Obligation,
    Ratio,
    Shortage,
    always,
    credit_unit,
    obligation_unit,
)  # fmt: skip

D = dt.date
DAY = D(2026, 6, 1)
RULES = BankRules(
    pools=("new", "used"),
    life_years=always(3),
    exchange=(Dated(Ratio("new", "used", 1, 2), D(2026, 1, 1)), Dated(Ratio("used", "new", 2, 1), D(2026, 1, 1))),
    deferral_years=(Dated(1, years=(2023, 2025)),),
    deferral_on_application=True,
)
AT: dict[str, Any] = {"on": DAY, "known": DAY}


def bank(*lots: tuple[str, str, dt.date, int]) -> Bank:
    """A bank with credits by account, pool, day earned and amount."""
    found = Bank(RULES)
    for account, pool, earned, amount in lots:
        found = found.issue(account, pool, earned.year, earned, amount)
    return found


def moves(found: Bank) -> list[tuple[Any, ...]]:
    return [(e.unit, e.lot, e.source, e.target, e.amount) for e in found.latest]


NEW, USED, OWED = "credit:new", "credit:used", "obligation:used"


def test_units() -> None:
    assert (credit_unit("used"), obligation_unit("used")) == (USED, OWED)


def test_issue() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10))
    assert moves(found) == [(USED, 1, "issued", "held", 10)]
    assert found.latest[0] == Entry(1, "issue", D(2026, 1, 5), USED, 1, "issued", "held", 10)
    again = found.issue("A", "used", 2026, D(2026, 1, 5), 5, on=DAY)
    assert moves(again) == [(USED, 1, "issued", "held", 5)], "one lot for each account and day"
    assert (again.latest[0].on, again.lots[1].amount, found.lots[1].amount) == (DAY, 15, 10)
    other = again.issue("A", "used", 2026, D(2026, 1, 5), 5, kind="B")
    assert other.lots[2].kind == "B"
    for amount in (0, -1, 1.5, "7", True):
        with pytest.raises(BadInput, match="whole number, 1 or more"):
            found.issue("A", "used", 2026, DAY, amount)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="pool 'old'"):
        found.issue("A", "old", 2026, DAY, 1)


def test_entries_that_cant_be() -> None:
    with pytest.raises(BadInput, match="must differ from the source"):
        Entry(1, "issue", DAY, USED, 1, "held", "held", 1)
    with pytest.raises(BadInput, match="amount 0"):
        Entry(1, "issue", DAY, USED, 1, "issued", "held", 0)
    with pytest.raises(BadInput):
        Obligation(1, "A", "used", 2026, -1)


def test_spend_and_the_refusal_that_changes_nothing() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10), ("A", "used", D(2025, 1, 5), 4), ("B", "used", D(2025, 1, 5), 99))
    spent = found.spend("A", "used", 6, **AT)
    assert moves(spent) == [(USED, 2, "held", "used", 4), (USED, 1, "held", "used", 2)]
    assert spent.free("A", "used") == 8
    with pytest.raises(Shortage):
        found.spend("A", "used", 15, **AT)
    with pytest.raises(BadInput):
        found.spend("A", "used", 0, **AT)
    assert found.free("A", "used") == 14
    assert found.free("B", "used") == 99
    assert moves(found.spend("A", "used", 6, vintages=[2026], **AT)) == [(USED, 1, "held", "used", 6)]


def test_cancel() -> None:
    assert moves(bank(("A", "used", D(2026, 1, 5), 10)).cancel("A", "used", 3, **AT)) == [(USED, 1, "held", "cancelled", 3)]


# -- reservations


def test_reserve_then_post_void_or_time_out() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10)).reserve("A", "used", 7, until=D(2026, 6, 2), **AT)
    (hold,) = found.holds.values()
    assert (hold.account, hold.pool, hold.on, hold.until, hold.amount) == ("A", "used", DAY, D(2026, 6, 2), 7)
    assert (found.free("A", "used"), found.lots[1].amount, found.lots[1].reserved) == (3, 10, 7)
    with pytest.raises(Shortage, match="4 needed, 3 free, 7 reserved"):
        found.spend("A", "used", 4, **AT)
    posted = found.post(hold.id, **AT)
    assert moves(posted) == [(USED, 1, "reserved", "used", 7)]
    voided = found.void(hold.id, on=DAY)
    assert moves(voided) == [(USED, 1, "reserved", "held", 7)]
    assert found.time_out(on=D(2026, 6, 2)).latest == ()
    timed_out = found.time_out(on=D(2026, 6, 3))
    assert moves(timed_out) == [(USED, 1, "reserved", "held", 7)]
    for ended in (posted, voided, timed_out):
        assert not ended.holds
        with pytest.raises(BadInput, match="is no open reservation of this bank"):
            ended.post(hold.id, **AT)
        with pytest.raises(BadInput, match="is no open reservation"):
            ended.void(hold.id, on=DAY)
    assert bank(("A", "used", D(2026, 1, 5), 10)).reserve("A", "used", 7, **AT).time_out(on=D(2099, 1, 1)).holds


def test_what_is_reserved_doesnt_expire_but_cant_be_used_after_its_last_day() -> None:
    found = bank(("A", "used", D(2023, 6, 1), 10)).reserve("A", "used", 7, **AT)
    (hold,) = found.holds
    late = D(2026, 6, 2)
    gone = found.expire(on=late, known=late)
    assert moves(gone) == [(USED, 1, "held", "expired", 3)]
    with pytest.raises(
        NotPermitted, match="lot 1, reserved on 2026-06-01, could be used until 2026-06-01, not on 2026-06-02"
    ):
        gone.post(hold, on=late, known=late)
    assert moves(gone.post(hold, **AT)) == [(USED, 1, "reserved", "used", 7)], "dated on the day it was offered"
    freed = gone.void(hold, on=late).expire(on=late, known=late)
    assert moves(freed) == [(USED, 1, "held", "expired", 7)]


# -- transfers and exchange


def test_vintage_day_and_origin_go_along() -> None:
    found = bank(("A", "used", D(2025, 1, 5), 10)).transfer("A", "B", "used", 4, **AT).transfer("B", "C", "used", 1, **AT)
    assert moves(found) == [(USED, 2, "held", "transferred", 1), (USED, 3, "transferred", "held", 1)]
    for id_, account, amount in ((1, "A", 6), (2, "B", 3), (3, "C", 1)):
        lot = found.lots[id_]
        assert (lot.account, lot.amount, lot.vintage, lot.earned_on, lot.root) == (account, amount, 2025, D(2025, 1, 5), 1)
    back = found.transfer("C", "A", "used", 1, **AT)
    assert back.lots[4].origin == 1
    more = back.transfer("A", "B", "used", 6, only=[1], **AT)
    assert (more.lots[2].amount, len(more.lots)) == (9, 4), "the same credits of the same day are one lot"
    more.check()
    with pytest.raises(BadInput, match="receiver 'A': must be another account"):
        found.transfer("A", "A", "used", 1, **AT)
    with pytest.raises(Shortage):
        found.transfer("A", "B", "used", 7, **AT)


def test_transfer_of_what_is_reserved() -> None:
    found = bank(("A", "used", D(2025, 1, 5), 10)).reserve("A", "used", 4, for_transfer=True, **AT)
    (hold,) = found.holds
    done = found.transfer("A", "B", "used", 4, hold=hold, **AT)
    assert moves(done) == [(USED, 1, "reserved", "transferred", 4), (USED, 3, "transferred", "held", 4)]
    assert not done.holds
    done.check()
    for account, pool, amount in (("A", "used", 5), ("A", "new", 4)):
        with pytest.raises(BadInput, match="holds 4 of pool used, not"):
            found.transfer(account, "B", pool, amount, hold=hold, **AT)
    with pytest.raises(BadInput, match="is of account A, not of C"):
        found.transfer("C", "B", "used", 4, hold=hold, **AT)
    shut = BankRules(pools=("used",), transferable=(Dated(True, until=DAY), Dated(False, DAY)))
    eve = D(2026, 5, 31)
    offered = (
        Bank(shut).issue("A", "used", 2025, D(2025, 1, 5), 4).reserve("A", "used", 4, for_transfer=True, on=eve, known=eve)
    )
    with pytest.raises(NotPermitted):
        offered.transfer("A", "B", "used", 4, hold=min(offered.holds), **AT)


def test_exchange_within_an_account_and_to_another() -> None:
    found = bank(("A", "new", D(2026, 1, 5), 10), ("A", "used", D(2025, 1, 5), 9))
    done = found.exchange("A", "new", "used", 3, **AT)
    assert moves(done) == [(NEW, 1, "held", "exchanged_out", 3), (USED, 3, "exchanged_in", "held", 6)]
    assert (done.lots[3].vintage, done.lots[3].earned_on, done.lots[3].root) == (2026, D(2026, 1, 5), 1)
    away = found.exchange("A", "used", "new", 8, receiver="B", **AT)
    assert moves(away) == [(USED, 2, "held", "exchanged_out", 8), (NEW, 3, "exchanged_in", "held", 4)]
    assert (away.lots[3].account, away.lots[3].received_on, away.lots[3].via) == ("B", DAY, "transfer")
    with pytest.raises(BadInput, match="9 can't"):
        found.exchange("A", "used", "new", 9, **AT)
    with pytest.raises(Shortage):
        found.exchange("A", "new", "used", 11, **AT)
    eve = D(2025, 12, 31)
    with pytest.raises(NotPermitted):
        found.exchange("A", "used", "new", 2, on=eve, known=eve)
    with pytest.raises(Shortage, match="vintage 2024"):
        found.exchange("A", "new", "used", 1, vintages=[2024], **AT)
    for one in (done, away):
        one.check()


def test_the_day_of_acceptance_decides_the_exchange_of_what_was_reserved() -> None:
    eve = D(2025, 12, 31)
    lots = bank(("A", "used", D(2025, 1, 5), 3), ("A", "used", D(2025, 2, 5), 9))
    found = lots.reserve("A", "used", 4, on=eve, known=eve)
    (hold,) = found.holds
    with pytest.raises(NotPermitted):
        found.exchange("A", "used", "new", 4, receiver="B", hold=hold, on=eve, known=eve)
    done = found.exchange("A", "used", "new", 4, receiver="B", hold=hold, **AT)
    assert [move[2:] for move in moves(done)] == [
        ("reserved", "exchanged_out", 3), ("exchanged_in", "held", 2), ("reserved", "exchanged_out", 1),
    ]  # fmt: skip
    assert (done.free("B", "new"), done.free("A", "used"), len(done.holds)) == (2, 8, 0)
    done.check()


# -- obligations


def test_owe_offset_pay_remit() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10)).owe("A", "used", 2026, 12, on=DAY)
    assert moves(found) == [(OWED, 2, "incurred", "owed", 12)]
    met = found.offset(2, amount=7, **AT)
    assert moves(met) == [(USED, 1, "held", "used", 7), (OWED, 2, "owed", "offset", 7)]
    assert (met.owed("A"), met.owed("A", "new"), met.owed("B")) == (5, 0, 0)
    with pytest.raises(Shortage, match="5 needed, 3 free"):
        met.offset(2, **AT)
    with pytest.raises(BadInput, match="must not be more than the 5 owed"):
        met.offset(2, amount=6, **AT)
    done = met.offset(2, amount=3, **AT).pay(2, 1, on=DAY).remit(2, 1, on=DAY)
    assert moves(done) == [(OWED, 2, "owed", "cancelled", 1)]
    assert done.obligations[2].amount == 0
    with pytest.raises(BadInput, match="has nothing owed"):
        done.offset(2, **AT)
    for operation in ("pay", "remit"):
        with pytest.raises(BadInput, match="must not be more than the 0 owed"):
            getattr(done, operation)(2, 1, on=DAY)
        with pytest.raises(BadInput, match="obligation 9: is no obligation of this bank"):
            getattr(done, operation)(9, 1, on=DAY)
    with pytest.raises(BadInput, match="is no obligation"):
        done.offset(9, **AT)
    done.check()


def test_offset_with_what_was_reserved() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10)).owe("A", "used", 2026, 6, on=DAY).reserve("A", "used", 6, year=2026, **AT)
    (hold,) = found.holds
    done = found.offset(2, hold=hold, **AT)
    assert moves(done) == [(USED, 1, "reserved", "used", 6), (OWED, 2, "owed", "offset", 6)]
    other = found.owe("B", "used", 2026, 6, on=DAY)
    with pytest.raises(BadInput, match="is of account A, not of B"):
        other.offset(4, hold=hold, **AT)
    small = found.owe("A", "used", 2026, 5, on=DAY)
    with pytest.raises(BadInput, match="must not be more than the 5 owed"):
        small.offset(4, hold=hold, **AT)


def test_settle_takes_what_there_is_the_oldest_obligation_first() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10), ("B", "used", D(2026, 1, 5), 50))
    for year, amount in ((2026, 4), (2025, 8)):
        found = found.owe("A", "used", year, amount, on=DAY)
    found = found.owe("A", "new", 2024, 3, on=DAY).owe("B", "used", 2020, 1, on=DAY)
    done = found.settle("A", **AT)
    assert [move[1:] for move in moves(done)] == [
        (1, "held", "used", 8), (4, "owed", "offset", 8), (1, "held", "used", 2), (3, "owed", "offset", 2),
    ]  # fmt: skip
    assert (done.owed("A", "used"), done.owed("A"), done.owed("B")) == (2, 5, 1)
    assert found.settle("A", pool="new", **AT).latest == ()


def test_deferral_and_past_due() -> None:
    found = Bank(RULES).owe("A", "used", 2024, 5, on=DAY).owe("A", "used", 2024, 6, on=DAY).owe("A", "used", 2026, 7, on=DAY)
    found = found.defer(1, **AT)
    assert found.obligations[1].deferred
    with pytest.raises(NotPermitted, match="an obligation of 2026 in pool used can't be deferred"):
        found.defer(3, **AT)
    with pytest.raises(NotPermitted, match="in pool new, type B can't"):
        found.owe("A", "new", 2022, 7, on=DAY, kind="B").defer(4, **AT)
    assert found.past_due(2024, **AT).latest == ()
    assert moves(found.past_due(2025, **AT)) == [(OWED, 2, "owed", "past_due", 6)]
    assert moves(found.past_due(2026, **AT)) == [(OWED, 1, "owed", "past_due", 5), (OWED, 2, "owed", "past_due", 6)]
    assert Bank(RULES).owe("A", "used", 2024, 5, on=DAY, deferred=True).past_due(2025, **AT).latest == ()


# -- corrections


def test_reversal_of_what_is_spent_or_passed_on_is_owed_by_the_one_who_earned_it() -> None:
    found = bank(("A", "used", D(2025, 1, 5), 10)).spend("A", "used", 3, **AT).transfer("A", "B", "used", 4, **AT)
    done = found.reverse(1, 8, on=DAY)
    assert moves(done) == [(USED, 1, "held", "cancelled", 3), (OWED, 3, "incurred", "owed", 5)]
    assert (done.free("B", "used"), done.obligations[3].account, done.obligations[3].year) == (4, "A", 2025)
    assert found.reverse(1, 8, on=DAY, year=2026).obligations[3].year == 2026
    with pytest.raises(BadInput, match="must not be more than the 2 issued in lot 1 and not reversed yet"):
        done.reverse(1, 3, on=DAY)
    assert moves(done.reverse(1, 2, on=DAY)) == [(OWED, 4, "incurred", "owed", 2)]
    with pytest.raises(BadInput, match="must not be more than the 0 issued in lot 2"):
        done.reverse(2, 1, on=DAY)
    with pytest.raises(BadInput, match="is no lot of this bank"):
        done.reverse(9, 1, on=DAY)
    done.check()


def test_what_expired_unused_is_not_owed() -> None:
    late = D(2029, 1, 1)
    found = bank(("A", "used", D(2025, 1, 5), 10)).spend("A", "used", 3, **AT).expire(on=late, known=late)
    done = found.reverse(1, 8, on=late)
    assert moves(done) == [(USED, 1, "expired", "cancelled", 7), (OWED, 2, "incurred", "owed", 1)]


def test_what_is_reserved_stays_reserved() -> None:
    found = bank(("A", "used", D(2025, 1, 5), 10)).reserve("A", "used", 6, **AT).reverse(1, 10, on=DAY)
    assert [move[2:] for move in moves(found)] == [("held", "cancelled", 4), ("incurred", "owed", 6)]
    assert found.holds
    found.check()


# -- a batch


def test_a_batch_is_the_same_as_one_by_one() -> None:
    generator = random.Random(11)
    one_by_one = Bank(RULES)
    steps: list[tuple[str, dict[str, Any]]] = []
    for _ in range(400):
        account, other = generator.sample("ABC", 2)
        pool, amount = generator.choice(["new", "used"]), generator.randrange(1, 60)
        on = D(2026, 1, 1) + dt.timedelta(generator.randrange(400))
        step: tuple[str, dict[str, Any]] = generator.choice(
            [
                ("issue", {"account": account, "pool": pool, "vintage": on.year, "earned_on": on, "amount": 3 * amount}),
                ("spend", {"account": account, "pool": pool, "amount": amount, "on": on, "known": on}),
                ("transfer", {"giver": account, "receiver": other, "pool": pool, "amount": amount, "on": on, "known": on}),
                ("exchange", {"account": account, "source": "used", "target": "new", "amount": 2, "on": on, "known": on}),
                ("reserve", {"account": account, "pool": pool, "amount": amount, "on": on, "known": on}),
                ("owe", {"account": account, "pool": pool, "year": on.year, "amount": amount, "on": on}),
                ("settle", {"account": account, "on": on, "known": on}),
            ]
        )
        try:
            one_by_one = getattr(one_by_one, step[0])(**step[1])
        except CreditError:
            continue
        steps.append(step)
    assert len({name for name, _ in steps}) == 7
    batch = Bank(RULES).run(steps)
    assert batch == one_by_one
    assert batch.entries == one_by_one.entries
    assert batch != one_by_one.issue("A", "new", 2026, DAY, 1)
    batch.check()


def test_a_batch_is_done_whole_or_not_at_all() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10))
    steps = [("spend", {"account": "A", "pool": "used", "amount": 6, **AT})] * 2
    with pytest.raises(Shortage, match="6 needed, 4 free"):
        found.run(steps)
    assert found.free("A", "used") == 10
    with pytest.raises(BadInput, match="operation 'steal': must be one of issue, spend,"):
        found.run([("steal", {})])


# -- the common pool

POOLED = BankRules(
    pools=("used",), life_years=always(3), life_basis=always("vintage_year"), common_pool_years=(Dated(5, D(2023, 8, 1)),)
)


def test_the_common_pool() -> None:
    found = Bank(POOLED).issue("A", "used", 2024, D(2024, 12, 31), 100)
    with pytest.raises(NotPermitted, match="there is no common pool on 2023-07-31"):
        found.deposit("A", "used", 60, on=D(2023, 7, 31), known=DAY)
    found = found.deposit("A", "used", 60, on=D(2025, 5, 1), known=DAY)
    assert [move[2:] for move in moves(found)] == [("held", "pooled", 60)]
    out = D(2029, 3, 1)  # beyond the life of the vintage
    with pytest.raises(BadInput, match="must not be more than the 60 that lie in the common pool"):
        found.withdraw("A", "used", 61, on=out, known=out)
    with pytest.raises(BadInput, match="more than the 0 that lie"):
        found.withdraw("B", "used", 1, on=out, known=out)
    back = found.withdraw("A", "used", 20, on=out, known=out)
    assert [move[2:] for move in moves(back)] == [("released", "held", 20)]
    back.check()
    used = back.spend("A", "used", 5, year=2029, on=D(2029, 12, 31), known=out)
    assert used.latest[0].amount == 5
    with pytest.raises(BadInput, match="came out of the common pool"):
        used.deposit("A", "used", 1, on=out, known=out)
    returned = used.expire(on=D(2030, 1, 1), known=out)
    assert [move[2:] for move in moves(returned)] == [("held", "expired", 40), ("held", "pooled", 15)]
    assert sum(parcel.amount for parcel in returned.parcels.values()) == 55
    assert returned.expire(on=D(2030, 5, 1), known=out).latest == ()
    assert returned.withdraw("A", "used", 55, on=D(2030, 5, 1), known=out).free("A", "used") == 55
    with pytest.raises(BadInput, match="more than the 0 that lie"):
        returned.withdraw("A", "used", 1, on=D(2030, 5, 2), known=out)
    ended = returned.expire(on=D(2030, 5, 2), known=out)
    assert sorted(move[2:] for move in moves(ended)) == [("pooled", "expired", 15), ("pooled", "expired", 40)]
    assert ended.revive(on=D(2030, 5, 2), known=out).latest == ()
    ended.check()
    (found_credits, _) = ended.balances()
    assert (found_credits.sources["issued"], found_credits.sources["released"]) == (100, 20)
    assert (found_credits.places["used"], found_credits.places["expired"], found_credits.places["pooled"]) == (5, 95, 20)


def test_the_oldest_parcel_comes_out_first() -> None:
    found = Bank(POOLED).issue("A", "used", 2024, D(2024, 6, 1), 100)
    for day, amount in ((D(2025, 5, 1), 30), (D(2024, 7, 1), 20)):
        found = found.deposit("A", "used", amount, on=day, known=DAY)
    found = found.withdraw("A", "used", 25, on=DAY, known=DAY)
    assert sorted((parcel.deposited_on, parcel.amount) for parcel in found.parcels.values()) == [
        (D(2024, 7, 1), 0), (D(2025, 5, 1), 25),
    ]  # fmt: skip


# -- the check itself


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda b: b.balances.update({(USED, "held", 1): 11}), "credit:used: what came in less what is there is -5; the bal"),
        (lambda b: b.balances.update({(USED, "held", 1): 11}), "; the balances aren't those of the journal"),
        (lambda b: b.lots.update({1: b.lots[1].__class__(1, "A", "used", 2026, D(2026, 1, 5), 9)}), "its row differs"),
        (lambda b: b.holds.clear(), "4 reserved, but its reservations come to 0"),
        (lambda b: b.obligations.update({3: Obligation(3, "A", "used", 2026, 1)}), "obligation 3: its row differs"),
        (lambda b: b.entries.append(Entry(9, "x", DAY, USED, 1, "issued", "transferred", 2)), "2 left in transfer"),
        (lambda b: b.entries.append(Entry(9, "x", DAY, USED, 1, "used", "expired", 2)), "used is -2"),
    ],
)  # fmt: skip
def test_the_check_finds(spoil: Any, why: str) -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10)).reserve("A", "used", 4, **AT).owe("A", "used", 2026, 12, on=DAY)
    found.check()
    spoil(found._book)
    with pytest.raises(AssertionError, match=why):
        found.check()


def test_what_a_bank_shows_cant_be_written() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10))
    for shown in (found.lots, found.obligations, found.holds, found.parcels):
        with pytest.raises(TypeError):
            shown[1] = None  # type: ignore[index]
    assert [lot.id for lot in found.spend("A", "used", 10, **AT).of("A")] == []


def test_marks_of_the_last_operation() -> None:
    rules = BankRules(pools=("used",), life_years=(Dated(3, marks=("doubtful:life",)),))
    found = Bank(rules).issue("A", "used", 2026, D(2026, 1, 5), 10)
    assert found.marks == ()
    assert found.spend("A", "used", 1, **AT).marks == ("doubtful:life",)
    assert found.expire(on=D(2030, 1, 1), known=DAY).marks == ("doubtful:life",)
    assert found.spend("A", "used", 1, **AT).issue("A", "used", 2026, DAY, 1).marks == ()


# -- the words of refusals


def refusal(found: Bank, operation: str, *arguments: Any, **how: Any) -> CreditError:
    with pytest.raises(CreditError) as refused:
        getattr(found, operation)(*arguments, **how)
    return refused.value


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("spend", ("Z", "used", 1)), ("cancel", ("Z", "used", 1)), ("reserve", ("Z", "used", 1)),
        ("transfer", ("Z", "A", "used", 1)), ("exchange", ("Z", "used", "new", 2)),
    ],
)  # fmt: skip
def test_an_account_without_credits_is_named(operation: str, arguments: tuple[Any, ...]) -> None:
    error = refusal(Bank(RULES), operation, *arguments, **AT)
    assert isinstance(error, Shortage)
    assert (error.account, error.pool, error.free, error.on) == ("Z", "used", 0, DAY)
    assert str(error).startswith("account Z, pool used: ")


def test_offset_and_deposit_name_the_account_too() -> None:
    assert str(refusal(Bank(RULES).owe("Z", "used", 2026, 3, on=DAY), "offset", 1, **AT)).startswith(
        "account Z, pool used: 3 needed"
    )
    assert str(refusal(Bank(POOLED), "deposit", "Z", "used", 3, **AT)).startswith("account Z, pool used: 3 needed")


def test_the_field_is_named() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10)).owe("A", "used", 2026, 3, on=DAY).reserve("A", "used", 4, **AT)
    for field, operation, arguments, how in [
        ("lot", "reverse", (9, 1), {"on": DAY}),
        ("obligation", "pay", (9, 1), {"on": DAY}),
        ("hold", "void", (9,), {"on": DAY}),
        ("amount", "pay", (2, 4), {"on": DAY}),
        ("amount", "reverse", (1, 11), {"on": DAY}),
        ("receiver", "transfer", ("A", "A", "used", 1), AT),
        ("hold", "transfer", ("A", "B", "used", 9), {"hold": 3, **AT}),
        ("hold", "transfer", ("B", "A", "used", 4), {"hold": 3, **AT}),
        ("amount", "withdraw", ("A", "used", 1), AT),
        ("pool", "issue", ("A", "old", 2026, DAY, 1), {}),
        ("pool", "owe", ("A", "old", 2026, 1), {"on": DAY}),
        ("on", "owe", ("A", "used", 2026, 1), {"on": None}),
    ]:
        error = refusal(found, operation, *arguments, **how)
        assert isinstance(error, BadInput), operation
        assert error.field == field, (operation, str(error))


def test_rows_name_their_field() -> None:
    from cleanfleet.credits import Lot

    for field, make in [
        ("amount", lambda: Lot(1, "A", "used", 2026, DAY, -1)),
        ("reserved", lambda: Lot(1, "A", "used", 2026, DAY, 1, reserved=-1)),
        ("reserved", lambda: Lot(1, "A", "used", 2026, DAY, 1, reserved=2)),
        ("amount", lambda: Obligation(1, "A", "used", 2026, -1)),
        ("target", lambda: Entry(1, "x", DAY, USED, 1, "a", "a", 1)),
        ("amount", lambda: Entry(1, "x", DAY, USED, 1, "a", "b", 0)),
    ]:
        with pytest.raises(BadInput) as refused:
            make()
        assert refused.value.field == field


def test_every_bucket_by_name() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 20)).owe("A", "used", 2026, 9, on=DAY).pay(2, 1, on=DAY).remit(2, 2, on=DAY)
    found = found.offset(2, amount=3, **AT).past_due(2027, **AT).reserve("A", "used", 4, **AT).cancel("A", "used", 1, **AT)
    found = found.exchange("A", "used", "new", 2, **AT).expire(on=D(2030, 1, 1), known=DAY)
    balances = {balance.unit: balance for balance in found.balances()}
    assert dict(balances[USED].sources) == {"issued": 20, "exchanged_in": 0, "released": 0}
    assert dict(balances[USED].places) == {
        "held": 0, "reserved": 4, "used": 3, "expired": 10, "exchanged_out": 2, "discounted": 0, "pooled": 0, "cancelled": 1,
    }  # fmt: skip
    assert dict(balances[NEW].sources) == {"issued": 0, "exchanged_in": 1, "released": 0}
    assert dict(balances[OWED].sources) == {"incurred": 9}
    assert dict(balances[OWED].places) == {"owed": 0, "offset": 3, "past_due": 3, "paid": 1, "cancelled": 2}
    assert [entry.name for entry in found.entries][-1] == "expire"
    assert [entry.operation for entry in found.latest] == [10, 10]


def test_the_book_lets_nothing_go_that_isnt_there() -> None:
    found = bank(("A", "used", D(2026, 1, 5), 10)).reserve("A", "used", 4, **AT)
    for source in ("held", "reserved"):
        with pytest.raises(BadInput, match="must not be more than lot 1 has: 6 free, 4 reserved"):
            found._book.copy().move(DAY, 1, source, "used", 7)


def test_the_time_in_the_common_pool_is_that_of_its_pool() -> None:
    rules = BankRules(
        pools=("used", "new"), common_pool_years=(Dated(5, pools=("used",)), Dated(1, pools=("new",), kinds=("B",)))
    )
    found = Bank(rules).issue("A", "used", 2024, D(2024, 1, 1), 5).deposit("A", "used", 5, on=D(2024, 1, 1), known=DAY)
    assert found.withdraw("A", "used", 5, on=D(2029, 1, 1), known=DAY).free("A", "used") == 5
    with pytest.raises(BadInput):
        found.withdraw("A", "used", 5, on=D(2029, 1, 2), known=DAY)


def test_a_lot_that_was_carried_takes_no_new_credits() -> None:
    from fractions import Fraction

    from cleanfleet.credits import Carry

    rules = BankRules(pools=("a",), carry=always(Carry(Fraction(1, 2))))
    found = (
        Bank(rules).issue("A", "a", 2024, D(2024, 1, 1), 8).carry(2024, known=DAY).issue("A", "a", 2024, D(2024, 1, 1), 3)
    )
    assert {id_: (lot.amount, lot.carried_through) for id_, lot in found.lots.items()} == {1: (4, 2024), 2: (3, None)}
