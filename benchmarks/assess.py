"""How fast and in how much memory a register is assessed: ours on each engine, and the same job by other means.

Every measurement runs in a process of its own, three times; peak memory is that process's VmHWM, the input included.
See ``README.md``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KNOWN = "2026-11-22"
ANSWERS = [
    "status", "reason", "flags", "vehicle_type", "co2_3p_wltp_g_per_km", "co2_basis", "target_g_per_km",
    "difference_g_per_km", "credit_g", "charge_g", "charge_nzd",
]  # fmt: skip
NUMBERS = [name for name in ANSWERS if name.endswith(("_km", "_g", "_nzd"))]
OPENFISCA_ROWS = 1_000_000


# -- one measurement, in a process of its own


def policy() -> Any:
    from cleanfleet.policies import load

    return load("nz-clean-vehicle-standard", known=KNOWN)


def memory(name: str, process: str = "self") -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(call: Callable[[], Any], times: int = 3) -> dict[str, Any]:
    """Seconds (wall and processor) of each call, and the peak memory over them."""
    gc.collect()
    held = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    seconds, processor = [], []
    for _ in range(times):
        begun, busy = time.perf_counter(), time.process_time()
        result = call()
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - busy)
        del result
        gc.collect()
    return {"seconds": seconds, "processor": processor, "held": held, "peak": memory("VmHWM")}


def ours_polars(path: Path, out: Path) -> dict[str, Any]:
    import polars as pl

    frame, ours = pl.read_parquet(path), policy()
    ours.assess(frame.head(1000))
    return measured(lambda: ours.assess(frame))


def ours_pandas(path: Path, out: Path) -> dict[str, Any]:
    import pandas as pd

    frame, ours = pd.read_parquet(path), policy()
    ours.assess(frame.head(1000))
    return measured(lambda: ours.assess(frame))


def ours_pyarrow(path: Path, out: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    table, ours = pq.read_table(path), policy()
    ours.assess(table.slice(0, 1000))
    return measured(lambda: ours.assess(table))


def ours_duckdb(path: Path, out: Path) -> dict[str, Any]:
    import duckdb

    ours = policy()
    connection = duckdb.connect()
    return measured(
        lambda: ours.assess(connection.read_parquet(str(path))).frame.write_parquet(str(out), compression="zstd")
    )


def ours_spark(path: Path, out: Path) -> dict[str, Any]:
    os.environ.setdefault("SPARK_MASTER", "local[2]")
    from cleanfleet.tables.assess_file import spark_session

    ours, spark = policy(), spark_session()
    spark.sparkContext.setLogLevel("ERROR")
    folder = out.with_suffix("")

    def call() -> None:
        ours.assess(spark.read.parquet(str(path))).frame.write.mode("overwrite").parquet(str(folder))

    found = measured(call)
    peak = found["peak"] + java_peak()
    spark.stop()
    shutil.rmtree(folder)
    return {**found, "peak": peak}


def java_peak() -> int:
    """The peak memory of the Java machine that works for this process."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(memory("VmHWM", str(child)) for child in family - {os.getpid()})


def ours_sink(path: Path, out: Path) -> dict[str, Any]:
    import polars as pl

    ours = policy()
    return measured(lambda: ours.assess(pl.scan_parquet(path)).frame.sink_parquet(out))


def ours_file(path: Path, out: Path) -> dict[str, Any]:
    from cleanfleet.tables.assess_file import assess_file

    ours = policy()
    notes: list[str] = []

    def call() -> None:
        notes[:] = assess_file(path, ours, out=out).notes

    return {**measured(call), "notes": notes}


def hand_polars(path: Path, out: Path) -> dict[str, Any]:
    import polars as pl
    from peers import polars_by_hand

    frame = pl.read_parquet(path)
    polars_by_hand.assess(frame.head(1000).lazy()).collect()
    # of the two engines the faster one for this job
    return measured(lambda: polars_by_hand.assess(frame.lazy()).collect(engine="in-memory"))


def hand_polars_sink(path: Path, out: Path) -> dict[str, Any]:
    import polars as pl
    from peers import polars_by_hand

    return measured(lambda: polars_by_hand.assess(pl.scan_parquet(path)).sink_parquet(out))


def hand_pandas(path: Path, out: Path) -> dict[str, Any]:
    import pandas as pd
    from peers import pandas_by_hand

    frame = pd.read_parquet(path)
    return measured(lambda: pandas_by_hand.assess(frame))


