"""Records that repeat an earlier one: in a column whose values are unique, or in every cell."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from ..law.errors import InputError

if TYPE_CHECKING:
    import duckdb

#: Memory that DuckDB may use before it goes to disk.
SPILL_MEMORY = "1GB"

#: Seeds of the two 64-bit digests that stand for a whole row: two different rows of a list of 100 million agree in both
#: with a probability of about 10^-23.
_SEEDS = (2654435769, 40503)


class Repeats(Protocol):
    """The records that repeat an earlier one, per key."""

    def between(self, key: str, first: int, last: int) -> pl.DataFrame:
        """``row`` and ``first`` (the earliest record with the same key) of the repeats among records first to last."""
        ...


def folded_key(cells: pl.Series) -> pl.Series:
    """A text column as it is compared: upper case, no blanks or hyphens; null where nothing is left."""
    if cells.str.contains(r"[\s\-]").any():
        cells = cells.str.replace_all(r"[\s\-]", "")
    keys = cells.str.to_uppercase()
    return keys.set(keys.str.len_bytes() == 0, None)


def row_key(frame: pl.DataFrame) -> pl.Series:
    """A digest of all cells of each row, 128 bits as a struct."""
    # codes of categories differ from batch to batch
    frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    return pl.DataFrame([frame.hash_rows(seed).alias(str(place)) for place, seed in enumerate(_SEEDS)]).to_struct()


class Finder:
    """Collects the keys of all records, in memory up to ``limit`` records, then on disk (``spill``) or not at all."""

    def __init__(self, keys: Sequence[str], limit: int, *, spill: bool) -> None:
        self.keys, self.limit, self.spill = list(keys), limit, spill
        self.rows = 0
        self._parts: list[pl.DataFrame] = []
        self._disk: _Disk | None = None

    def add(self, row: pl.Series, keys: Sequence[pl.Series]) -> bool:
        """Take up some records; False where the limit is passed and nothing may be spilled."""
        names = [f"k{place}" for place in range(len(self.keys))]
        part = pl.DataFrame([row.alias("row"), *(key.alias(name) for name, key in zip(names, keys, strict=True))])
        self.rows += part.height
        if self._disk is None and self.rows > self.limit:
            if not self.spill:
                self._parts.clear()
                return False
            self._disk = _Disk(self.keys)
            for earlier in self._parts:
                self._disk.add(earlier)
            self._parts.clear()
        if self._disk is not None:
            self._disk.add(part)
        else:
            self._parts.append(part)
        return True

    @property
    def on_disk(self) -> bool:
        return self._disk is not None

    def found(self) -> Repeats:
        if self._disk is not None:
            self._disk.finish()
            return self._disk
        return _Memory(self.keys, self._parts)


class _Memory:
    """Repeats found in memory; only the repeats themselves are kept."""

    def __init__(self, keys: Sequence[str], parts: Iterable[pl.DataFrame]) -> None:
        whole = pl.concat(list(parts)) if parts else pl.DataFrame(schema={"row": pl.Int64})
        self._found: dict[str, pl.DataFrame] = {}
        for place, key in enumerate(keys):
            own = f"k{place}"
            given = whole.select("row", own).filter(pl.col(own).is_not_null())
            again = given.filter(pl.col(own).is_duplicated())
            firsts = again.select("row", pl.col("row").min().over(own).alias("first"))
            self._found[key] = firsts.filter(pl.col("row") > pl.col("first")).sort("row")

    def between(self, key: str, first: int, last: int) -> pl.DataFrame:
        found = self._found[key]
        low = found["row"].search_sorted(first, side="left")
        high = found["row"].search_sorted(last, side="right")
        return found.slice(low, high - low)


class _Disk:
    """Repeats found by DuckDB in a temporary database, which goes when this object does."""

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            import duckdb
        except ImportError:
            raise InputError("looking for repetitions on disk needs DuckDB: pip install 'cleanfleet[duckdb]'") from None

        self._keys = list(keys)
        folder = tempfile.TemporaryDirectory(prefix="cleanfleet-")
        self._con: duckdb.DuckDBPyConnection = duckdb.connect(str(Path(folder.name) / "keys.duckdb"))
        self._con.execute("SET memory_limit = ?", [SPILL_MEMORY])
        self._con.execute("SET temp_directory = ?", [folder.name])
        self._con.execute("SET preserve_insertion_order = false")
        self._con.execute("SET enable_progress_bar = false")
        self._made = False
        weakref.finalize(self, _discard, self._con, folder)

    def add(self, part: pl.DataFrame) -> None:
        # a digest of two numbers is one text here, so that every key is alike
        plain = part.with_columns(
            pl.concat_str(pl.col(name).struct.unnest(), separator=" ").alias(name)
            for name, dtype in part.schema.items()
            if dtype == pl.Struct
        )
        self._con.register("part", plain.to_arrow())
        if self._made:
            self._con.execute("INSERT INTO keys SELECT * FROM part")
        else:
            self._con.execute("CREATE TABLE keys AS SELECT * FROM part")
            self._made = True
        self._con.unregister("part")

    def finish(self) -> None:
        for place in range(len(self._keys)):
            key = f"k{place}"
            firsts = f"SELECT {key}, min(row) AS first FROM keys WHERE {key} IS NOT NULL GROUP BY {key} HAVING count(*) > 1"  # noqa: S608
            # only the repeats are kept, in the order of the rows
            self._con.execute(
                f"CREATE TABLE again{place} AS SELECT row, first FROM keys JOIN ({firsts}) USING ({key}) "  # noqa: S608
                "WHERE row > first ORDER BY row"
            )
        self._con.execute("DROP TABLE keys")

    def between(self, key: str, first: int, last: int) -> pl.DataFrame:
        place = self._keys.index(key)
        found = self._con.sql(
            f"SELECT row, first FROM again{place} WHERE row BETWEEN ? AND ? ORDER BY row",  # noqa: S608
            params=[first, last],
        ).to_arrow_table()
        return pl.DataFrame(pl.from_arrow(found)).cast({"row": pl.Int64, "first": pl.Int64})


def _discard(con: duckdb.DuckDBPyConnection, folder: tempfile.TemporaryDirectory[str]) -> None:
    con.close()
    folder.cleanup()
