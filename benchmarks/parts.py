"""Where the processor time of `cleanfleet assess` from Parquet to Parquet goes, part by part, in the thread that does it.

``python benchmarks/parts.py vehicles.parquet`` (made by ``assess.py --data``). Times of a thread count what that thread
computes itself; what Polars does in threads of its own (reading, conversions to Arrow) is the rest.
"""

from __future__ import annotations

import functools
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from pyarrow import parquet

from cleanfleet.law import doors, frames
from cleanfleet.policies import load
from cleanfleet.tables import assess_file, convert, table, writers

PARTS: list[tuple[Any, str, str]] = [
    (table.Table, "_batch", "reading thread: batches made of what Polars read"),
    (convert.Converter, "__call__", "  columns told apart and typed"),
    (assess_file._Run, "assess", "main thread: assessed and counted"),
    (frames.TableProgram, "_stretch", "  the law"),
    (doors, "enter", "    doors in"),
    (frames.TableProgram, "_show", "    doors out"),
    (assess_file._Run, "_count", "  counts and totals"),
    (assess_file._Run, "write", "writing thread"),
    (writers.ParquetWriter, "_append", "  Parquet encoded, compressed, written"),
]


def main() -> None:
    taken: dict[str, float] = defaultdict(float)

    def timed(owner: Any, name: str, title: str) -> None:
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def outer(*args: Any, **kwargs: Any) -> Any:
            begun = time.thread_time()
            try:
                return inner(*args, **kwargs)
            finally:
                taken[title] += time.thread_time() - begun

        setattr(owner, name, outer)

    for part in PARTS:
        timed(*part)
    path, policy = Path(sys.argv[1]), load("nz-clean-vehicle-standard", known="2026-11-22")
    rows = parquet.read_metadata(path).num_rows
    with tempfile.TemporaryDirectory() as folder:
        begun, busy = time.perf_counter(), time.process_time()
        assess_file.assess_file(path, policy, out=Path(folder) / "out.parquet")
        busy, wall = time.process_time() - busy, time.perf_counter() - begun
    print(f"{rows:,} rows; ns a row: {wall / rows * 1e9:.0f} wall, {busy / rows * 1e9:.0f} processor, of which")
    for _, _, title in PARTS:
        print(f"{taken[title] / rows * 1e9:8.0f}  {title}")
    own = sum(taken[title] for _, _, title in PARTS if not title.startswith(" "))
    print(f"{(busy - own) / rows * 1e9:8.0f}  Polars' own threads")


if __name__ == "__main__":
    main()
