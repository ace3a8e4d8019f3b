"""Whole tables on Polars: doors, blocks, doors. The same answers as one record at a time (:mod:`.records`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from . import doors
from .answers import AnswerColumn, dtype_of_answer, texts
from .blocks import BLOCK, Array, Machine
from .cells import Cell
from .errors import InputError, near
from .flags import Flags
from .program import Program

#: Rows that are entered, computed and shown at a time, a multiple of 8; each stretch is independent of the others.
STRETCH = 1 << 17
#: So many different reasons or flags fit into the bits of one integer, beside the word of a reason.
_BITS = 48
#: The names of the columns that every answer has.
ANSWER = ("status", "reason", "flags")


class TableProgram:
    """A program made ready for whole tables; ``also`` names further rules to give as columns (with their own decimals)."""

    def __init__(self, program: Program, also: Sequence[str] = ()) -> None:
        self.program = program
        self.also = tuple(also)
        for name in self.also:
            if name not in program.rules:
                raise InputError(f"{program.definition.id} has no rule {name!r}; {near(name, list(program.rules))}")
        twice = [name for name in self.names() if self.names().count(name) > 1]
        if twice:
            raise InputError(f"{twice[0]} is a column of the answer already")
        p = program
        self.cells: list[Cell] = [p.status_cell, p.reason_cell, *p.check_cells.values()]
        self.cells += [*p.flag_cells.values(), *p.output_cells.values(), *p.shows_cells.values()]
        self.also_cells = [p.rules[name] for name in self.also]
        self.cells += self.also_cells + [p.flags.missing(cell) for cell in self.also_cells]
        self.machine = Machine(self.cells)
        # The names of what is missing are worked out only for the rows that lack something.
        self.names_machine = Machine(list(p.missing_cells.values()))
        outputs = zip(p.output_cells.values(), p.definition.outputs, strict=True)
        self.dtypes: dict[str, pl.DataType] = {
            "status": pl.Enum(p.status_cell.words), "reason": pl.Categorical(), "flags": pl.Categorical(),
            **{output.name: dtype_of_answer(cell, output.decimals) for cell, output in outputs},
            **{name: dtype_of_answer(p.rules[name], p.rules[name].decimals) for name in self.also},
        }  # fmt: skip
        self._learned: dict[str, doors.Words] = {}
        self.open_code = p.status_cell.words.index(program.definition.outcome.undetermined)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to assess: the steps and the columns, without the law's text and functions."""
        p = self.program
        definition = replace(p.definition, header={}, sources={}, values={}, rules={})
        program = replace(
            p, definition=definition, overlays=(), rules={}, values={}, used=set(), variants={}, flags=Flags()
        )  # fmt: skip
        return {**self.__dict__, "program": program, "_learned": {}}

    def names(self) -> list[str]:
        return [*ANSWER, *(output.name for output in self.program.definition.outputs), *self.also]

    def schema(self) -> dict[str, pl.DataType]:
        """The columns added to the input's, with their Polars types."""
        return dict(self.dtypes)

    def check(self, given: pl.Schema, refusal: str | None) -> None:
        """Raises :class:`InputError` where a table of these columns can't be used."""
        d = self.program.definition
        doors.check_types(given, d.inputs, d.id)
        if refusal is not None and refusal not in given:
            raise InputError(f"the table has no column {refusal}; {near(refusal, list(given))}")

    def assess(self, frame: pl.DataFrame, refusal: str | None = None, threads: int = 2) -> pl.DataFrame:
        """The answer columns for ``frame``, row for row.

        ``refusal`` names a text column with reasons that a reader of files already has against a row.
        """
        self.check(frame.schema, refusal)
        wanted = [name for name in (*self.program.inputs, refusal) if name is not None and name in frame.columns]
        narrow = frame.select(wanted or frame.columns[:1])  # one column at least, so that the rows stay
        answers = {name: AnswerColumn(frame.height, dtype) for name, dtype in self.dtypes.items()}
        starts = range(0, max(frame.height, 1), STRETCH)
        if len(starts) == 1:
            self._stretch(narrow, refusal, answers, 0)
        else:
            with ThreadPoolExecutor(threads) as pool:
                for done in [
                    pool.submit(self._stretch, narrow.slice(start, STRETCH), refusal, answers, start) for start in starts
                ]:
                    done.result()
        return pl.DataFrame({name: column.series() for name, column in answers.items()})

    def _stretch(self, frame: pl.DataFrame, refusal: str | None, answers: dict[str, AnswerColumn], start: int) -> None:
        """Some of the rows, from the doors in to the answer columns."""
        entered = doors.enter(frame, self.program.inputs, self.program.definition.zone, self._learned)
        told = frame[refusal] if refusal is not None else None
        stopped: Array | bool = False
        for where in entered.refused.values():
            stopped = where if stopped is False else stopped | where
        if told is not None and told.null_count() < len(told):
            read = told.is_not_null().to_numpy()
            stopped = read if stopped is False else stopped | read
        entered.absent[""] = stopped
        found = self._compute(self.machine, entered)
        undetermined = np.flatnonzero(found[0] == self.open_code)
        missing: list[tuple[str, Array]] = []
        if len(undetermined):
            few = self._compute(self.names_machine, entered.only(undetermined))
            for name, where in zip(self.program.missing_cells, few, strict=True):
                if where.any():
                    whole = np.zeros(entered.rows, dtype=bool)
                    whole[undetermined] = where
                    missing.append((f"missing:{name}", whole))
        self._show(found, entered, told, missing, answers, start)

    @staticmethod
    def _compute(machine: Machine, entered: doors.Entered) -> list[Array]:
        rows = entered.rows
        results: list[Array] | None = None
        for start in range(0, max(rows, 1), BLOCK):
            stop = min(start + BLOCK, rows)

            def source(cell: Cell, start: int = start, stop: int = stop) -> Any:
                held = entered.values[cell.data.name] if cell.op == "input" else entered.absent[cell.data]
                return held[start:stop] if isinstance(held, np.ndarray) else held

            block = machine.run(stop - start, source)
            if results is None:
                if stop == rows:
                    return block
                results = [np.empty(rows, dtype=part.dtype) for part in block]
            for whole, part in zip(results, block, strict=True):
                whole[start:stop] = part
        assert results is not None
        return results

    def _show(
        self,
        found: list[Array],
        entered: doors.Entered,
        told: pl.Series | None,
        missing: list[tuple[str, Array]],
        answers: dict[str, AnswerColumn],
        start: int,
    ) -> None:
        p = self.program
        rest = iter(found)
        status, reason = next(rest), next(rest)
        checks = [next(rest) for _ in p.check_cells]
        flags = [next(rest) for _ in p.flag_cells]
        outputs = [next(rest) for _ in p.output_cells]
        shows = [next(rest) for _ in p.shows_cells]
        also = [next(rest) for _ in self.also]
        lacking = [next(rest) for _ in self.also]
        answers["status"].put(start, status, np.ones(entered.rows, dtype=bool))
        bits = [*entered.refused.items(), *zip(p.check_cells, checks, strict=True), *missing]
        answers["reason"].put_texts(start, _reasons(reason, p.reason_cell.words, bits, told))
        marked = _codes(list(zip(p.flag_cells, flags, strict=True)), entered.rows)
        answers["flags"].put_texts(start, texts(*marked))
        outputs_of = zip(p.definition.outputs, p.output_cells.values(), outputs, shows, strict=True)
        for output, cell, values, valid in outputs_of:
            _put(answers[output.name], start, cell, values, valid, output.decimals)
        for name, cell, values, absent in zip(self.also, self.also_cells, also, lacking, strict=True):
            _put(answers[name], start, cell, values, ~absent, cell.decimals)


