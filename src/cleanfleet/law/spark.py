"""PySpark DataFrames: each worker assesses the Arrow batches of its partitions, as :mod:`.frames` does a table in memory.

Spark plans one step (``mapInArrow``) instead of hundreds of expressions, and the answers are those of the other engines by
construction. The frame stays lazy; its columns pass through untouched; partitions and the order in them stay. The workers
need cleanfleet in their Python (``PYSPARK_PYTHON``); the law itself travels with the plan, some 0.2 MB, so that a scheme in a
folder of one's own need not be there. Works on Spark Connect too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from .errors import InputError
from .frames import TableProgram

#: Rows that a worker gathers before it assesses them; Spark sends 10,000 at a time.
GATHERED = 1 << 16


def assess_spark(table: TableProgram, frame: Any, refusal: str | None = None) -> Any:
    """``frame`` with the answer columns; see :meth:`.policy.Policy.assess`.

    Numbers are decimals of 18 digits, words, reasons and flags plain strings. A column of instants (Spark's TimestampType)
    counts by its day in the policy's zone. Raises :class:`InputError` where the table as a whole can't be used, and for a
    column of a type that Spark can't hand to Python.
    """
    from pyspark.sql.types import StructType

    given = frame.schema
    wanted = [name for name in dict.fromkeys([*table.program.inputs, refusal]) if name is not None]
    columns = _arrow_types(given)
    here = pa.schema([(name, columns[name]) for name in wanted if name in columns])
    stated = pl.DataFrame(pl.from_arrow(here.empty_table())).schema if len(here) else pl.Schema()
    table.check(stated, refusal)
    work = Worker(table, [name for name in wanted if name in columns], refusal)
    return frame.mapInArrow(work, StructType([*given.fields, *_answer_fields(table)]))


class Worker:
    """What runs on the workers: record batches in, the same with the answer columns out."""

    def __init__(self, table: TableProgram, wanted: Sequence[str], refusal: str | None) -> None:
        self.table, self.wanted, self.refusal = table, list(wanted), refusal

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch)
            if sum(part.num_rows for part in held) >= GATHERED:
                yield from self._answered(held)
                held = []
        yield from self._answered(held)

    def _answered(self, batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if not batches:
            return
        whole = pa.Table.from_batches(batches)
        # one column at least, so that the rows stay
        narrow = whole.select(self.wanted) if self.wanted else pa.table({"": pa.nulls(whole.num_rows)})
        answers = self.table.assess(pl.DataFrame(pl.from_arrow(narrow)), self.refusal, threads=1)
        columns = [_plain(column) for column in answers.rechunk().get_columns()]
        start = 0
        for batch in batches:
            added = [column.slice(start, batch.num_rows) for column in columns]
            start += batch.num_rows
            yield pa.RecordBatch.from_arrays([*batch.columns, *added], [*batch.schema.names, *answers.columns])


def _plain(column: pl.Series) -> Any:
    """A column as Spark reads it: words as strings, not as categories."""
    array = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    if pa.types.is_dictionary(array.type):
        return array.dictionary.cast(pa.string()).take(array.indices)
    return array.cast(pa.string()) if pa.types.is_large_string(array.type) else array


def _arrow_types(schema: Any) -> dict[str, pa.DataType]:
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import to_arrow_type

    found: dict[str, pa.DataType] = {}
    for one in schema.fields:
        try:
            found[one.name] = to_arrow_type(one.dataType, timezone="UTC")
        except (PySparkException, TypeError):
            raise InputError(
                f"column {one.name} is {one.dataType.simpleString()}, which Spark can't hand to Python; leave it out or cast it"
            ) from None
    return found


def _answer_fields(table: TableProgram) -> list[Any]:
    from pyspark.sql import types

    fields = []
    for name, dtype in table.schema().items():
        kind: Any = types.StringType()
        if isinstance(dtype, pl.Decimal):
            kind = types.DecimalType(dtype.precision or 18, dtype.scale)
        elif dtype.is_integer():
            kind = types.IntegerType() if dtype == pl.Int32 else types.LongType()
        elif dtype == pl.Date:
            kind = types.DateType()
        elif dtype == pl.Boolean:
            kind = types.BooleanType()
        fields.append(types.StructField(name, kind, nullable=True))
    return fields