def hand_pandas_file(path: Path, out: Path) -> dict[str, Any]:
    from peers import pandas_by_hand

    return measured(lambda: pandas_by_hand.file_to_file(path, out))


def prepared(path: Path, rows: int | None = None) -> Any:
    """The determined rows as a few plain columns, for the peers that can only do the arithmetic; from our own answers."""
    import polars as pl

    frame = pl.scan_parquet(path) if rows is None else pl.scan_parquet(path).head(rows)
    answers = policy().assess(frame.collect()).frame
    return answers.filter(pl.col("status") == "determined").select(
        pl.col("accepted_on").dt.year().alias("year"), pl.col("vehicle_type").cast(pl.String).alias("kind"),
        pl.col("condition").cast(pl.String), pl.col("tare_kg").cast(pl.Int64),
        (pl.col("co2_3p_wltp_g_per_km") * 10_000).cast(pl.Int64).alias("co2"), "target_g_per_km", "difference_g_per_km",
        "charge_nzd",
    )  # fmt: skip


def bare_numpy(path: Path, out: Path) -> dict[str, Any]:
    import polars as pl
    from peers import law, numpy_arithmetic

    frame = prepared(path)
    inputs = [
        (frame["year"] - law.YEARS[0]).cast(pl.UInt8).to_numpy(), (frame["kind"] == "B").cast(pl.UInt8).to_numpy(),
        (frame["condition"] == "used").cast(pl.UInt8).to_numpy(), frame["tare_kg"].to_numpy(), frame["co2"].to_numpy(),
    ]  # fmt: skip
    theirs = numpy_arithmetic.assess(*inputs)
    ours = [int(frame["difference_g_per_km"].sum() * 10_000), int(frame["charge_nzd"].sum() * 100)]
    same = ours == [int(theirs["difference"].sum()), int(theirs["cents"].sum())]
    del theirs
    frame = frame.select("year")
    return {**measured(lambda: numpy_arithmetic.assess(*inputs)), "rows": frame.height, "same_sums": same}


def openfisca(path: Path, out: Path, python: str, way: str = "scheme") -> dict[str, Any]:
    import polars as pl
    import pyarrow.parquet as pq
    from peers import law

    ours = {"target": "target_g_per_km", "difference": "difference_g_per_km", "charge": "charge_nzd"}
    if way == "scheme":
        answers = policy().assess(pl.scan_parquet(path).head(OPENFISCA_ROWS).collect()).frame
        frame = answers.filter(pl.col("status") != "refused")
        numbers = [name for name in law.RANGES if name != "seats"]
        kept = frame.select(pl.col("accepted_on").dt.year().alias("year"), *law.VOCABULARIES, *numbers)
        kept = kept.with_columns(pl.col(list(law.VOCABULARIES)).cast(pl.String), pl.col(numbers).cast(pl.Float64))
        determined = frame.filter(pl.col("status") == "determined")
    else:
        determined = prepared(path, OPENFISCA_ROWS)
        number = (pl.col("tare_kg").cast(pl.Float64), (pl.col("co2") / 10_000).alias("co2_g_per_km"))
        frame, kept = determined, determined.select("year", "kind", "condition", *number)
    pq.write_table(kept.to_arrow(compat_level=pl.CompatLevel.oldest()), out)
    command = [python, str(HERE / "peers" / "openfisca_country.py"), str(out), way]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout.splitlines()[-1])
    off = {name: found["totals"][name] / float(determined[column].sum()) - 1 for name, column in ours.items()}
    same = {name: rows == frame.filter(pl.col("status") == name).height for name, rows in found["counts"].items()}
    return {**found, "held": 0, "relative_difference_of_sums": off, "same_counts": same}


def openfisca_arithmetic(path: Path, out: Path, python: str) -> dict[str, Any]:
    return openfisca(path, out, python, "country")


def openfisca_flat(path: Path, out: Path, python: str) -> dict[str, Any]:
    return openfisca(path, out, python, "flat")


def openfisca_tuned(path: Path, out: Path, python: str) -> dict[str, Any]:
    return openfisca(path, out, python, "tuned")


def copy_memory(path: Path, out: Path) -> dict[str, Any]:
    import numpy as np
    import polars as pl

    size = int(pl.read_parquet(path).estimated_size())
    source = np.ones(size, dtype=np.uint8)
    return {**measured(source.copy), "bytes": size}


