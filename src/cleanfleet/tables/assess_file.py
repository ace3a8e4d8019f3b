"""A file of records through a policy: read, assessed, written, summed up, in batches. The command line and pages call this.

Rows in = rows answered + rows refused: each record of the input stands once in the output, with its number (``row``).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

import polars as pl
from pyarrow import parquet

from ..law.columns import Refused
from ..law.errors import InputError
from ..law.policy import Policy
from .layout import Layout
from .table import Batch, Table, read
from .writers import Writer, writer

Engine = Literal["polars", "duckdb", "spark"]
ENGINES: tuple[Engine, ...] = ("polars", "duckdb", "spark")
REFUSAL = "__refusal"
#: The number of a row on its way through an engine that has no order.
ROW = "__row"
#: How many batches may wait to be assessed, and to be written, so that no thread waits for another's slower one.
WAITING = 2
_T = TypeVar("_T")


@dataclass
class Outcome:
    """What came of a file: counts, totals, the summary table, and where it was written.

    ``rows`` counts answers; where several rows of the file make up one record ``read_rows`` counts those. ``statuses``,
    ``reasons`` and ``flags`` count answers; ``totals`` sums each numeric output over the answered rows (but those
    whose sum means nothing);
    ``summed`` is the policy's summary itself, for whoever needs more of it than its table;
    ``preview`` holds the first rows (answers beside the input), all of them where the file is small.
    """

    policy: Policy
    table: Table
    rows: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    totals: dict[str, Decimal] = field(default_factory=dict)
    summary_name: str = ""
    summary: pl.DataFrame | None = None
    summed: Any = None
    preview: pl.DataFrame | None = None
    refused: pl.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    read_rows: int | None = None

    def meanings(self) -> dict[str, str]:
        """What each status, reason and flag that occurred means, in the policy's language; without those it says nothing of."""
        texts = self.policy.texts
        told = [(self.statuses, texts.status), (self.reasons, texts.reason), (self.flags, texts.flag)]
        found = {code: meaning(code) for codes, meaning in told for code in sorted(codes)}
        return {code: meaning for code, meaning in found.items() if meaning}

    @property
    def refused_rows(self) -> int:
        return self.statuses[self.policy.definition.outcome.refused]


