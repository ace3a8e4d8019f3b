"""A file of records through several policies at once: read by each in its own way, written once with all answers.

Rows in = rows out: each record stands once in the output with the status that each policy gives it. How the answer columns
are named: :func:`cleanfleet.law.together.answer_names`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import polars.selectors as cs

from ..law.errors import InputError, near
from ..law.policy import Policy
from ..law.together import answer_names
from .assess_file import Engine, Outcome, Run, ahead, check_files, start
from .layout import Layout
from .matching import unused_note
from .table import Batch
from .writers import Writer, writer

#: What one batch comes to under one policy: the batch as that policy read it, its columns typed, its answers.
_Part = tuple[Batch, pl.DataFrame, pl.DataFrame]


@dataclass
class Together:
    """What came of a file under several policies: ``outcomes`` in their order, ``names`` of the answer columns (policy id ->
    own name -> name in the file), the first rows with all answers, and what was written."""

    outcomes: list[Outcome]
    names: dict[str, dict[str, str]]
    preview: pl.DataFrame | None = None
    written: list[Path] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.outcomes[0].rows

    @property
    def refused_rows(self) -> int:
        """Refusals of all policies; a row that two of them refuse counts twice."""
        return sum(outcome.refused_rows for outcome in self.outcomes)


def assess_file_together(
    path: str | Path,
    policies: Sequence[Policy],
    *,
    layout: Layout | None = None,
    constants: Mapping[str, str] | None = None,
    on: dt.date | None = None,
    engine: Engine = "polars",
    out: Path | None = None,
    refused: Path | None = None,
    summary_out: Path | None = None,
    unique: Sequence[str] = (),
    spill: bool = False,
    summarise: bool = False,
    preview_rows: int = 0,
    progress: Callable[[int, int | None], None] | None = None,
) -> Together:
    """Assess the records of ``path`` by several policies.

    Parameters are those of :func:`~.assess_file.assess_file`. A layout's and a constant's column counts for each policy that
    has it and must be one of at least one; ``on`` is for each policy's own date column. ``refused`` has one line for each row and
    policy that refuses it, with the column ``policy``. ``summary_out`` needs exactly one policy with a summary.

    Raises :class:`InputError` for a file that can't be used by one of them; nothing is written then.
    """
    for policy in policies:
        if policy.groups is not None:
            raise InputError(f"{policy.id} answers groups of rows; a file goes through it alone")
    names = answer_names(policies)
    check_files(path, out, refused, summary_out)
    constants = dict(constants or {})
    for name in [*constants, *unique]:
        _known(name, policies)
    runs: list[Run] = []
    for policy in policies:
        own = {column.name for column in policy.inputs}
        runs.append(
            start(
                path, policy, layout=None if layout is None else _restricted(layout, own), on=on, engine=engine, spill=spill,
                constants={name: text for name, text in constants.items() if name in own},
                unique=[name for name in unique if name in own], summarise=summarise or summary_out is not None,
                preview_rows=preview_rows,
            )
        )  # fmt: skip
    found = Together([run.outcome for run in runs], names)
    _note_unused(runs)
    having = [run for run in runs if run.summary is not None]
    if summary_out is not None and len(having) != 1:
        raise InputError(f"{summary_out} takes the summary of one policy; {len(having)} of these have one")
    job = _Job(found, runs, preview_rows)
    originals = runs[0].outcome.table.original_columns
    sinks: list[Writer] = []
    try:
        if out is not None:
            sinks.append(writer(out, input_columns=originals))
            job.main, job.keeps_refused = sinks[-1], out.suffix.lower() == ".xlsx"
        if refused is not None:
            sinks.append(writer(refused, input_columns=originals))
            job.rejects = sinks[-1]
        with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
            behind: Future[None] | None = None
            for batches in ahead(_in_step(runs), reading):
                parts = [(batch, *run.assess(batch)) for run, batch in zip(runs, batches, strict=True)]
                if behind is not None:
                    behind.result()
                behind = writing.submit(job.write, parts)
                if progress is not None:
                    progress(found.rows, runs[0].outcome.table.rows)
            if behind is not None:
                behind.result()
        for number, run in enumerate(having):
            assert run.summary is not None
            run.outcome.summary_name, run.outcome.summary = run.summary.name, run.summary.frame()
            if job.main is not None and job.keeps_refused:
                job.main.sheet(f"{run.summary.name} {number + 1}" if number else run.summary.name, run.outcome.summary)
            if summary_out is not None:
                with writer(summary_out) as sink:
                    sink.write(run.outcome.summary)
                found.written.append(summary_out)
        for sink in sinks:
            sink.close()
    except BaseException:
        for sink in sinks:
            sink.discard()
        raise
    finally:
        for run in runs:
            run.close()
    found.written += [path for path in (out, refused) if path is not None]
    return found


def _known(name: str, policies: Sequence[Policy]) -> None:
    every = list(dict.fromkeys(column.name for policy in policies for column in policy.inputs))
    if name not in every:
        raise InputError(f"no policy here has a column {name!r}; {near(name, every)}")


def _note_unused(runs: Sequence[Run]) -> None:
    """Say of each policy which columns no policy uses, rather than which ones it doesn't use itself."""
    tables = [run.outcome.table for run in runs]
    nobodys = [name for name in tables[0].unused if all(name in table.unused for table in tables)]
    for run, table in zip(runs, tables, strict=True):
        own = unused_note(table.unused)
        run.outcome.notes = [note for note in table.notes if note not in own] + unused_note(nobodys)


