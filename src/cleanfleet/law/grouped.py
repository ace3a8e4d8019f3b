"""Groups of rows, on any engine: the rules answer the rows, the rows' answers become the group's (see :mod:`.groups`).

Everything is a Narwhals expression but the joining of texts over rows, which each engine does in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from .cells import Cell
from .errors import InputError, LawError
from .groups import PLUS, Line, Said
from .portable_doors import chain, integer, named, texts
from .program import Program
from .records import Record, answer

Expr = Any

_BLANKS = " \t\r\n"
#: Prefix of the helper columns; no input column may begin with it.
_OWN = "group__"


@dataclass
class _Spec:
    """What is taken over the rows of a group: name of the column -> how (names are those of the result)."""

    least: dict[str, str] = field(default_factory=dict)
    most: dict[str, str] = field(default_factory=dict)
    total: dict[str, str] = field(default_factory=dict)
    joined: dict[str, str] = field(default_factory=dict)


class Grouped:
    """A program made ready for groups of rows."""

    def __init__(self, program: Program) -> None:
        group = program.definition.group
        assert group is not None
        self.program, self.group = program, group
        d, outcome = program.definition, program.definition.outcome
        own = [*program.status_cell.words]
        for word in own:
            if sum(word in of for _, of in group.statuses) != 1:
                raise LawError(f"{d.id}: group: the status {word!r} of a row belongs to exactly one status of the group")
        if outcome.refused not in group.statuses[0][1]:
            raise LawError(f"{d.id}: group: the first status is the one of {outcome.refused}")
        self.refused = group.statuses[0][0]
        self.answered = [s for s, of in group.statuses if any(word in of for word in outcome.answered)]
        if group.complete:
            told = self._cell(group.complete)
            unknown = [w for words in told.words for w in words.split(PLUS) if w not in (*group.words, "none")]
            if told.kind != "text" or unknown:
                raise LawError(f"{d.id}: group: {group.complete} gives words of {group.once}, joined by {PLUS!r}")
        for line in group.lines:
            words = self._cell(line.verdict).words
            for name in (line.result, line.limit, line.other, line.margin):
                if name:
                    self._cell(name)
            said = [w for w in (*group.silent, *(s.word for s in group.reasons)) if w not in words]
            if len(said) == len(group.silent) + len(group.reasons):
                raise LawError(f"{d.id}: group: the verdict {line.verdict} has none of the words that are asked for")
        self._said = {
            line.name: [said for said in group.reasons if said.word in self._cell(line.verdict).words]
            for line in group.lines
        }

    def _cell(self, name: str) -> Cell:
        name = self.group.rule(name)
        if name not in self.program.rules:
            raise LawError(f"{self.program.definition.id}: group: there is no rule {name!r}")
        return self.program.rules[name]

    # -- names

    def names(self) -> list[str]:
        """The columns of a group's answer."""
        g = self.group
        outputs = [output.name for output in self.program.definition.outputs]
        return [g.by, "rows", *g.same, "status", "reason", "flags", *outputs]

    def detail_names(self) -> list[str]:
        """The columns of the lines."""
        g = self.group
        return [g.by, g.once, g.column, "verdict", "result", "limit", "other_limit", "margin"]

    def also(self, *, detail: bool) -> tuple[str, ...]:
        """The rules that the rows must give besides their answer."""
        g = self.group
        wanted = [g.rule(name) for name in (*g.same, g.once)]
        wanted += [g.complete] if g.complete else []
        for line in g.lines:
            wanted.append(line.verdict)
            if detail or any(said.limits for said in self._said[line.name]):
                wanted += [g.rule(n) for n in (line.limit, line.other) if n]
            if detail:
                wanted += [g.rule(n) for n in (line.result, line.margin) if n]
        given = {output.name for output in self.program.definition.outputs if output.name == output.rule}
        return tuple(name for name in dict.fromkeys(wanted) if name not in given)

    # -- rows

    def filled(self, frame: Any, keep: Sequence[str]) -> Any:
        """The policy's columns (and ``keep``) with what is said once for all rows of a group in each of them; native."""
        g = self.group
        found = nw.from_native(frame)
        schema = dict(found.collect_schema())
        if g.by not in schema:
            raise InputError(f"{self.program.definition.id} needs the column {g.by}, which says what rows belong together")
        columns = [column.name for column in self.program.definition.inputs if column.name in schema]
        key = nw.col(g.by).cast(nw.String).str.strip_chars(_BLANKS)
        key = nw.when(key != "").then(key).alias(g.by)
        found = found.select(key, *(name for name in (*columns, *keep) if name != g.by))
        fill: list[Expr] = []
        for name in g.same:
            dtype = schema.get(name)
            if dtype is None or dtype == nw.Unknown:
                continue
            cell = nw.col(name)
            if dtype in (nw.String, nw.Categorical, nw.Enum):
                cell = cell.cast(nw.String)
                cell = nw.when(cell.str.strip_chars(_BLANKS) != "").then(cell)
            fill.append(nw.coalesce(cell, cell.max().over(g.by)).alias(name))
        return (found.with_columns(*fill) if fill else found).to_native()

    def filled_records(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The same for the rows of one group."""
        said: dict[str, Any] = {}
        for record in records:
            for name in self.group.same:
                if not _empty(record.get(name)) and name not in said:
                    said[name] = record[name]
        return [{**record, **{n: v for n, v in said.items() if _empty(record.get(n))}} for record in records]

    # -- groups

    def groups(self, rows: Any, first: str | None = None) -> Any:
        """One row for each group of the assessed ``rows`` (native, with the columns of :meth:`also`); native."""
        g, d = self.group, self.program.definition
        found = nw.from_native(rows)
        key, own = nw.col(g.by), nw.col("status").cast(nw.String)
        rank = chain(
            [(own == word, integer(place)) for place, (_, of) in enumerate(g.statuses) for word in of],
            integer(len(g.statuses) - 1),
        )
        keyless = key.is_null()
        reason = nw.col("reason").cast(nw.String)
        cycle = nw.col(g.rule(g.once)).cast(nw.String)
        helpers: dict[str, Expr] = {f"{_OWN}rank": nw.when(keyless).then(integer(0)).otherwise(rank)}
        spec = _Spec(least={f"{_OWN}rank": f"{_OWN}rank"})
        for place, status in enumerate(g.order):
            parts = [nw.when(rank == place).then(reason), *self._codes(status, cycle)]
            if place == 0:
                parts.insert(0, nw.when(keyless).then(nw.lit(f"missing:{g.by}")))
            text = texts([nw.when(part != "").then(part) for part in parts])
            helpers[f"{_OWN}text{place}"] = nw.when(text != "").then(text)
            spec.joined[f"{_OWN}text{place}"] = f"{_OWN}text{place}"
        for place, word in enumerate(g.words):
            helpers[f"{_OWN}once{place}"] = nw.when((cycle == word).fill_null(False)).then(integer(1)).otherwise(integer(0))
            spec.total[f"{_OWN}once{place}"] = f"{_OWN}once{place}"
        helpers[f"{_OWN}flags"] = nw.col("flags").cast(nw.String)
        spec.joined[f"{_OWN}flags"] = f"{_OWN}flags"
        for name in g.same:
            helpers[f"{_OWN}{name}"] = _plain(nw.col(g.rule(name)), self._cell(name))
            spec.least[f"{_OWN}least_{name}"] = spec.most[f"{_OWN}most_{name}"] = f"{_OWN}{name}"
        if g.complete:
            helpers[f"{_OWN}complete"] = nw.col(g.complete).cast(nw.String)
            spec.most[f"{_OWN}complete"] = f"{_OWN}complete"
        for output in d.outputs:
            helpers[f"{_OWN}out_{output.name}"] = _plain(nw.col(output.name), self.program.output_cells[output.name])
            spec.most[output.name] = f"{_OWN}out_{output.name}"
        keep = [] if first is None else [first]
        if first is not None:
            spec.least[first] = first
        narrow = found.select(g.by, *keep, **helpers)
        return self._finished(nw.from_native(_gathered(narrow.to_native(), g.by, spec)), keep).to_native()

    def _codes(self, status: str, cycle: Expr) -> list[Expr]:
        """The reasons that the lines of a row give for a status."""
        found = []
        for line in self.group.lines:
            verdict = nw.col(line.verdict).cast(nw.String)
            for said in self._said[line.name]:
                if said.status == status:
                    found.append(nw.when(verdict == said.word).then(self._code(line, said, cycle)))
        return found

    def _code(self, line: Line, said: Said, cycle: Expr) -> Expr:
        parts = [nw.lit(f"{said.word}:{line.name}:"), cycle]
        if said.limits and line.other:
            numbers = [_number(nw.col(self.group.rule(n)), self._cell(n)) for n in (line.limit, line.other)]
            parts += [nw.lit(":"), numbers[0], nw.lit("-"), numbers[1]]
        return nw.concat_str(*parts)

    def _finished(self, found: Any, keep: list[str]) -> Any:
        """From what was gathered to the answer: contradictions, what is there twice or lacking, status and reason."""
        g, d = self.group, self.program.definition
        counts = [nw.col(f"{_OWN}once{place}") for place in range(len(g.words))]
        keyed = ~nw.col(g.by).is_null()
        wrong = [
            (
                f"contradiction:{name}",
                keyed & (nw.col(f"{_OWN}least_{name}") != nw.col(f"{_OWN}most_{name}")).fill_null(False),
            )
            for name in g.same
        ]
        wrong.append((f"duplicate:{g.once}", keyed & _any([count > 1 for count in counts])))
        lacking: list[tuple[str, Expr]] = []
        if g.complete:
            for word, count in zip(g.words, counts, strict=True):
                needing = [told for told in self._cell(g.complete).words if word in told.split(PLUS)]
                if needing:
                    asked = _any([nw.col(f"{_OWN}complete") == told for told in needing]).fill_null(False)
                    lacking.append((f"missing:{g.once}:{word}", asked & (count == 0)))
        stopped = _any([where for _, where in wrong])
        rank = nw.col(f"{_OWN}rank")
        cases = [(stopped, integer(0))]
        if lacking:
            least = g.rank(g.incomplete)
            cases.append(((rank > least) & _any([where for _, where in lacking]), integer(least)))
        found = found.with_columns(**{f"{_OWN}final": chain(cases, rank)})
        final = nw.col(f"{_OWN}final")
        reasons = []
        for place, status in enumerate(g.order):
            more = wrong if place == 0 else lacking if status == g.incomplete else []
            told = nw.col(f"{_OWN}text{place}")
            parts = texts([nw.when(told != "").then(told), *named(more)])
            reasons.append(nw.when(final == place).then(parts))
        text = nw.coalesce(*reasons, nw.lit(""))
        flags = nw.col(f"{_OWN}flags")
        shown = final > 0
        alike = {name: nw.col(f"{_OWN}least_{name}") == nw.col(f"{_OWN}most_{name}") for name in g.same}
        statuses = [(final == place, nw.lit(status)) for place, status in enumerate(g.order[:-1])]
        return found.select(
            g.by,
            *keep,
            "rows",
            *(nw.when(alike[name].fill_null(False)).then(nw.col(f"{_OWN}most_{name}")).alias(name) for name in g.same),
            chain(statuses, nw.lit(g.order[-1])).alias("status"),
            nw.when(text != "").then(text).alias("reason"),
            nw.when(shown & (flags != "").fill_null(False)).then(flags).alias("flags"),
            *(nw.when(shown).then(nw.col(output.name)).alias(output.name) for output in d.outputs),
        )

    # -- lines

    def lines(self, rows: Any, groups: Any) -> Any:
        """One row for each line of the groups that were answered; native. ``groups`` are those of :meth:`groups`."""
        g = self.group
        found = nw.from_native(rows)
        places = max(
            (self._cell(n).decimals for line in g.lines for n in (line.result, line.limit, line.margin) if n), default=0
        )
        decimal = nw.Decimal(38, places)

        def number(name: str) -> Expr:
            return nw.lit(None).cast(decimal) if not name else nw.col(g.rule(name)).cast(decimal)

        parts = []
        for line in g.lines:
            verdict = nw.col(line.verdict).cast(nw.String)
            silent = _any([verdict == word for word in g.silent])
            parts.append(
                found.filter((~silent).fill_null(False)).select(
                    g.by,
                    nw.col(g.rule(g.once)).cast(nw.String).alias(g.once),
                    nw.lit(line.name).alias(g.column),
                    verdict.alias("verdict"),
                    number(line.result).alias("result"),
                    number(line.limit).alias("limit"),
                    (
                        nw.when(number(line.other) != number(line.limit)).then(number(line.other))
                        if line.other
                        else number("")
                    ).alias("other_limit"),
                    number(line.margin).alias("margin"),
                )
            )
        told = nw.from_native(groups).filter(_any([nw.col("status") == status for status in self.answered])).select(g.by)
        return nw.concat(parts, how="vertical").join(told, on=g.by, how="inner").to_native()

    # -- one group

    def one(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The answer for the rows of one group (which name the group alike, or not at all)."""
        return self.of_rows([Record(self.program, record) for record in self.filled_records(records)], records)

    def of_rows(self, read: Sequence[Record], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The same where the rows have been read."""
        g = self.group
        rules = {name: self.program.rules[name] for name in self.also(detail=False)}
        outputs = {output.name: self.program.output_cells[output.name] for output in self.program.definition.outputs}
        keys = {str(key).strip() for record in records if not _empty(key := record.get(g.by))}
        if len(keys) > 1:
            raise InputError(f"these are rows of several groups: {g.by} {', '.join(sorted(keys))}")
        rows = []
        for row in read:
            told = answer(row)
            told.update({n: None if row.value(self.program.flags.missing(c)) else row.shown(c) for n, c in rules.items()})
            rows.append({g.by: keys.copy().pop() if keys else "1", **told})
        schema: dict[str, Any] = {g.by: pl.String(), "status": pl.String(), "reason": pl.String(), "flags": pl.String()}
        schema.update({o.name: _dtype(outputs[o.name], o.decimals) for o in self.program.definition.outputs})
        schema.update({name: _dtype(cell, cell.decimals) for name, cell in rules.items()})
        frame = pl.DataFrame([[row[name] for name in schema] for row in rows], schema=schema, orient="row")
        found = pl.DataFrame(self.groups(frame)).row(0, named=True)
        return {**found, g.by: keys.pop() if keys else None}


def _empty(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def _dtype(cell: Cell, decimals: int) -> Any:
    if cell.kind == "number":
        return pl.Decimal(38, decimals) if decimals else pl.Int64()
    return {"text": pl.String(), "truth": pl.Boolean(), "date": pl.Date()}[cell.kind]


def _any(truths: Sequence[Expr]) -> Expr:
    result: Expr = nw.lit(value=False)
    for truth in truths:
        result = result | truth
    return result


def _plain(column: Expr, cell: Cell) -> Expr:
    return column.cast(nw.String) if cell.kind == "text" else column


def _number(column: Expr, cell: Cell) -> Expr:
    """A number as people write it, without zeros at its end."""
    text = column.cast(nw.String)
    return text.str.replace_all(r"\.?0+$", "") if cell.decimals else text


# -- what each engine says in its own words


def _gathered(frame: Any, key: str, spec: _Spec) -> Any:
    """One row for each ``key`` (null is one, too), with ``rows`` and what ``spec`` asks for."""
    if isinstance(frame, pl.DataFrame):
        return _by_polars(frame, key, spec)
    kind = type(frame).__module__.partition(".")[0]
    if kind == "duckdb" or kind == "_duckdb":
        return frame.aggregate(", ".join([f'"{key}"', *_by_sql(spec)]), f'"{key}"')
    raise InputError(f"groups of rows can't be assessed on {kind}; use Polars, pandas, PyArrow or DuckDB")


def _by_sql(spec: _Spec) -> list[str]:
    def sql(how: str, columns: Mapping[str, str]) -> list[str]:
        return [how.format(f'"{of}"') + f' AS "{name}"' for name, of in columns.items()]

    return [
        'count(*) AS "rows"',
        *sql("min({})", spec.least),
        *sql("max({})", spec.most),
        *sql("CAST(sum({}) AS BIGINT)", spec.total),
        *sql("array_to_string(list_sort(list_distinct(flatten(list(string_split({}, '; '))))), '; ')", spec.joined),
    ]


def _by_polars(frame: pl.DataFrame, key: str, spec: _Spec) -> pl.DataFrame:
    found = frame.group_by(key, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("rows"),
        *(pl.col(of).min().alias(name) for name, of in spec.least.items()),
        *(pl.col(of).max().alias(name) for name, of in spec.most.items()),
        *(pl.col(of).sum().alias(name) for name, of in spec.total.items()),
    )
    for name, of in spec.joined.items():
        told = frame.select(key, pl.col(of)).filter(pl.col(of).is_not_null())
        if told.height:
            told = told.unique().with_columns(pl.col(of).str.split("; ")).explode(of).unique().sort(of)
            joined = told.group_by(key).agg(pl.col(of).str.join("; ").alias(name))
            found = found.join(joined, on=key, how="left", nulls_equal=True, maintain_order="left")
        else:
            found = found.with_columns(pl.lit(None, dtype=pl.String).alias(name))
    return found


__all__ = ["Grouped"]