def assess_file(
    path: str | Path,
    policy: Policy,
    *,
    layout: Layout | None = None,
    constants: Mapping[str, str] | None = None,
    on: dt.date | None = None,
    engine: Engine = "polars",
    out: Path | None = None,
    refused: Path | None = None,
    summary_out: Path | None = None,
    detail: Path | None = None,
    unique: Sequence[str] = (),
    spill: bool = False,
    summarise: bool = False,
    preview_rows: int = 0,
    progress: Callable[[int, int | None], None] | None = None,
) -> Outcome:
    """Assess the records of ``path``.

    Parameters
    ----------
    layout, constants:
        How the file's columns become the policy's, and values for columns that it lacks.
    on:
        The date for records without one (for the policy's required date column).
    engine:
        ``polars`` (default), ``duckdb`` or ``spark``: the same answers.
    out, refused, summary_out:
        Files to write (CSV, XLSX, Parquet, JSON lines by their suffix): all records with their answers; the refused ones with
        message and original cells; the summary. An XLSX ``out`` has the refused rows and the summary as sheets of its own.
    detail:
        A file for one row for each line that was judged, for policies whose records are groups of rows.
    unique, spill:
        Columns in which a value may stand once only (default: the policy's), and whether a long file's check may use the disk.
    summarise:
        Whether to make the policy's summary (a fleet's year) even where no file is asked for.
    preview_rows:
        How many of the first answered rows to keep in :attr:`Outcome.preview`.
    progress:
        Called with the rows done and the rows in all (None where not known yet).

    Raises :class:`InputError` for a file that can't be used; nothing is written then.
    """
    check_files(path, out, refused, summary_out, detail)
    if detail is not None and policy.groups is None:
        raise InputError(f"{policy.id} answers each row by itself; it has no detail to write to {detail}")
    run = start(
        path, policy, layout=layout, constants=constants, on=on, engine=engine, unique=unique, spill=spill,
        summarise=summarise or summary_out is not None, preview_rows=preview_rows,
    )  # fmt: skip
    outcome, table, summary = run.outcome, run.outcome.table, run.summary
    if summary_out is not None and summary is None:
        raise InputError(f"{policy.id} has no summary to write to {summary_out}")
    if policy.groups is not None:
        from .group_files import assess_group_file

        return assess_group_file(run, policy.groups, out=out, refused=refused, detail=detail, progress=progress)
    sinks: list[Writer] = []
    try:
        run.main = writer(out, input_columns=table.original_columns) if out is not None else None
        run.keeps_refused = out is not None and out.suffix.lower() == ".xlsx"
        sinks += [run.main] if run.main is not None else []
        run.rejects = writer(refused, input_columns=table.original_columns) if refused is not None else None
        sinks += [run.rejects] if run.rejects is not None else []
        with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
            behind: deque[Future[None]] = deque()
            for batch in ahead(table.batches(), reading):
                answered, answers = run.assess(batch)
                behind.append(writing.submit(run.write, batch, answered, answers))
                if len(behind) > WAITING:
                    behind.popleft().result()
                if progress is not None:
                    progress(outcome.rows, table.rows)
            for written in behind:
                written.result()
        if summary is not None:
            outcome.summary_name, outcome.summary, outcome.summed = summary.name, summary.frame(), summary
            if isinstance(run.main, Writer) and out is not None and out.suffix.lower() == ".xlsx":
                run.main.sheet(summary.name, outcome.summary)
            if summary_out is not None:
                with writer(summary_out) as sink:
                    sink.write(outcome.summary)
                outcome.written.append(summary_out)
        for sink in sinks:
            sink.close()
    except BaseException:
        for sink in sinks:
            sink.discard()
        raise
    finally:
        run.close()
    outcome.written += [path for path in (out, refused) if path is not None]
    return outcome


def check_files(*files: str | Path | None) -> None:
    """Raises :class:`InputError` where a file that is read or written is named twice."""
    named = [Path(file).resolve() for file in files if file is not None]
    if len(set(named)) < len(named):
        raise InputError("the file that is read and those that are written must be different files")


def start(
    path: str | Path,
    policy: Policy,
    *,
    layout: Layout | None,
    constants: Mapping[str, str] | None,
    on: dt.date | None,
    engine: Engine,
    unique: Sequence[str],
    spill: bool,
    summarise: bool,
    preview_rows: int,
) -> Run:
    """Open a file for a policy, its options as in :func:`assess_file`; nothing is assessed or written yet."""
    columns = list(policy.inputs)
    day = next((c for c in columns if c.required and c.kind == "date"), None)
    if on is not None:
        if day is None:
            raise InputError(f"{policy.id} has no date column that a date could be given for")
        try:
            day.read(on.isoformat())
        except Refused as error:
            raise InputError(error.message) from None
        columns = [dataclasses.replace(c, required=False) if c is day else c for c in columns]
    checked = tuple(unique) or policy.definition.unique
    table = read(
        path, columns, layout=layout, constants=constants, zone=policy.definition.zone,
        unique=checked, spill=spill,
    )  # fmt: skip
    summary = policy.summary() if summarise else None
    also = tuple(summary.needs) if summary is not None else ()
    outcome = Outcome(policy, table, notes=table.notes)
    return Run(outcome, engine, also, day.name if day is not None and on is not None else None, on, summary, preview_rows)