def _restricted(layout: Layout, own: set[str]) -> Layout:
    """The part of a layout that is about a policy's own columns."""
    found = dataclasses.replace(layout, mapped=layout.mapped & own)
    for name in ("columns", "constants", "values", "empty_in", "dates"):
        setattr(found, name, {ours: entry for ours, entry in getattr(layout, name).items() if ours in own})
    for name in ("not_unique", "absent"):
        setattr(found, name, [ours for ours in getattr(layout, name) if ours in own])
    return found


def _in_step(runs: Sequence[Run]) -> Iterator[tuple[Batch, ...]]:
    """The same part of the file as each policy reads it; a file's batches don't depend on the policy."""
    for batches in zip(*(run.outcome.table.batches() for run in runs), strict=True):
        if any(not batch.row.equals(batches[0].row) for batch in batches):
            raise InputError(f"{runs[0].outcome.table.path}: was changed while it was read")
        yield batches


class _Job:
    """Writes what the policies say of each part of the file."""

    def __init__(self, found: Together, runs: Sequence[Run], preview_rows: int) -> None:
        self.found, self.runs, self.preview_rows = found, runs, preview_rows
        self.main: Writer | None = None
        self.rejects: Writer | None = None
        self.keeps_refused = False

    def write(self, parts: Sequence[_Part]) -> None:
        for run, part in zip(self.runs, parts, strict=True):
            run.write(*part)  # its own preview
        preview = self.found.preview
        lacking = self.preview_rows - (0 if preview is None else preview.height)
        if self.main is None and self.rejects is None and lacking <= 0:
            return
        answers = [part[2].rename(self.found.names[run.policy.id]) for run, part in zip(self.runs, parts, strict=True)]
        taken = {name for frame in answers for name in frame.columns} | {"row"}
        batch = parts[0][0]
        original = batch.original.rename({name: f"input_{name}" for name in batch.original.columns if name in taken})
        whole = pl.DataFrame([batch.row]).hstack(original)
        for _, typed, _ in parts:
            whole = whole.hstack(typed.select([name for name in typed.columns if name not in whole.columns]))
        for frame in answers:
            whole = whole.hstack(frame)
        if self.main is not None:
            self.main.write(whole)
        if lacking > 0:
            head = whole.head(lacking).with_columns((cs.categorical() | cs.enum()).cast(pl.String))
            self.found.preview = head if preview is None else pl.concat([preview, head], how="vertical_relaxed")
        if self.rejects is not None or self.keeps_refused:
            self._reject(parts, original)

    def _reject(self, parts: Sequence[_Part], original: pl.DataFrame) -> None:
        rows: list[pl.DataFrame] = []
        original = original.rename({"policy": "input_policy"}, strict=False)
        for run, (batch, _, answers) in zip(self.runs, parts, strict=True):
            where = answers["status"] == run.policy.definition.outcome.refused
            if where.any():
                mine = run.rejected(batch, original, answers, where)
                rows.append(mine.insert_column(1, pl.lit(run.policy.id).alias("policy")))
        if rows:
            together = pl.concat(rows).sort("row", maintain_order=True)
            if self.rejects is not None:
                self.rejects.write(together)
            if self.main is not None and self.keeps_refused:
                self.main.refused(together)
