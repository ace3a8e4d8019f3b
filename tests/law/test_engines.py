"""Every engine gives the answers of the Polars path, in every column of every row."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
import pytest
from oracle.generate import vehicles

from cleanfleet import policies
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.law.portable import assess_portable

from .toy import KNOWN, RULES, definition, inputs

#: What an engine does: (policy, rows, also, refusal) -> the answer as a Polars frame.
Engine = Callable[..., pl.DataFrame]
ALSO = ("fleet_target", "obligation_year", "deciding_date")


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns((cs.categorical() | cs.enum()).cast(pl.String))


def through(there: Callable[[pl.DataFrame], Any], back: Callable[[Any], pl.DataFrame], *, natively: bool = False) -> Engine:
    def run(policy: Policy, frame: pl.DataFrame, also: tuple[str, ...] = (), refusal: str | None = None) -> pl.DataFrame:
        given = there(frame)
        if natively:
            found = assess_portable(policy.program, given, also, refusal)
        else:
            found = policy.assess(given, also=also, refusal=refusal).frame
        assert type(found) is type(given)
        return plain(back(found))

    return run


def arrow(frame: pl.DataFrame) -> Any:
    return plain(frame).to_arrow(compat_level=pl.CompatLevel.oldest())


def from_arrow(table: Any) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table))


@cache
def spark() -> Any:
    """One session for all tests; None where PySpark or Java isn't there."""
    if importlib.util.find_spec("pyspark") is None or not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        return None
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder.master("local[2]")
    for key, value in {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


ENGINES = ["polars", "polars-lazy", "pandas", "pyarrow", "duckdb", "narwhals-polars", "narwhals-lazy", "narwhals-pyarrow"]


@pytest.fixture(params=[*ENGINES, pytest.param("pyspark", marks=pytest.mark.spark)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    name = request.param
    natively = name.startswith("narwhals")
    if name in ("polars", "narwhals-polars"):
        yield through(lambda frame: frame, lambda found: found, natively=natively)
    elif name in ("polars-lazy", "narwhals-lazy"):
        yield through(lambda frame: frame.lazy(), lambda found: found.collect(), natively=natively)
    elif name in ("pyarrow", "narwhals-pyarrow"):
        yield through(arrow, from_arrow, natively=natively)
    elif name == "pandas":
        pd = pytest.importorskip("pandas")
        yield through(lambda frame: arrow(frame).to_pandas(types_mapper=pd.ArrowDtype), pl.from_pandas)
    elif name == "duckdb":
        duckdb = pytest.importorskip("duckdb")
        with duckdb.connect() as session:
            yield through(lambda frame: session.from_arrow(arrow(frame)), lambda found: from_arrow(found.to_arrow_table()))
    else:
        if spark() is None:
            pytest.skip("PySpark needs the package pyspark and Java on PATH (or JAVA_HOME)")
        yield through(lambda frame: spark().createDataFrame(arrow(frame)), lambda found: from_arrow(found.toArrow()))


def compare(engine: Engine, policy: Policy, frame: pl.DataFrame, *how: Any, key: str = "vin") -> pl.DataFrame:
    """The engine's answers are those of the Polars path; yields them."""
    also, refusal = (*how, (), None)[:2] if len(how) != 1 else (how[0], None)
    names = policy.table(also).names()
    expected = plain(policy.assess(frame, also=also, refusal=refusal).frame)
    found = engine(policy, frame, also, refusal)
    assert found.columns == expected.columns  # the table's own, then the answer's: no helper is left
    expected, found = expected.sort(key), found.sort(key)
    assert found[key].to_list() == expected[key].to_list()
    wrong = {
        name: frame.sort(key).filter(differ).head(3).to_dicts()
        for name in names
        if (differ := expected[name].cast(pl.String).ne_missing(found[name].cast(pl.String))).any()
    }
    assert wrong == {}
    for name in names:
        ours, theirs = expected[name].dtype, found[name].dtype
        assert ours == theirs or (ours.is_integer() and theirs.is_integer()), (name, ours, theirs)
    return found


def nz(**how: Any) -> Policy:
    return policies.load("nz-clean-vehicle-standard", **{"known": "2026-11-22", **how})


def test_vehicles(engine: Engine) -> None:
    found = compare(engine, nz(), vehicles(20_000, 11), ALSO)
    assert set(found["status"]) == {"refused", "not_determined", "determined", "excluded"}


@pytest.mark.parametrize(
    "how",
    [
        {"values": ["weight-floor-1200"]},
        {"values": ["proposal-2021"], "readings": {"deciding_event": "certification"}},
        {"readings": {"per_vehicle_rounding": "half_up"}},
        {"readings": {"weight_adjustment": "none"}, "min_grade": "H"},
        {"known": "2023-06-01"},
    ],
    ids=str,
)
def test_other_readings(engine: Engine, how: dict[str, Any]) -> None:
    compare(engine, nz(**how), vehicles(3_000, 12))


def test_decimals_a_readers_refusals_and_missing_columns(engine: Engine) -> None:
    """Decimals of several scales, some with more digits than are kept, refusals told already, optional columns left out."""
    frame = vehicles(3_000, 13).drop("seats", "exclusion", "wltc_class", "co2_extra_high_g_per_km")
    frame = frame.with_columns(
        pl.col("fuel_l_per_100km").round(1).cast(pl.Decimal(6, 1)),
        pl.col("co2_g_per_km").round(4).cast(pl.Decimal(12, 4)),
        pl.col("co2_low_g_per_km").cast(pl.Decimal(20, 6)),
        pl.col("co2_medium_g_per_km").cast(pl.Decimal(38, 18)),
        pl.col("tare_kg").cast(pl.Decimal(20, 0)),
        told=pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.lit("ragged_row")),
    )
    found = compare(engine, nz(), frame, (), "told")
    assert found["reason"].str.starts_with("ragged_row").sum() == 429


#: Cells at the edges, one column after the other; the rest of each row is as in BARGE.
BARGE = {"kind": "a", "noise": 120.25, "mass_kg": 500, "day": dt.date(2024, 5, 1), "exempt": "no", "port": "north"}
DAYS = [(1999, 12, 31), (2000, 1, 1), (2050, 12, 31), (2051, 1, 1), (9999, 1, 1)]
EDGES: dict[str, list[Any]] = {
    "kind": ["A", " alpha ", "ALPHA", "b", "c", "-a", "a-", "d", "", "   ", "\u00a0b\u3000", "\tB\n", None, "aa", "Ａ"],
    "noise": [
        *(-50.0, -50.004, -50.005, 1000.0, 1000.0000001, 1000.004, 1000.005, 1000.01, 0.0, -0.01, 0.005, 99.99),
        *(120.30000000000001, 120.3000001, 120.29999999, 100.01, 1e300, -1e300, None, 0.29, 1.1),
        *(float("nan"), float("inf"), float("-inf")),
    ],
    "mass_kg": [0, 1, 9000, 9001, -5, 2**40, None, 2**62, -(2**62)],
    "day": [None, *(dt.date(*day) for day in DAYS)],
    "exempt": ["Yes", "TRUE", " 1", "no", "0", "sí", "是", "maybe", "", None, "y e s", "Y"],
    "port": ["South", None, "", "east", " NORTH"],
}
TYPES = {"kind": pl.String, "noise": pl.Float64, "mass_kg": pl.Int64, "day": pl.Date, "exempt": pl.String, "port": pl.String}


def barges(rows: list[dict[str, Any]], **types: Any) -> pl.DataFrame:
    """Barges like BARGE but for the cells given, numbered."""
    frame = pl.DataFrame([{**BARGE, **row} for row in rows], schema={**TYPES, **types})
    return frame.with_row_index("row").with_columns(pl.col("row").cast(pl.Int32))


def edges() -> pl.DataFrame:
    return barges([{column: cell} for column, cells in EDGES.items() for cell in cells])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return Policy(definition(tmp_path_factory.mktemp("toy")), known=KNOWN)


def test_edges(engine: Engine, toy: Policy) -> None:
    compare(engine, toy, edges(), ("over", "year", "is_heavy", "ground"), key="row")


def test_other_types(engine: Engine, toy: Policy, request: pytest.FixtureRequest) -> None:
    """Small and unsigned integers, single floats, categories, times, truths, and a column of nothing but nulls."""
    frame = edges().with_columns(
        pl.col("kind").cast(pl.Categorical),
        pl.col("noise").clip(-60, 1010).cast(pl.Float32),
        pl.col("mass_kg").clip(0, 10_000).cast(pl.Int16),
        pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours=23, minutes=59),
        exempt=pl.when(pl.col("row") % 5 > 0).then(pl.col("row") % 2 == 0),
        port=pl.lit(None) if "pandas" not in request.node.name else pl.lit(None, pl.String),
    )
    if "pyspark" in request.node.name:  # its times are instants; so the day is the one in the policy's zone
        frame = frame.with_columns(pl.col("day").dt.replace_time_zone("UTC"))
    compare(engine, toy, frame, key="row")
    if "pyspark" not in request.node.name:  # has no unsigned integers
        compare(engine, toy, edges().with_columns(pl.col("mass_kg").clip(0).cast(pl.UInt64) + 2**63 - 1), key="row")


@pytest.mark.parametrize("places", [3, 18])
def test_decimals_at_the_edges(engine: Engine, toy: Policy, places: int) -> None:
    noise = ["-50", "-50.001", "1000", "1000.001", "1e17", "-1e17", "0.015", "0.01"]
    rows = [{"noise": Decimal(number)} for number in noise]
    compare(engine, toy, barges([*rows, {"noise": None}], noise=pl.Decimal(38, places)), key="row")


def test_dates_as_texts(engine: Engine, toy: Policy) -> None:
    days = ["2024-05-01", " 2024-02-29 ", "2023-02-29", "2000-02-29", "1900-02-29", "2024-04-31", "2024-5-1", "20240501", ""]
    days += ["2024-13-01", "2024-00-10", "2024-01-00", "0000-01-01", "1999-12-31", "2050-12-31", "x", "2024-05-01T00:00"]
    compare(engine, toy, barges([{"day": day} for day in [*days, "٢٠٢٤-05-01", None]], day=pl.String), key="row")


def test_order(engine: Engine, request: pytest.FixtureRequest) -> None:
    """The rows stay in order on every engine but Spark, which promises none."""
    if "pyspark" not in request.node.name:
        frame = vehicles(5_000, 14)
        assert engine(nz(), frame)["vin"].to_list() == frame["vin"].to_list()


def test_a_table_that_cant_be_used(engine: Engine) -> None:
    frame = vehicles(10, 15)
    for given, told in (
        (frame.drop("tare_kg"), "needs the column tare_kg"),
        (frame.with_columns(pl.col("tare_kg").cast(pl.String)), "column tare_kg is String"),
        (frame.with_columns(accepted_on=True), "column accepted_on is Boolean"),
    ):
        with pytest.raises(InputError, match=told):
            engine(nz(), given)
    with pytest.raises(InputError, match="no rule 'fleet_targets'"):
        engine(nz(), frame, ("fleet_targets",))
    with pytest.raises(InputError, match="has no column told"):
        engine(nz(), frame, (), "told")


def test_helpers_dont_clash() -> None:
    frame = vehicles(100, 16).with_columns(cleanfleet_told=pl.lit("mine"), Cleanfleet_15=pl.lit(1))
    found = assess_portable(nz().program, frame)
    assert found["cleanfleet_told"].unique().to_list() == ["mine"]
    assert found.columns == [*frame.columns, *nz().table().names()]


@pytest.mark.spark
class TestSpark:
    """What PySpark does beside giving the same answers."""

    @pytest.fixture(autouse=True)
    def _session(self) -> None:
        if spark() is None:
            pytest.skip("PySpark needs the package pyspark and Java on PATH (or JAVA_HOME)")

    def test_all_columns_pass_through(self) -> None:
        """Also those that no policy knows, of any type, in their partitions and in their order."""
        rows = "id, array(id, null) a, struct(id x, 'y' y) s, map('k', id) m, cast(id as decimal(38, 3)) d, null nothing"
        law = "'MA' vehicle_class, 'new' condition, 1500 tare_kg, date'2026-03-31' accepted_on, 120.5 co2_g_per_km"
        given = spark().sql(f"select {rows}, '3P-WLTP' co2_cycle, {law} from range(0, 25000, 1, 3)")
        found = nz().assess(given).frame
        assert found.columns == [*given.columns, *nz().table().names()]
        own = found.select(*given.columns).toArrow()
        assert own.equals(given.toArrow())
        assert found.rdd.getNumPartitions() == 3
        assert [tuple(row) for row in found.groupBy("status", "target_g_per_km", "charge_nzd").count().collect()] == [
            ("determined", Decimal("108.6174"), Decimal("132.00"), 25_000)
        ]

    def test_it_is_lazy(self) -> None:
        given = spark().sql(
            "select raise_error('read') vehicle_class, 'new' condition, 1500 tare_kg, date'2026-03-31' accepted_on"
        )
        nz().assess(given)

    def test_no_rows(self) -> None:
        given = spark().createDataFrame(arrow(vehicles(10, 18))).where("false")
        assert nz().assess(given).frame.count() == 0

    def test_a_type_that_python_is_not_given(self) -> None:
        given = spark().createDataFrame(arrow(vehicles(10, 18))).selectExpr("*", "make_interval(1) wait")
        with pytest.raises(InputError, match="column wait is interval"):
            nz().assess(given)

    def test_what_travels_is_small(self) -> None:
        assert len(pickle.dumps(nz().table(ALSO))) < 400_000


def test_duckdb_joins_nothing() -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as session:
        relation = assess_portable(nz().program, session.from_arrow(arrow(vehicles(10, 17))))
        assert "JOIN" not in relation.explain()


OWN = '''
def verdict(kind, noise):
    """A barge of kind b is never judged; one of kind c needs no noise."""
    return choose(kind == "b", "not_determined", kind == "c", "quiet", noise > 0, "loud", "quiet")


def why(kind):
    """Why it isn't judged."""
    return choose(kind == "b", "not_judged", "none")


def is_loud(kind, mass_kg, heavy_from_kg):
    """Barges of kind c have no figure, and of others only those whose mass is known."""
    return choose(kind == "c", False, mass_kg < heavy_from_kg)
'''


def test_a_verdict_that_says_not_determined_and_figures_that_are_not_there(engine: Engine, tmp_path: Path) -> None:
    """Three ways to an empty figure: the scheme says so itself, something is missing, or there is no such figure."""
    policy = definition(
        tmp_path / "toy",
        rules=RULES.replace("def verdict", "def old_verdict"),
        more_rules=OWN,
        policy={
            "outcome": {"rule": "verdict", "answered": ["quiet", "loud", "not_determined"], "reason": "why"},
            "outputs": [{"name": "over_g", "rule": "over", "decimals": "2", "where": "is_loud"}],
            "checks": [],
        },
    )
    rows = [  # kind, noise, mass, and what comes out: status, reason, figure
        ("a", "103.99", 100, "loud", None, "3.49"),
        ("a", "103.99", 6000, "loud", None, None),  # no such figure
        ("a", "103.99", None, "not_determined", "missing:mass_kg", None),
        ("a", None, 100, "not_determined", "missing:noise", None),
        ("b", "103.99", 100, "not_determined", "not_judged", "3.49"),
        ("b", None, 6000, "not_determined", "not_judged", None),
        ("b", None, 100, "not_determined", "missing:noise", None),
        ("c", None, None, "quiet", None, None),
    ]
    frame = pl.DataFrame(
        {
            "name": [str(place) for place in range(len(rows))],
            "kind": [row[0] for row in rows],
            "noise": pl.Series([None if row[1] is None else Decimal(row[1]) for row in rows], dtype=pl.Decimal(8, 2)),
            "mass_kg": pl.Series([row[2] for row in rows], dtype=pl.Int64),
            "day": dt.date(2024, 5, 1),
        }
    )
    read = Policy(policy, known=KNOWN)
    found = compare(engine, read, frame, key="name")
    expected = [(status, reason, None if figure is None else Decimal(figure)) for *_, status, reason, figure in rows]
    assert found.select("status", "reason", "over_g").rows() == expected
    for row, want in zip(frame.rows(named=True), expected, strict=True):
        one = read.one(row)
        assert (one["status"], one["reason"], one["over_g"]) == want


WHERE = '''
def where(port):
    """The port."""
    return port
'''


def test_words_with_accents(engine: Engine, tmp_path: Path) -> None:
    """Accents don't count on any engine, whether they are on the letter or marks of their own, right or wrong ones."""
    places = {"name": "port", "type": "choice", "choices": {"ancash": "", "san_martin": ""}, "aliases": {"Junín": "ancash"}}
    policy = Policy(definition(tmp_path / "toy", policy=inputs({**places, "default": ...}), more_rules=WHERE), known=KNOWN)
    spelt = [
        "ancash",
        "Áncash",
        "A\u0301NCASH",
        "ancásh",
        "San Martín",
        "SAN-MARTIN",
        "san martìn",
        "junin",
        "JUNÍN",
        "ancaxh",
    ]
    frame = pl.DataFrame(
        {"name": [str(place) for place in range(len(spelt))], "kind": "a", "day": dt.date(2024, 5, 1), "port": spelt}
    )
    found = compare(engine, policy, frame, ("where",), key="name").sort(pl.col("name").cast(pl.Int64))
    assert found["where"].to_list() == ["ancash"] * 4 + ["san_martin"] * 3 + ["ancash"] * 2 + [None]
    assert found["status"].to_list()[-1] == "refused"
