"""The block machine: equal steps are one step, scalars fill their column, block borders don't show."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from cleanfleet.law import blocks, cells, frames
from cleanfleet.law.blocks import Machine
from cleanfleet.law.cells import Cell
from cleanfleet.law.columns import Column
from cleanfleet.law.doors import Entered
from cleanfleet.law.policy import Policy
from cleanfleet.law.program import _input

Scheme = Callable[..., Policy]

N = _input(Column("n", "integer", unit="1", minimum=Decimal(-1000), maximum=Decimal(1000)))
M = _input(Column("m", "integer", unit="1", minimum=Decimal(1), maximum=Decimal(1000)))
YES = _input(Column("yes", "boolean"))


def run(wanted: list[Cell], rows: int, **columns: Any) -> list[Any]:
    return [part.tolist() for part in Machine(wanted).run(rows, lambda cell: columns[cell.data.name])]


def test_the_same_operation_on_the_same_cells_is_one_step() -> None:
    wanted = [N + M, (N + M) * 2, cells.maximum(N + M, 0)]
    machine = Machine(wanted)
    assert [cell.op for _, cell, _ in machine.steps].count("add") == 1
    assert run(wanted, 2, n=np.array([1, -9]), m=np.array([2, 3])) == [[3, -6], [6, -12], [3, 0]]


def test_a_cell_wanted_twice_comes_twice() -> None:
    assert run([N, N], 2, n=np.array([4, 5])) == [[4, 5], [4, 5]]


def test_a_result_that_later_steps_use_is_kept() -> None:
    assert run([N + 1, (N + 1) * 2], 1, n=np.array([4])) == [[5], [10]]


def test_steps_that_are_no_longer_needed_are_dropped() -> None:
    machine = Machine([((N + 1) * 2) - M])
    dropped = [need for drops in machine.drops for need in drops]
    assert len(dropped) == len(set(dropped)) == len(machine.steps) - 1


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_one_integer_for_a_whole_column_fills_it(rows: int) -> None:
    wanted = [N, N + M, N < M, cells.choose(YES, N, M), cells.truncate_div(N, M), YES & (N < M), ~YES]
    found = run(wanted, rows, n=-7, m=2, yes=1)
    assert found == [[-7] * rows, [-5] * rows, [True] * rows, [-7] * rows, [-3] * rows, [True] * rows, [False] * rows]


def test_constants_fill_the_column_with_their_own_type() -> None:
    true, false, five = Machine([cells.TRUE, cells.FALSE, cells.cell(5)]).run(3, lambda _: 0)
    assert (true.dtype, false.dtype, five.dtype) == (bool, bool, np.int64)
    assert (true.tolist(), false.tolist(), five.tolist()) == ([True] * 3, [False] * 3, [5] * 3)


def test_truncation_and_floor_differ_below_zero() -> None:
    column = np.array([-7, -6, -1, 0, 1, 7])
    assert run([cells.truncate_div(N, 2), cells.floor_div(N, 2), cells.half_up_div(N, 2)], 6, n=column) == [
        [-3, -3, 0, 0, 0, 3],
        [-4, -3, -1, 0, 0, 3],
        [-3, -3, 0, 0, 1, 4],
    ]


def test_nothing_wanted_is_nothing_computed() -> None:
    assert Machine([]).run(5, lambda _: 0) == []


@pytest.mark.parametrize("block", [1, 2, 7, 100])
def test_block_borders_do_not_show(monkeypatch: pytest.MonkeyPatch, scheme: Scheme, block: int) -> None:
    policy = scheme()
    wanted = [policy.program.rules["over"], policy.program.rules["band"], policy.program.status_cell]
    rows = 20
    entered = Entered(rows)
    for name, cell in policy.program.inputs.items():
        column = np.arange(rows) * 100 + 10_000 if name == "noise" else 20240501 if name == "day" else cell.data.fill
        entered.values[name], entered.absent[name] = column, np.arange(rows) % 3 == 0 if name == "noise" else False
    entered.absent[""] = False
    whole = frames.TableProgram._compute(Machine(wanted), entered)
    monkeypatch.setattr(frames, "BLOCK", block)
    parts = frames.TableProgram._compute(Machine(wanted), entered)
    for a, b in zip(whole, parts, strict=True):
        assert a.tolist() == b.tolist()
        assert a.dtype == b.dtype


def test_the_table_cache_does_not_mix_up_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_tables", {})
    for number in range(5000):
        data = (number, number + 1)
        assert blocks._table(data, np.int64).tolist() == [number, number + 1]
    assert len(blocks._tables) <= 4097
