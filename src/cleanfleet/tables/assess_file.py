"""A file of records through a policy: read, assessed, written, summed up, in batches. The command line and pages call this.

Rows in = rows answered + rows refused: each record of the input stands once in the output, with its number (``row``).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

import polars as pl

from ..law.columns import Refused
from ..law.errors import InputError
from ..law.policy import Policy
from .layout import Layout
from .table import Batch, Table, read
from .writers import Writer, writer

Engine = Literal["polars", "duckdb", "spark"]
ENGINES: tuple[Engine, ...] = ("polars", "duckdb", "spark")
_REFUSAL = "__refusal"
#: How many batches may wait to be assessed, and to be written, so that no thread waits for another's slower one.
WAITING = 2
_T = TypeVar("_T")


@dataclass
class Outcome:
    """What came of a file: counts, totals, the summary table, and where it was written.

    ``statuses``, ``reasons`` and ``flags`` count rows; ``totals`` sums each numeric output over the determined rows;
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
    preview: pl.DataFrame | None = None
    refused: pl.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

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
    files = [Path(file).resolve() for file in (path, out, refused, summary_out) if file is not None]
    if len(set(files)) < len(files):
        raise InputError("the file that is read and those that are written must be different files")
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
    summary = policy.summary() if summarise or summary_out is not None else None
    if summary_out is not None and summary is None:
        raise InputError(f"{policy.id} has no summary to write to {summary_out}")
    also = tuple(summary.needs) if summary is not None else ()
    outcome = Outcome(policy, table, notes=table.notes)
    run = _Run(outcome, engine, also, day.name if day is not None and on is not None else None, on, summary, preview_rows)
    sinks: list[Writer] = []
    try:
        run.main = writer(out, input_columns=table.original_columns) if out is not None else None
        run.keeps_refused = out is not None and out.suffix.lower() == ".xlsx"
        sinks += [run.main] if run.main is not None else []
        run.rejects = writer(refused, input_columns=table.original_columns) if refused is not None else None
        sinks += [run.rejects] if run.rejects is not None else []
        with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
            behind: deque[Future[None]] = deque()
            for batch in _ahead(table.batches(), reading):
                answered, answers = run.assess(batch)
                behind.append(writing.submit(run.write, batch, answered, answers))
                if len(behind) > WAITING:
                    behind.popleft().result()
                if progress is not None:
                    progress(outcome.rows, table.rows)
            for written in behind:
                written.result()
        if summary is not None:
            outcome.summary_name, outcome.summary = summary.name, summary.frame()
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


def _ahead(parts: Iterator[_T], pool: ThreadPoolExecutor) -> Iterator[_T]:
    """The same, with the next parts read while the last one is worked on."""
    done = object()
    waiting = deque(pool.submit(next, parts, done) for _ in range(WAITING))
    while True:
        part: Any = waiting.popleft().result()
        if part is done:
            return
        waiting.append(pool.submit(next, parts, done))
        yield part


class _Run:
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

    def assess(self, batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(the policy's columns as read, the answer columns), row for row; counts them."""
        typed = batch.typed
        if self.day is not None:
            if self.day in typed.columns:
                typed = typed.with_columns(pl.col(self.day).fill_null(self.on))
            else:
                typed = typed.with_columns(pl.lit(self.on, dtype=pl.Date).alias(self.day))
        given = typed.with_columns(batch.refusal.alias(_REFUSAL))
        answers = self._answers(given)
        if batch.flags.null_count() < len(batch.flags):
            joined = pl.concat_str([batch.flags, answers["flags"].cast(pl.String)], separator="; ", ignore_nulls=True)
            answers = answers.with_columns(
                flags=pl.select(pl.when(joined == "").then(None).otherwise(joined)).to_series().cast(pl.Categorical)
            )
        self._count(answers)
        if self.summary is not None:
            texts = [c.name for c in self.policy.inputs if c.kind == "text" and c.name in typed.columns]
            self.summary.add(typed.select(texts).hstack(answers))
        return typed, answers.select(self.names)

    def _answers(self, given: pl.DataFrame) -> pl.DataFrame:
        wanted = [*self.names, *self.also]
        if self.engine == "polars":
            return self.policy.table(self.also).assess(given, _REFUSAL)
        numbered = given.with_row_index("__row")
        if self.engine == "duckdb":
            import duckdb

            self._session = self._session or duckdb.connect()
            relation = self._session.from_arrow(numbered.to_arrow())
            found = self.policy.assess(relation, also=self.also, refusal=_REFUSAL).frame.to_arrow_table()
        else:
            found = self._spark(numbered)
        return pl.DataFrame(pl.from_arrow(found)).sort("__row").select(wanted)

    def _spark(self, numbered: pl.DataFrame) -> Any:
        import tempfile

        import pyarrow.parquet as pq

        if self._session is None:
            self._session = spark_session()
        with tempfile.TemporaryDirectory() as folder:
            numbered.with_columns(pl.col("__row").cast(pl.Int64)).write_parquet(f"{folder}/in.parquet")
            frame = self._session.read.parquet(f"{folder}/in.parquet")
            found = self.policy.assess(frame, also=self.also, refusal=_REFUSAL).frame
            found.write.parquet(f"{folder}/out")
            return pq.read_table(f"{folder}/out")

    def _count(self, answers: pl.DataFrame) -> None:
        outcome = self.outcome
        outcome.rows += answers.height
        for name, counter in (("status", outcome.statuses), ("reason", outcome.reasons), ("flags", outcome.flags)):
            for text, rows in answers[name].value_counts().cast({name: pl.String}).iter_rows():
                for part in [text] if name == "status" else (text or "").split("; "):
                    if part:
                        counter[part] += rows
        numbers = [o for o in self.policy.outputs if answers.schema[o.name].is_numeric()]
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
            head = _plain(head)
            outcome.preview = head if outcome.preview is None else pl.concat([outcome.preview, head], how="vertical_relaxed")
        if (self.rejects is not None or self.keeps_refused) and is_refused.any():
            rows = self._rejected(batch, original, answers, is_refused)
            if self.rejects is not None:
                self.rejects.write(rows)
            if self.main is not None and self.keeps_refused:
                self.main.refused(rows)

    def _rejected(self, batch: Batch, original: pl.DataFrame, answers: pl.DataFrame, where: pl.Series) -> pl.DataFrame:
        cells = original.filter(where)
        reasons = answers["reason"].cast(pl.String).filter(where)
        firsts = batch.first_row.filter(where)
        messages = [
            self.outcome.table.explain(reason or "", row, first)
            for reason, row, first in zip(reasons, batch.original.filter(where).iter_rows(named=True), firsts, strict=True)
        ]
        return pl.DataFrame(
            [batch.row.filter(where), reasons.alias("reason"), pl.Series("message", messages, dtype=pl.String)]
        ).hstack(cells.select(pl.exclude("reason", "message")))

    def close(self) -> None:
        if self._session is not None:
            (self._session.stop if self.engine == "spark" else self._session.close)()


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
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