def ahead(parts: Iterator[_T], pool: ThreadPoolExecutor) -> Iterator[_T]:
    """The same, with the next parts read while the last one is worked on."""
    done = object()
    waiting = deque(pool.submit(next, parts, done) for _ in range(WAITING))
    while True:
        part: Any = waiting.popleft().result()
        if part is done:
            return
        waiting.append(pool.submit(next, parts, done))
        yield part


class Run:
    """One file's way through the policy."""

    def __init__(
        self,
        outcome: Outcome,
        engine: Engine,
        also: tuple[str, ...],
        day: str | None,
        on: dt.date | None,
        summary: Any,
        preview_rows: int,
    ) -> None:
        self.outcome, self.policy, self.engine, self.also = outcome, outcome.policy, engine, also
        self.day, self.on, self.summary, self.preview_rows = day, on, summary, preview_rows
        self.main: Writer | None = None
        self.rejects: Writer | None = None
        self.keeps_refused = False
        self._session: Any = None
        self.names = self.policy.table().names()

    def typed(self, batch: Batch) -> pl.DataFrame:
        """The policy's columns as read, with the date for rows without one."""
        typed = batch.typed
        if self.day is not None:
            if self.day in typed.columns:
                typed = typed.with_columns(pl.col(self.day).fill_null(self.on))
            else:
                typed = typed.with_columns(pl.lit(self.on, dtype=pl.Date).alias(self.day))
        return typed

    def assess(self, batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(the policy's columns as read, the answer columns), row for row; counts them."""
        typed = self.typed(batch)
        given = typed.with_columns(batch.refusal.alias(REFUSAL))
        answers = self._answers(given)
        if batch.flags.null_count() < len(batch.flags):
            joined = pl.concat_str([batch.flags, answers["flags"].cast(pl.String)], separator="; ", ignore_nulls=True)
            answers = answers.with_columns(
                flags=pl.select(pl.when(joined == "").then(None).otherwise(joined)).to_series().cast(pl.Categorical)
            )
        self.count(answers)
        if self.summary is not None:
            texts = [c.name for c in self.policy.inputs if c.kind == "text" and c.name in typed.columns]
            self.summary.add(answers.hstack(typed.select(texts).get_columns()))
        return typed, answers.select(self.names)

    def _answers(self, given: pl.DataFrame) -> pl.DataFrame:
        wanted = [*self.names, *self.also]
        if self.engine == "polars":
            return self.policy.table(self.also).assess(given, REFUSAL)
        with self.frame(given.with_row_index(ROW)) as frame:
            (found,) = self.fetched([self.policy.assess(frame, also=self.also, refusal=REFUSAL).frame])
        return found.sort(ROW).select(wanted)

    @contextmanager
    def frame(self, given: pl.DataFrame) -> Iterator[Any]:
        """The rows as a frame of the engine."""
        if self.engine == "polars":
            yield given
        elif self.engine == "duckdb":
            import duckdb

            self._session = self._session or duckdb.connect()
            yield self._session.from_arrow(given.to_arrow())
        else:
            self._session = self._session or spark_session()
            with tempfile.TemporaryDirectory() as folder:
                self._folder = folder
                given.with_columns(pl.col(ROW).cast(pl.Int64)).write_parquet(f"{folder}/in.parquet")
                yield self._session.read.parquet(f"{folder}/in.parquet")

    def fetched(self, frames: Sequence[Any]) -> list[pl.DataFrame]:
        """Frames of the engine as Polars frames; while :meth:`frame` is open."""
        if self.engine == "polars":
            return list(frames)
        if self.engine == "duckdb":
            return [pl.DataFrame(pl.from_arrow(frame.to_arrow_table())) for frame in frames]
        found = []
        for number, frame in enumerate(frames):
            frame.write.parquet(f"{self._folder}/out{number}")
            found.append(pl.DataFrame(pl.from_arrow(parquet.read_table(f"{self._folder}/out{number}"))))
        return found

    def count(self, answers: pl.DataFrame) -> None:
        """Count the answers and sum their figures."""
        outcome = self.outcome
        outcome.rows += answers.height
        for name, counter in (("status", outcome.statuses), ("reason", outcome.reasons), ("flags", outcome.flags)):
            for text, rows in answers[name].value_counts().cast({name: pl.String}).iter_rows():
                for part in [text] if name == "status" else (text or "").split("; "):
                    if part:
                        counter[part] += rows
        numbers = [o for o in self.policy.outputs if o.total and answers.schema[o.name].is_numeric()]
        words = pl.Series(self.policy.definition.outcome.answered, dtype=answers.schema["status"])
        answered = answers["status"].is_in(words.implode())
        for output in numbers:
            # the integers under the decimals: their sum is exact and takes no check of each
            total = int(answers[output.name].to_physical().cast(pl.Int128).filter(answered).sum())
            nothing = Decimal(0).scaleb(-output.decimals)
            outcome.totals[output.name] = outcome.totals.get(output.name, nothing) + Decimal(total).scaleb(-output.decimals)

    def write(self, batch: Batch, typed: pl.DataFrame, answers: pl.DataFrame) -> None:
        outcome = self.outcome
        wants_preview = self.preview_rows and (outcome.preview is None or outcome.preview.height < self.preview_rows)
        is_refused = answers["status"] == self.policy.definition.outcome.refused
        if self.main is None and self.rejects is None and not wants_preview:
            return
        original = batch.original.rename(
            {name: f"input_{name}" for name in batch.original.columns if name in {*self.names, "row"}}
        )
        added = typed.select([name for name in typed.columns if name not in original.columns])
        whole = pl.DataFrame([batch.row]).hstack(original).hstack(added).hstack(answers)
        if self.main is not None:
            self.main.write(whole)
        if wants_preview:
            head = whole.head(self.preview_rows - (0 if outcome.preview is None else outcome.preview.height))
            head = plain(head)
            outcome.preview = head if outcome.preview is None else pl.concat([outcome.preview, head], how="vertical_relaxed")
        if (self.rejects is not None or self.keeps_refused) and is_refused.any():
            rows = self.rejected(batch, original, answers, is_refused)
            if self.rejects is not None:
                self.rejects.write(rows)
            if self.main is not None and self.keeps_refused:
                self.main.refused(rows)

    def rejected(self, batch: Batch, original: pl.DataFrame, answers: pl.DataFrame, where: pl.Series) -> pl.DataFrame:
        """The refused rows: ``row``, ``reason``, ``message``, and the file's own cells."""
        cells = original.filter(where)
        reasons = answers["reason"].cast(pl.String).filter(where)
        firsts = batch.first_row.filter(where)
        messages = [
            self.outcome.table.explain(reason or "", row, first, texts=self.policy.texts)
            for reason, row, first in zip(reasons, batch.original.filter(where).iter_rows(named=True), firsts, strict=True)
        ]
        return pl.DataFrame(
            [batch.row.filter(where), reasons.alias("reason"), pl.Series("message", messages, dtype=pl.String)]
        ).hstack(cells.select(pl.exclude("reason", "message")))

    def close(self) -> None:
        if self._session is not None:
            (self._session.stop if self.engine == "spark" else self._session.close)()


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Words and reasons as plain texts."""
    import polars.selectors as cs

    return frame.with_columns((cs.categorical() | cs.enum()).cast(pl.String))


def spark_session() -> Any:
    """A local Spark session on all cores; raises :class:`InputError` where PySpark or Java is missing."""
    import os
    import shutil
    import sys

    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise InputError("the engine spark needs PySpark: pip install 'cleanfleet[spark]'") from None
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise InputError("the engine spark needs Java 17 or newer on PATH (or JAVA_HOME)")
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the workers assess with this very cleanfleet
    builder: Any = SparkSession.builder
    return (
        builder.master(os.environ.get("SPARK_MASTER", "local[*]"))
        .appName("cleanfleet")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
