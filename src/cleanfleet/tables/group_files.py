"""A file whose records are groups of rows through a policy. All rows are read first: a group's rows may stand anywhere.

Rows in = the ``rows`` of all groups: each row counts in the answer of its group, and each row of a refused group stands among
the refused ones, with its own cells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import polars as pl

from ..law.errors import InputError
from ..law.grouped import Grouped
from ..law.texts import Texts
from .assess_file import REFUSAL, ROW, Outcome, Run, plain
from .writers import Writer, writer


def assess_group_file(
    run: Run,
    grouped: Grouped,
    *,
    out: Path | None,
    refused: Path | None,
    detail: Path | None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Outcome:
    """The groups of the file that ``run`` was made for; see :func:`.assess_file.assess_file`."""
    outcome, group, table = run.outcome, grouped.group, run.outcome.table
    if run.engine == "spark":
        raise InputError(f"{run.policy.id} answers groups of rows, which the engine spark can't; use polars or duckdb")
    sinks: list[Writer] = []
    try:
        main = writer(out, input_columns=grouped.names()) if out is not None else None
        sinks += [main] if main is not None else []
        rejects = writer(refused, input_columns=table.original_columns) if refused is not None else None
        sinks += [rejects] if rejects is not None else []
        lines = writer(detail, input_columns=grouped.detail_names()) if detail is not None else None
        sinks += [lines] if lines is not None else []
        typed, original = _all(run, progress)
        keeps_refused = main is not None and out is not None and out.suffix.lower() == ".xlsx"
        with run.frame(typed) as frame:
            found = run.policy.assess(frame, refusal=REFUSAL, detail=lines is not None, first=ROW)
            wanted = [found.frame, *([found.detail] if lines is not None else [])]
            groups, *details = run.fetched(wanted)
            groups = groups.sort(ROW).select(pl.col(ROW).cast(pl.Int64).alias("row"), pl.exclude(ROW))
            outcome.read_rows = typed.height
            run.count(groups)
            if rejects is not None or keeps_refused:
                rows = _refused(run, grouped, run.fetched([_narrow(found.rows, group.by)])[0], groups, original)
                if rejects is not None:
                    rejects.write(rows)
                if main is not None and keeps_refused:
                    main.refused(rows)
        if main is not None:
            main.write(groups)
        if lines is not None:
            lines.write(_sorted(details[0], groups, grouped))
        if run.preview_rows:
            outcome.preview = plain(groups.head(run.preview_rows))
        for sink in sinks:
            sink.close()
    except BaseException:
        for sink in sinks:
            sink.discard()
        raise
    finally:
        run.close()
    outcome.written += [path for path in (out, refused, detail) if path is not None]
    return outcome


def _all(run: Run, progress: Callable[[int, int | None], None] | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(typed rows with their numbers and refusals, original rows), the whole file."""
    typed: list[pl.DataFrame] = []
    original: list[pl.DataFrame] = []
    rows = 0
    for batch in run.outcome.table.batches():
        typed.append(
            plain(run.typed(batch)).with_columns(
                batch.refusal.alias(REFUSAL), batch.row.alias(ROW), batch.first_row.alias("__first")
            )
        )
        original.append(batch.original)
        rows += batch.row.len()
        if progress is not None:
            progress(rows, run.outcome.table.rows)
    whole = pl.concat(typed, how="vertical_relaxed")
    firsts = whole["__first"]
    return whole.drop("__first"), pl.concat(original, how="vertical_relaxed").with_columns(firsts)


def _narrow(rows: object, by: str) -> object:
    import narwhals.stable.v2 as nw

    found = nw.from_native(rows)  # type: ignore[call-overload]
    return found.select(ROW, by, nw.col("status").cast(nw.String), nw.col("reason").cast(nw.String)).to_native()


def _refused(run: Run, grouped: Grouped, rows: pl.DataFrame, groups: pl.DataFrame, original: pl.DataFrame) -> pl.DataFrame:
    """Each row of a refused group: its own reason, or that of its group where another row is to blame."""
    by, table = grouped.group.by, run.outcome.table
    whole = groups.filter(pl.col("status") == grouped.refused).select(by, pl.col("reason").alias("whole"))
    hit = rows.sort(ROW).with_row_index("__place").join(whole, on=by, how="inner", nulls_equal=True, maintain_order="left")
    own = run.policy.definition.outcome.refused
    cells = original[hit["__place"].to_list()] if hit.height else original.clear()
    reasons: list[str] = []
    messages: list[str] = []
    texts, told_group = run.policy.texts, _meanings(grouped, run.policy.texts)
    texts = dataclasses.replace(texts, checks={**texts.checks, **told_group})
    shared = {f"duplicate:{grouped.group.once}", f"missing:{by}", *(f"contradiction:{n}" for n in grouped.group.same)}
    for row, line in zip(hit.iter_rows(named=True), cells.iter_rows(named=True), strict=True):
        told = row["reason"] or "" if row["status"] == own else ""
        parts = [part for part in told.split("; ") if part]
        parts += [part for part in (row["whole"] or "").split("; ") if part in shared and part not in parts]
        if parts:
            messages.append(table.explain("; ".join(parts), line, line["__first"], texts=texts))
        else:
            parts = [row["whole"]]
            messages.append(
                texts.say(
                    "Another row of {by} {name} is refused ({reason}), and with it the whole {by}.",
                    by=by, name=row[by], reason=row["whole"],
                )
            )  # fmt: skip
        reasons.append("; ".join(parts))
    return pl.DataFrame(
        [hit[ROW].cast(pl.Int64).alias("row"), pl.Series("reason", reasons, dtype=pl.String),
         pl.Series("message", messages, dtype=pl.String)]
    ).hstack(cells.drop("__first").select(pl.exclude("row", "reason", "message")))  # fmt: skip


def _meanings(grouped: Grouped, texts: Texts) -> dict[str, str]:
    """What the reasons of a group mean, for the sentence about a row."""
    by, same = grouped.group.by, grouped.group.same
    differs = texts.say("is not what another row of the same {by} says", by=by)
    return {
        **dict.fromkeys((f"contradiction:{name}" for name in same), differs),
        f"duplicate:{grouped.group.once}": texts.say("stands in more than one row of the same {by}", by=by),
        f"missing:{by}": texts.say("is empty, so that nobody knows what rows belong together"),
    }


def _sorted(lines: pl.DataFrame, groups: pl.DataFrame, grouped: Grouped) -> pl.DataFrame:
    """In the order of the file's groups, then as the policy lists what is judged."""
    group = grouped.group
    order = {line.name: place for place, line in enumerate(group.lines)}
    once = {word: place for place, word in enumerate(group.words)}
    return (
        lines.join(groups.select(group.by, "row"), on=group.by, how="left")
        .with_columns(
            __once=pl.col(group.once).replace_strict(once, default=len(once), return_dtype=pl.Int64),
            __line=pl.col(group.column).replace_strict(order, return_dtype=pl.Int64),
        )
        .sort("row", "__once", "__line")
        .drop("row", "__once", "__line")
    )