def copy_file(path: Path, out: Path) -> dict[str, Any]:
    def call() -> None:
        with path.open("rb") as source, out.open("wb") as target:
            while part := source.read(1 << 22):
                target.write(part)

    return {**measured(call), "bytes": path.stat().st_size}


def latency(path: Path, out: Path) -> dict[str, Any]:
    begun = time.perf_counter()
    ours = policy()
    loaded = time.perf_counter() - begun
    record = {
        "vehicle_class": "MA", "condition": "used", "powertrain": "petrol", "tare_kg": 1600, "co2_g_per_km": "150",
        "co2_cycle": "3P-WLTP", "accepted_on": "2026-03-31",
    }  # fmt: skip

    def median(call: Callable[[], Any], times: int) -> float:
        taken = []
        for _ in range(times):
            begun = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken)

    command = [sys.executable, "-m", "cleanfleet", "--help"]
    return {
        "import_and_load": loaded,
        "one": median(lambda: ours.one(record), 2000),
        "explain": median(lambda: ours.explain(record), 2000),
        "explain_text": median(lambda: str(ours.explain(record)), 2000),
        "help": median(lambda: subprocess.run(command, capture_output=True, check=True), 5),
    }


# -- do they agree?


def differing(path: Path, a: Path, b: Path, loose: bool) -> dict[str, int]:
    """Answer column -> rows in which two Parquet files of answers differ; ``loose``: numbers may differ by float noise."""
    import polars as pl

    both = pl.concat(
        [
            pl.scan_parquet(a).select(pl.col(ANSWERS).name.prefix("a_")),
            pl.scan_parquet(b).select(pl.col(ANSWERS).name.prefix("b_")),
        ],
        how="horizontal",
    )
    tests = []
    for name in ANSWERS:
        x, y = pl.col(f"a_{name}"), pl.col(f"b_{name}")
        if name in NUMBERS and loose:
            x, y = x.cast(pl.Float64), y.cast(pl.Float64).fill_nan(None)
            near = 0.005 if name.endswith("_nzd") else 0.00005
            unlike = x.is_null().ne(y.is_null()) | ((x - y).abs() > near).fill_null(value=False)
        else:
            unlike = x.cast(pl.String).ne_missing(y.cast(pl.String))
        tests.append(unlike.sum().alias(name))
    return {
        name: count for name, count in both.select(tests).collect(engine="streaming").row(0, named=True).items() if count
    }


def sums(source: Any) -> dict[str, str]:
    """Rows of each status, and the sums of the numbers."""
    import polars as pl

    counts = source.group_by(pl.col("status").cast(pl.String)).len().sort("status").collect().rows()
    cells = [pl.col(name).cast(pl.Decimal(38, 4)).sum() for name in NUMBERS]
    totals = source.select(cells).collect(engine="streaming").row(0, named=True)
    return {**{str(name): str(rows) for name, rows in counts}, **{name: str(value) for name, value in totals.items()}}


# -- all of them


JOBS: dict[str, tuple[str, str, Callable[..., dict[str, Any]]]] = {
    "ours_polars": ("memory", "**cleanfleet**, Polars DataFrame", ours_polars),
    "ours_pandas": ("memory", "cleanfleet, pandas DataFrame", ours_pandas),
    "ours_pyarrow": ("memory", "cleanfleet, PyArrow table", ours_pyarrow),
    "hand_polars": ("memory", "(b) Polars by hand", hand_polars),
    "hand_pandas": ("memory", "(c) pandas by hand", hand_pandas),
    "openfisca": ("memory", "(d) OpenFisca-core as country packages are written, the scheme", openfisca),
    "openfisca_arithmetic": ("memory", "(d1) the same, arithmetic only", openfisca_arithmetic),
    "openfisca_flat": ("memory", "(d2) arithmetic only, fewest keys", openfisca_flat),
    "openfisca_tuned": ("memory", "(d3) arithmetic only, tuned by hand with `np.where`", openfisca_tuned),
    "bare_numpy": ("memory", "(a) NumPy, arithmetic only", bare_numpy),
    "copy_memory": ("memory", "(e) copy of the input's bytes", copy_memory),
    "ours_sink": ("file", "**cleanfleet**, scan_parquet to sink_parquet", ours_sink),
    "ours_file": ("file", "**cleanfleet**, file to file (`cleanfleet assess`)", ours_file),
    "ours_duckdb": ("file", "cleanfleet, DuckDB relation", ours_duckdb),
    "ours_spark": ("file", "cleanfleet, PySpark local[2]", ours_spark),
    "hand_polars_sink": ("file", "(b) Polars by hand", hand_polars_sink),
    "hand_pandas_file": ("file", "(c) pandas by hand", hand_pandas_file),
    "copy_file": ("file", "(e) copy of the file", copy_file),
}


