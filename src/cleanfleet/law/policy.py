"""The public shape of a policy: ``load`` one, then ``assess`` a table, answer ``one`` record, ``explain`` it."""

from __future__ import annotations

import bisect
import datetime as dt
import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from . import records
from .columns import Column
from .definition import Definition, Output
from .errors import InputError, LawError, UnknownName, near
from .explain import Explanation, GroupExplanation, explain, explain_group
from .frames import TableProgram
from .grouped import Grouped
from .program import Program, compile_program
from .texts import Texts, check_messages, choose_language
from .values import Overlay, Record, date_number


class Policy:
    """One scheme under one reading of the law: as known on a day, with overlays, readings and a least grade.

    Made by :func:`cleanfleet.policies.load`. ``inputs`` and ``outputs`` list the columns; ``texts`` says what names and codes
    mean, in one language; ``at`` gives the same scheme under another reading.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        known: dt.date | str | None = None,
        values: Iterable[str | Path | Overlay] = (),
        readings: Mapping[str, str] | None = None,
        min_grade: str | None = None,
        language: str | None = None,
    ) -> None:
        self.definition = definition
        self.texts: Texts = definition.texts[choose_language(definition, language)]
        self._how: dict[str, Any] = {
            "values": tuple(values), "readings": dict(readings or {}), "min_grade": min_grade, "language": language,
        }  # fmt: skip
        overlays = [value if isinstance(value, Overlay) else definition.overlay(value) for value in self._how["values"]]
        self.known = _day(known) if known is not None else dt.datetime.now(ZoneInfo(definition.zone)).date()
        self.program: Program = compile_program(
            definition, known=self.known, overlays=overlays, readings=readings, min_grade=min_grade
        )
        check_messages(definition.texts, self.program)
        self._tables: dict[tuple[str, ...], TableProgram] = {}
        #: How rows make up a record, for a scheme whose records are groups of rows; None for any other.
        self.groups: Grouped | None = None if definition.group is None else Grouped(self.program)

    def __repr__(self) -> str:
        return f"<Policy {self.id} as known on {self.known}>"

    @property
    def id(self) -> str:
        return self.definition.id

    @property
    def title(self) -> str:
        return self.texts.title

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The input columns: name, kind, unit, range, allowed values, whether required."""
        return self.definition.inputs

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The output columns beside ``status``, ``reason`` and ``flags``."""
        return self.definition.outputs

    @cached_property
    def digest(self) -> str:
        """A digest of all values and formulas that count; the same digest gives the same statuses and figures (marks apart)."""
        return self.program.digest()

    def at(self, *, known: dt.date | str | None = None, **how: Any) -> Policy:
        """The same scheme under another reading: ``known``, ``values``, ``readings``, ``min_grade``; or ``language``."""
        return Policy(self.definition, known=self.known if known is None else known, **{**self._how, **how})

    def table(self, also: Sequence[str] = ()) -> TableProgram:
        key = tuple(also)
        if key not in self._tables:
            self._tables[key] = TableProgram(self.program, key)
        return self._tables[key]

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The answer columns of :meth:`assess` on Polars: name -> type (for groups of rows those of a row)."""
        return self.table().schema()

    @property
    def names(self) -> list[str]:
        """The columns that :meth:`assess` adds; for groups of rows all columns that it gives."""
        return self.table().names() if self.groups is None else self.groups.names()

    def assess(
        self,
        frame: Any,
        *,
        also: Sequence[str] = (),
        refusal: str | None = None,
        detail: bool = False,
        first: str | None = None,
    ) -> Assessment:
        """Assess a whole table.

        Where the scheme's records are groups of rows (``definition.group``) the answer has one row for each group: its key,
        ``rows`` (how many rows it has), what is said alike in them, then ``status`` and so on; see :mod:`.groups`.

        Parameters
        ----------
        frame:
            A Polars DataFrame or LazyFrame, a pandas DataFrame, a PyArrow table, a DuckDB relation, a PySpark DataFrame, or
            any lazy frame that Narwhals knows. Its columns are those of :attr:`inputs` by name, in their units; required
            ones must be there, all others may be absent. Other columns pass through untouched.
        also:
            Names of further rules to give as columns, with their own decimals.
        refusal:
            Name of a text column with reasons that a reader of files already holds against a row (null = none).
        detail:
            Groups only: whether to give one row for each line that was judged, as ``detail`` of the result.
        first:
            Groups only: name of a column whose least value in each group is given, too (the number of its first row).

        Returns
        -------
        Assessment
            ``frame`` is of the same kind as the one given, in the same order where the engine has an order, with these
            columns added: ``status``; ``reason`` (reason codes joined by '; ': ``code:column`` for a refused cell,
            ``missing:name``, or why the row is outside the policy); ``flags`` (joined by '; '); then :attr:`outputs`, exact
            decimals in their units, null where they aren't determined.

        Raises
        ------
        InputError
            Where the table as a whole can't be used: a required column is missing or a column has a type that can't be read.
            A bad cell raises nothing: its row is ``refused``.

        Source of every number: the records of the policy's ``values/``, shown by :meth:`explain`.
        """
        if self.groups is not None:
            if also:
                raise InputError(f"{self.id} answers groups of rows; further rules can't be given as columns")
            return _assessed_groups(self, self.groups, frame, refusal, detail, first)
        if detail or first is not None:
            raise InputError(f"{self.id} answers each row by itself; it has no lines to tell in detail")
        clash = [name for name in self.table(also).names() if name in _columns(frame)]
        if clash:
            raise InputError(f"the table already has the answer column{'s' if len(clash) > 1 else ''} {', '.join(clash)}")
        return Assessment(self, _assessed(self, frame, tuple(also), refusal))

    def _rows(self, record: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The rows of one record (one, unless the scheme's records are groups), their columns checked."""
        rows = [record] if isinstance(record, Mapping) else list(record)
        if self.groups is None and not isinstance(record, Mapping):
            raise InputError(f"{self.id} answers one row at a time")
        if not rows:
            raise InputError("there is no row to answer")
        known = {column.name for column in self.inputs}
        for name in dict.fromkeys(name for row in rows for name in row):
            if name not in known:
                raise UnknownName(f"{self.id} has no input column {name!r}; {near(name, [c.name for c in self.inputs])}")
        return rows

    def one(self, record: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The answer for one record, as :meth:`assess` gives it for a row (Decimals, texts, None); numbers may be texts.

        Where the scheme's records are groups of rows, ``record`` is the list of a group's rows (or its only row).
        """
        rows = self._rows(record)
        return records.one(self.program, rows[0]) if self.groups is None else self.groups.one(rows)

    def explain(self, record: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Explanation | GroupExplanation:
        """How the answer for one record comes about: every step with its formula, numbers, unit and reference.

        ``record`` maps input columns to values, as for :meth:`one`. The steps are those of the path that the record takes;
        each holds the rule's name and heading, its formula, the same with the numbers put in, the result with its unit, and
        the dated values used with their references and grades.
        """
        rows = self._rows(record)
        if self.groups is None:
            return explain(self.program, rows[0], self.texts)
        return explain_group(self.groups, rows, self.texts)

    def value(
        self, name: str, *, on: dt.date | str | None = None, period: int | None = None, **keys: str
    ) -> tuple[Any, Record | None]:
        """The value of the law at one place: on a day (standing) or in a period, for its keys.

        Returns the value (Decimal, text, bool or date; None where it isn't known) and the record that it stands in.
        Raises :class:`UnknownName` for a name, key or word that doesn't exist.
        """
        if name not in self.program.values:
            raise UnknownName(f"{self.id} has no value {name!r}; {near(name, sorted(self.program.values))}")
        ref = self.program.values[name]
        if set(keys) != set(ref.value.keys):
            raise UnknownName(
                f"value {name} has the keys {', '.join(ref.value.keys) or 'none'}, not {', '.join(keys) or 'none'}"
            )
        places: list[int] = []
        if ref.value.kind == "standing":
            if on is None:
                raise UnknownName(f"value {name} is dated; say on which day")
            places.append(bisect.bisect_right(ref.index.args[0].data, date_number(_day(on))))
        elif ref.value.kind == "per_period":
            first, last = ref.index.args[0].data
            places.append(period - first + 1 if period is not None and first <= period <= last else 0)
        for key, cell in zip(ref.value.keys, ref.keys, strict=True):
            if keys[key] not in cell.words:
                raise UnknownName(f"value {name}: {key} {keys[key]!r} is unknown; {near(keys[key], list(cell.words))}")
            places.append(cell.words.index(keys[key]))
        record = ref.records[sum(place * stride for place, stride in zip(places, ref.index.data, strict=True))]
        return (None if record is None else record.value), record

    def summary(self) -> Any:
        """The policy's own summary of an assessment (a fleet's year, a company's balance), or None where it has none.

        It has ``needs`` (rules that :meth:`assess` must give by ``also``), ``add(frame)`` for each assessed part (Polars,
        with the answer columns), ``frame()`` for the result, and ``name``.
        """
        stated = self.definition.summary
        if not stated:
            return None
        import importlib.util

        path = self.definition.folder / f"{stated['module']}.py"
        spec = importlib.util.spec_from_file_location(f"_cleanfleet_summary_{abs(hash(str(path)))}", path)
        if spec is None or spec.loader is None:
            raise LawError(f"{path}: can't be loaded as Python")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.Summary(self)

    def graph(self) -> dict[str, tuple[str, ...]]:
        """Who needs whom: each rule with the names of the rules, inputs and values that it takes."""
        return {
            name: tuple(dict.fromkeys(p for variant in variants for p in inspect.signature(variant.function).parameters))
            for name, variants in self.program.variants.items()
        }


class Assessment:
    """The answer for a table: ``frame`` with the answer columns added; ``missing()`` counts what was lacking.

    For groups of rows ``frame`` has a row for each group, ``rows`` the answers of the rows themselves (with the key), and
    ``detail``, where it was asked for, a row for each line that was judged; all of the kind of the table given.
    """

    def __init__(self, policy: Policy, frame: Any, rows: Any = None, detail: Any = None) -> None:
        self.policy = policy
        self.frame = frame
        self.rows = rows
        self.detail = detail

    def missing(self) -> dict[str, int]:
        """Name of a missing input or value -> number of rows that are not determined for want of it."""
        import narwhals.stable.v2 as nw

        frame = nw.from_native(self.frame).lazy().select("reason").with_columns(nw.col("reason").cast(nw.String))
        counted = frame.group_by("reason").agg(nw.len().alias("rows")).collect("polars").to_polars()
        found: dict[str, int] = {}
        for reason, rows in counted.iter_rows():
            for part in (reason or "").split("; "):
                if part.startswith("missing:"):
                    name = part.removeprefix("missing:")
                    found[name] = found.get(name, 0) + rows
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def compare(old: Policy, new: Policy, frame: Any) -> pl.DataFrame:
    """The re-assessment of a table: both answers side by side and what changed.

    Returns a Polars frame with the input's columns, each answer column as ``<name>_old`` and ``<name>_new``, for numbers
    also ``<name>_change`` (new minus old), and ``changed`` (whether any differs).
    """
    given = _polars(frame)
    if old.groups is not None or new.groups is not None:
        return _compared_groups(old, new, given)
    a = old.assess(given).frame.select(old.table().names())
    b = new.assess(given).frame.select(new.table().names())
    return _side_by_side(given, a, b)


def _compared_groups(old: Policy, new: Policy, given: pl.DataFrame) -> pl.DataFrame:
    if old.groups is None or new.groups is None or old.id != new.id:
        raise InputError("groups of rows are compared under two readings of one scheme")
    group = old.groups.group
    kept = [group.by, "rows", *group.same]
    a, b = old.assess(given).frame, new.assess(given).frame
    return _side_by_side(a.select(kept), a.drop(kept), b.drop(kept))


def _side_by_side(given: pl.DataFrame, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    columns = []
    changed = pl.lit(False)
    for name in a.columns:
        if name not in b.columns:
            continue
        x, y = pl.col(f"{name}_old"), pl.col(f"{name}_new")
        columns.append(name)
        changed = changed | x.cast(pl.String).ne_missing(y.cast(pl.String))
    joined = given.hstack(a.select(pl.col(columns).name.suffix("_old"))).hstack(
        b.select(pl.col(columns).name.suffix("_new"))
    )
    numbers = [name for name in columns if a.schema[name].is_numeric()]
    return joined.with_columns(
        *((pl.col(f"{name}_new") - pl.col(f"{name}_old")).alias(f"{name}_change") for name in numbers), changed=changed
    )


def _day(day: dt.date | str) -> dt.date:
    if isinstance(day, dt.date):
        return day.date() if isinstance(day, dt.datetime) else day
    try:
        return dt.date.fromisoformat(day)
    except ValueError:
        raise InputError(f"{day!r} is not a date; write it as 2026-03-31") from None


def _columns(frame: Any) -> list[str]:
    if isinstance(frame, pl.LazyFrame):
        return frame.collect_schema().names()
    names = getattr(frame, "column_names", None)  # of PyArrow; Spark Connect takes any name for a column
    return [str(name) for name in (names if isinstance(names, list) else frame.columns)]


def _polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    import narwhals.stable.v2 as nw

    found = nw.from_native(frame)
    return (found.collect("polars") if isinstance(found, nw.LazyFrame) else found).to_polars()


def _assessed(policy: Policy, frame: Any, also: tuple[str, ...], refusal: str | None) -> Any:
    table = policy.table(also)
    kind = type(frame).__module__.partition(".")[0]
    if isinstance(frame, pl.DataFrame):
        return frame.hstack(table.assess(frame, refusal))
    if isinstance(frame, pl.LazyFrame):
        stated = frame.collect_schema()
        table.check(stated, refusal)
        schema = {**stated, **table.schema()}

        def answer(part: pl.DataFrame) -> pl.DataFrame:
            return part.hstack(table.assess(part, refusal, threads=1))

        return frame.map_batches(answer, schema=schema, streamable=True)
    if kind == "pandas":
        return _pandas(table, frame, refusal)
    if kind == "pyarrow":
        import pyarrow as pa

        wanted = [name for name in (*table.program.inputs, refusal) if name is not None and name in frame.column_names]
        given = pl.DataFrame(pl.from_arrow(frame.select(wanted or frame.column_names[:1])))
        answers = table.assess(given, refusal).with_columns(_plain(table)).to_arrow()
        for name in answers.column_names:
            frame = frame.append_column(name, answers.column(name))
        assert isinstance(frame, pa.Table)
        return frame
    if kind == "pyspark":
        from .spark import assess_spark

        return assess_spark(table, frame, refusal)
    from .portable import assess_portable

    return assess_portable(policy.program, frame, also, refusal)


def _assessed_groups(
    policy: Policy, grouped: Grouped, frame: Any, refusal: str | None, detail: bool, first: str | None
) -> Assessment:
    kind = type(frame).__module__.partition(".")[0]
    if kind in ("pandas", "pyarrow"):
        if kind == "pandas":
            import pyarrow as pa

            try:
                table = pa.Table.from_pandas(frame, preserve_index=False)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise InputError(f"a column of the table mixes types: {error}") from None
        else:
            table = frame
        found = _assessed_groups(policy, grouped, pl.DataFrame(pl.from_arrow(table)), refusal, detail, first)

        def back(part: pl.DataFrame | None) -> Any:
            if part is None or kind == "pyarrow":
                return None if part is None else part.to_arrow()
            import pandas as pd

            return part.to_arrow().to_pandas(types_mapper=pd.ArrowDtype)

        plain = found.rows.with_columns(_plain(policy.table()))
        return Assessment(policy, back(found.frame), back(plain), back(found.detail))
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    keep = [name for name in (refusal, first) if name is not None]
    given = grouped.filled(frame, keep)
    rows = _assessed(policy, given, grouped.also(detail=detail), refusal)
    groups = grouped.groups(rows, first)
    return Assessment(policy, groups, rows, grouped.lines(rows, groups) if detail else None)


def _plain(table: TableProgram) -> list[pl.Expr]:
    """Words and reasons as plain strings, for engines without Polars' categories."""
    import polars.selectors as cs

    return [(cs.categorical() | cs.enum()).cast(pl.String)] if table else []


def _pandas(table: TableProgram, frame: Any, refusal: str | None) -> Any:
    import pandas as pd
    import pyarrow as pa

    wanted = [name for name in (*table.program.inputs, refusal) if name is not None and name in frame.columns]
    try:
        narrow = frame[wanted] if wanted else pd.DataFrame({"": [None] * len(frame)})  # so that the rows stay
        given = pl.DataFrame(pl.from_arrow(pa.Table.from_pandas(narrow, preserve_index=False)))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"a column of the table mixes types: {error}") from None
    answers = table.assess(given, refusal).with_columns(_plain(table)).to_arrow()
    added = answers.to_pandas(types_mapper=pd.ArrowDtype)
    added.index = frame.index
    return pd.concat([frame, added], axis=1)