def _put(column: AnswerColumn, start: int, cell: Cell, values: Array, valid: Array, places: int) -> None:
    if cell.kind == "date":
        column.put_dates(start, values, valid)
    else:
        more = places - cell.decimals if cell.kind == "number" else 0
        column.put(start, values * 10**more if more > 0 else values, valid)


def _codes(bits: list[tuple[str, Array]], rows: int) -> tuple[Array, Callable[[int], str]]:
    """Which bits are set, as one integer a row, and the text for such an integer."""
    present = [(name, where) for name, where in bits if where.any()]
    if len(present) > _BITS:
        sets, codes = np.unique(np.column_stack([where.astype(bool) for _, where in present]), axis=0, return_inverse=True)
        return codes, lambda code: "; ".join(name for (name, _), here in zip(present, sets[code], strict=True) if here)
    size = len(present)
    narrow: Any = np.uint8 if size <= 8 else np.uint16 if size <= 16 else np.uint32 if size <= 32 else np.int64
    codes = np.zeros(rows, dtype=narrow)
    for i, (_, where) in enumerate(present):
        codes += where.astype(bool, copy=False).view(np.uint8) * narrow(1 << i)
    return codes, lambda code: "; ".join(name for i, (name, _) in enumerate(present) if code >> i & 1)


def _reasons(word: Array, words: Sequence[str], bits: list[tuple[str, Array]], told: pl.Series | None) -> pl.Series:
    codes, told_by = _codes(bits, len(word))
    # Few rows have reasons from bits: those are numbered after the words.
    special = np.flatnonzero(codes)
    sets, inverse = np.unique(codes[special], return_inverse=True)
    combined = word.astype(np.uint32)
    combined[special] = len(words) + inverse

    def text(code: int) -> str:
        return told_by(int(sets[code - len(words)])) if code >= len(words) else words[code]

    reasons = texts(combined, text)
    if told is None or told.null_count() == len(told):
        return reasons
    own = reasons.cast(pl.String)
    both = pl.select(
        pl.when(told.is_null())
        .then(own)
        .when(own.is_null())
        .then(told)
        .otherwise(pl.concat_str([told, own], separator="; "))
    ).to_series()
    return both.cast(pl.Categorical)