def run(job: str, path: Path, out: Path, python: str | None) -> dict[str, Any]:
    """One measurement in its own process; ``error`` where it fails."""
    command = [sys.executable, str(HERE / "assess.py"), "--job", job, "--in", str(path), "--out", str(out)]
    if python:
        command += ["--openfisca", python]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent / "src")])}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if ran.returncode or not lines:
        told = [line for line in ran.stderr.strip().splitlines() if line.strip()] or ["failed"]
        return {"error": told[-1][:200]}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def others() -> float:
    """The share of the processors that other programs use just now."""

    def busy() -> tuple[int, int]:
        numbers = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]

    first = busy()
    time.sleep(0.5)
    second = busy()
    return 1 - (second[1] - first[1]) / max(second[0] - first[0], 1)


def machine() -> list[str]:
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    versions = []
    for name in ("polars", "numpy", "pyarrow", "pandas", "duckdb", "pyspark", "narwhals"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} -")
    kind = cpu[0].split(":")[1].strip() if cpu else platform.machine()
    return [
        f"{dt.date.today().isoformat()}; {os.cpu_count()} cores ({kind}), "
        f"{int(total.split()[1]) / 2**20:.0f} GiB; Python {platform.python_version()}; {', '.join(versions)}",
    ]


def table(found: dict[str, dict[str, Any]], rows: int, place: str) -> list[str]:
    reference = (
        {"memory": "hand_polars", "file": "hand_polars_sink"}[place],
        {"memory": "hand_pandas", "file": "hand_pandas_file"}[place],
    )

    def speed(job: str, pick: Callable[[list[float]], float] = min) -> float | None:
        held = found.get(job, {})
        return held.get("rows", rows) / pick(held["seconds"]) if "seconds" in held else None

    peers = [*reference, "openfisca"]
    lines = [
        "| | rows/s, best | median | processor ns/row | peak GB | x (b) | x (c) | x (d) | others' load |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for job, (where, title, _) in JOBS.items():
        if where != place or job not in found:
            continue
        held, fast = found[job], speed(job)
        if fast is None:
            lines.append(f"| {title} | not available | {held.get('error', '').replace('|', ' ')} | | | | | | |")
            continue
        middle = speed(job, statistics.median)
        ratios = [f"{fast / other:.2f}" if (other := speed(peer)) else "" for peer in peers]
        busy = f"{min(held['processor']) / held.get('rows', rows) * 1e9:.0f}" if "processor" in held else ""
        lines.append(
            f"| {title} | {fast:,.0f} | {middle:,.0f} | {busy} | {held['peak'] / 1e9:.2f} | {' | '.join(ratios)} | "
            f"{held.get('others', 0):.0%} |"
        )
    return lines


def checks(found: dict[str, dict[str, Any]], path: Path, data: Path, rows: int) -> list[str]:
    import polars as pl

    ours = data / "ours_sink.parquet"
    lines = []
    if "seconds" in found.get("ours_sink", {}):
        share = pl.scan_parquet(ours).group_by(pl.col("status").cast(pl.String)).len().collect().rows()
        lines.append(
            "- made-up vehicles: " + ", ".join(f"{name} {n / rows:.1%}" for name, n in sorted(share, key=lambda r: -r[1]))
        )
        for job, loose in (
            ("ours_file", False),
            ("hand_polars_sink", False),
            ("hand_pandas_file", True),
            ("ours_duckdb", False),
        ):
            theirs = data / f"{job}.parquet"
            if "seconds" in found.get(job, {}) and theirs.exists():
                odd = differing(path, ours, theirs, loose)
                told = ", ".join(f"{name} in {n:,} rows" for name, n in odd.items()) or "none"
                noise = " (numbers within float noise)" if loose else ""
                lines.append(f"- {job} against ours_sink, row by row{noise}: differing {told}")
    if "same_sums" in found.get("bare_numpy", {}):
        lines.append(
            f"- (a): the sums of difference and charge are {'equal' if found['bare_numpy']['same_sums'] else 'NOT equal'}"
        )
    for job in ("openfisca", "openfisca_arithmetic", "openfisca_flat", "openfisca_tuned"):
        if off := found.get(job, {}).get("relative_difference_of_sums"):
            told = ", ".join(f"{name} {value:+.1e}" for name, value in off.items())
            lines.append(f"- {JOBS[job][1]}, single precision: its sums differ from ours by {told} (relative)")
            for status, same in found[job]["same_counts"].items():
                lines.append(f"  - rows {status}: {'as many' if same else 'NOT as many'} as ours")
    return lines


def report(args: argparse.Namespace) -> list[str]:
    import vehicles

    data = args.data or Path(tempfile.mkdtemp(prefix="cleanfleet-bench-"))
    data.mkdir(parents=True, exist_ok=True)
    path = data / f"vehicles-{args.rows}-{args.seed}.parquet"
    print(f"{args.rows:,} vehicles in {path}", file=sys.stderr)
    vehicles.write(path, args.rows, args.seed)
    lines = [
        *machine(),
        "",
        f"{args.rows:,} made-up vehicles (seed {args.seed}), Parquet of {path.stat().st_size / 1e6:,.0f} MB.",
        "",
    ]
    found: dict[str, dict[str, Any]] = {}
    for job in JOBS:
        if args.only and job not in args.only:
            continue
        if job.startswith("openfisca") and not args.openfisca:
            found[job] = {"error": "no --openfisca"}
            continue
        noise = others()
        found[job] = {**run(job, path, data / f"{job}.parquet", args.openfisca), "others": noise}
        print(job, json.dumps(found[job]), file=sys.stderr, flush=True)
    for title, place in (("In memory:", "memory"), ("Parquet to Parquet:", "file")):
        if any(JOBS[job][0] == place for job in found):
            lines += [title, "", *table(found, args.rows, place), ""]
    lines += [*checks(found, path, data, args.rows), ""]
    if found.get("ours_file", {}).get("notes"):
        lines += [f"- file to file notes: {'; '.join(found['ours_file']['notes'])}", ""]
    if not args.only or "latency" in args.only:
        told = run("latency", path, data / "latency", None)
        lines += ["| one record | |", "|---|---|"]
        lines += [f"| {name} | {value * 1000:.3f} ms |" for name, value in told.items() if isinstance(value, float)]
        lines += [f"| not available | {told['error']} |"] if "error" in told else []
        lines.append("")
    if args.large:
        lines += ["| file to file, one run | rows | rows/s | peak GB |", "|---|---|---|---|"]
        for rows in (args.rows, args.large_rows):
            big = data / f"vehicles-{rows}-{args.seed}.parquet"
            vehicles.write(big, rows, args.seed)
            for job in ("ours_file", "ours_sink"):
                held = run(f"{job}!", big, data / "large.parquet", None)
                if "error" in held:
                    lines.append(f"| {job} | {rows:,} | not available: {held['error']} | |")
                else:
                    lines.append(f"| {job} | {rows:,} | {rows / held['seconds'][0]:,.0f} | {held['peak'] / 1e9:.2f} |")
        lines.append("")
    if args.data is None:
        shutil.rmtree(data)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data", type=Path, help="folder for the files made (default: a temporary one, removed afterwards)")
    parser.add_argument("--only", nargs="*", help=f"of {', '.join([*JOBS, 'latency'])}")
    parser.add_argument("--openfisca", metavar="PYTHON", help="the Python of a virtualenv with requirements.txt")
    parser.add_argument("--large", action="store_true", help="file to file with --rows and with --large-rows")
    parser.add_argument("--large-rows", type=int, default=100_000_000)
    parser.add_argument("--markdown", type=Path, help="where to write the tables")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--in", dest="path", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    sys.path.insert(0, str(HERE))
    if args.job:
        global measured
        if args.job.endswith("!"):
            several = measured
            measured = lambda call: several(call, 1)  # noqa: E731
        name = args.job.removesuffix("!")
        job = latency if name == "latency" else JOBS[name][2]
        extra = (args.openfisca,) if name.startswith("openfisca") else ()
        print(json.dumps(job(args.path, args.out, *extra), default=lambda x: float(x) if isinstance(x, Decimal) else str(x)))
        return
    text = "\n".join(report(args))
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n")


if __name__ == "__main__":
    main()
