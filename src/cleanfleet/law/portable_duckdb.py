"""What DuckDB does better in its own words: choices as codes, by the place of a word in a list.

DuckDB works functions of one column out once for each word of a dictionary (Parquet, its own tables), which it doesn't do
for the chain of comparisons that every engine understands: half the time of the whole door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def code_of(
    name: str,
    plain: Mapping[str, int],
    spellings: Mapping[str, int],
    empty: int,
    unknown: int,
    patterns: Sequence[str],
    accents: Mapping[str, str],
) -> Any:
    """The code of a text column's word, as a DuckDB expression: as written, then without case, then folded.

    ``patterns`` are those for outer blanks, for what counts as one underscore, and for marks that don't count; ``accents``
    the accented letters by the letter that they stand for.
    """
    from duckdb import CaseExpression, CoalesceOperator, ColumnExpression, ConstantExpression, FunctionExpression

    def call(function: str, *args: Any) -> Any:
        return FunctionExpression(function, *(one if hasattr(one, "alias") else ConstantExpression(one) for one in args))

    def place(text: Any, words: Mapping[str, int]) -> Any:
        return call("list_extract", list(words.values()), call("list_position", list(words), text))

    given = ColumnExpression(name).cast("VARCHAR")
    outer, inner, marks = patterns
    lower = call("lower", call("trim", given, " \t\r\n"))
    lower = call("replace", call("replace", lower, " ", "_"), "-", "_")
    folded = call("lower", call("regexp_replace", given, outer, "", "g"))
    folded = call("regexp_replace", call("regexp_replace", folded, inner, "_", "g"), marks, "", "g")
    plainly = "".join(letter * len(accented) for letter, accented in accents.items())
    folded = call("translate", folded, "".join(accents.values()), plainly)
    words = {**spellings, "": empty}
    missing = CaseExpression(given.isnull(), ConstantExpression(empty))
    found = CoalesceOperator(
        place(given, plain), missing, place(lower, words), place(folded, words), ConstantExpression(unknown)
    )
    return found.cast("BIGINT")


def with_columns(relation: Any, new: Mapping[str, Any]) -> Any:
    """The relation with native expressions added as columns."""
    from duckdb import StarExpression

    return relation.select(StarExpression(), *(expression.alias(name) for name, expression in new.items()))
