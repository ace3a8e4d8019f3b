"""Records of several rows: the toy's barges in convoys, answered by the convoy, on each engine and one at a time."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from cleanfleet.law.errors import InputError, LawError, UnknownName
from cleanfleet.law.policy import Policy, compare

from .toy import KNOWN, definition, inputs

GROUP: dict[str, Any] = {
    "by": "convoy",
    "same": ["day", "port"],
    "once": "kind",
    "complete": {"rule": "needed", "status": "open"},
    "statuses": [
        {"status": "refused", "of": ["refused"]},
        {"status": "out", "of": ["excluded"]},
        {"status": "loud", "of": ["loud"]},
        {"status": "open", "of": ["not_determined", "unclear"]},
        {"status": "quiet", "of": ["quiet"]},
    ],
    "lines": {
        "column": "thing",
        "silent": ["none"],
        "reasons": [
            {"word": "over", "status": "loud"},
            {"word": "between", "status": "open", "limits": "true"},
        ],
        "entries": [
            {"name": "hum", "verdict": "hum", "result": "noise", "limit": "low", "other": "high", "margin": "room"},
            {"name": "mass", "verdict": "mass_verdict", "result": "mass_kg", "limit": "most_kg"},
        ],
    },
}
RULES = '''
from cleanfleet.law.rules import *


def year(day):
    """The year."""
    return year_of(day)


def low(limit):
    """Lower limit."""
    return limit


def high(limit):
    """Higher limit."""
    return limit + limit


def room(low, noise):
    """What is left."""
    return low - noise


def hum(noise, low, high):
    """The hum."""
    return choose(~given(noise), "none", noise <= low, "fine", noise > high, "over", "between")


def most_kg(heavy_from_kg):
    """Heaviest."""
    return heavy_from_kg


def mass_verdict(mass_kg, most_kg):
    """The mass."""
    return choose(~given(mass_kg), "none", mass_kg > most_kg, "over", "fine")


def needed(year):
    """What a convoy needs."""
    return choose(year == exactly(2024, "year"), "a + b", "a")


def verdict(hum, mass_verdict, exempt):
    """The row's answer."""
    return choose(
        choose(given(exempt), exempt, False), "excluded", (hum == "over") | (mass_verdict == "over"), "loud",
        hum == "between", "unclear", "quiet",
    )
'''


def group_policy(folder: Path, **changes: Any) -> Policy:
    policy = {
        **inputs({"name": "convoy", "type": "text"}, {"name": "kind", "required": "false"}),
        "outcome": {"rule": "verdict", "answered": ["quiet", "loud", "unclear"]},
        "outputs": [{"name": "needed", "rule": "needed"}, {"name": "most", "rule": "most_kg"}],
        "flags": [],
        "checks": [],
        "group": {**GROUP, **changes},
    }
    return Policy(definition(folder / "toy", policy=policy, rules=RULES), known=KNOWN)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return group_policy(tmp_path)


DAY = dt.date(2024, 5, 1)
ROWS: list[dict[str, Any]] = [
    {"convoy": "q", "kind": "a", "day": DAY, "noise": "100.5", "mass_kg": 10, "port": "south"},
    {"convoy": "l", "kind": "alpha", "day": DAY, "noise": "201.01", "mass_kg": 5001, "port": None},
    {"convoy": "q", "kind": "b", "day": None, "noise": None, "mass_kg": 5000, "port": None},
    {"convoy": "l", "kind": "b", "day": DAY, "noise": "100.51", "mass_kg": None, "port": None},
    {"convoy": "gap", "kind": "a", "day": DAY, "noise": "100.51", "mass_kg": None, "port": None},
    {"convoy": "bad", "kind": "a", "day": DAY, "noise": "999", "mass_kg": 9001, "port": None},
    {"convoy": "bad", "kind": "zz", "day": DAY, "noise": "1", "mass_kg": 9001, "port": None},
    {"convoy": "two", "kind": "a", "day": DAY, "noise": "1", "mass_kg": 1, "port": "North"},
    {"convoy": "two", "kind": "Alpha", "day": DAY, "noise": "1", "mass_kg": 1, "port": " south"},
    {"convoy": "  ", "kind": "a", "day": DAY, "noise": "1", "mass_kg": 1, "port": None},
    {"convoy": None, "kind": "b", "day": DAY, "noise": "1", "mass_kg": 9999, "port": None},
    {"convoy": "free", "kind": "a", "day": DAY, "noise": "999", "mass_kg": 1, "port": None, "exempt": True},
    {"convoy": "late", "kind": "a", "day": dt.date(2027, 1, 1), "noise": "1", "mass_kg": 1, "port": None},
    {"convoy": "why", "kind": None, "day": DAY, "noise": "1", "mass_kg": 1, "port": None},
]
EXPECTED: dict[str | None, tuple[str, str | None, int]] = {
    "q": ("quiet", None, 2),
    "l": ("loud", "over:hum:a; over:mass:a", 2),
    "gap": ("open", "between:hum:a:100.5-201; missing:kind:b", 1),
    "bad": ("refused", "out_of_range:mass_kg; unknown_value:kind", 2),
    "two": ("refused", "contradiction:port; duplicate:kind", 2),
    None: ("refused", "missing:convoy; out_of_range:mass_kg", 2),
    "free": ("out", None, 1),
    "late": ("open", "missing:limit", 1),
    "why": ("open", "missing:kind; missing:kind:a; missing:kind:b", 1),
}


def table() -> pl.DataFrame:
    names = ["convoy", "kind", "day", "noise", "mass_kg", "port", "exempt"]
    frame = pl.DataFrame([{n: row.get(n) for n in names} for row in ROWS], schema_overrides={"exempt": pl.Boolean})
    return frame.with_columns(pl.col("noise").cast(pl.Decimal(18, 2)))


def run(engine: str, policy: Policy, **how: Any) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    frame = table()
    if engine == "polars":
        found = policy.assess(frame, **how)
        return found.frame, found.detail
    if engine == "polars-lazy":
        found = policy.assess(frame.lazy(), **how)
        return found.frame, found.detail
    if engine == "pandas":
        found = policy.assess(frame.to_pandas(use_pyarrow_extension_array=True), **how)
        return tuple(None if part is None else pl.from_pandas(part) for part in (found.frame, found.detail))  # type: ignore[return-value]
    if engine == "pyarrow":
        found = policy.assess(frame.to_arrow(), **how)
        return tuple(None if p is None else pl.DataFrame(pl.from_arrow(p)) for p in (found.frame, found.detail))  # type: ignore[return-value]
    with duckdb.connect() as session:
        found = policy.assess(session.from_arrow(frame.to_arrow()), **how)
        parts = [None if p is None else pl.DataFrame(pl.from_arrow(p.to_arrow_table())) for p in (found.frame, found.detail)]
        return parts[0], parts[1]  # type: ignore[return-value]


ENGINES = ["polars", "polars-lazy", "pandas", "pyarrow", "duckdb"]


@pytest.mark.parametrize("engine", ENGINES)
def test_groups_on_every_engine(engine: str, policy: Policy) -> None:
    found, detail = run(engine, policy)
    assert detail is None
    assert found.columns == ["convoy", "rows", "day", "port", "status", "reason", "flags", "needed", "most"] == policy.names
    assert {row["convoy"]: (row["status"], row["reason"], row["rows"]) for row in found.rows(named=True)} == EXPECTED
    rows = {row["convoy"]: row for row in found.rows(named=True)}
    assert rows["q"]["day"] == DAY
    assert (rows["q"]["port"], rows["two"]["port"], rows["l"]["port"]) == ("south", None, "north")
    assert (rows["q"]["needed"], rows["late"]["needed"], rows["bad"]["needed"]) == ("a + b", "a", None)
    assert rows["q"]["most"] == 5000


@pytest.mark.parametrize("engine", ENGINES)
def test_lines_on_every_engine(engine: str, policy: Policy) -> None:
    _, detail = run(engine, policy, detail=True)
    assert detail is not None
    assert policy.groups is not None
    assert detail.columns == policy.groups.detail_names()
    found = {(row["convoy"], row["kind"], row["thing"]): row for row in detail.rows(named=True)}
    assert len(found) == detail.height
    assert {convoy for convoy, _, _ in found} == {"q", "l", "gap", "late", "why"}
    hum = found["l", "a", "hum"]
    assert (hum["verdict"], hum["result"], hum["limit"], hum["other_limit"], hum["margin"]) == (
        "over", Decimal("201.01"), Decimal("100.5"), Decimal("201"), Decimal("-100.51")
    )  # fmt: skip
    mass = found["l", "a", "mass"]
    assert (mass["verdict"], mass["result"], mass["limit"], mass["margin"]) == ("over", Decimal(5001), Decimal(5000), None)
    assert ("l", "b", "mass") not in found


def test_one_group_at_a_time(policy: Policy) -> None:
    assert policy.groups is not None
    whole = policy.assess(table()).frame
    for key, (status, reason, rows) in EXPECTED.items():
        records = [row for row in ROWS if ((row["convoy"] or "").strip() or None) == key]
        if key is None:
            continue
        answer = policy.one(records)
        assert (answer["status"], answer["reason"], answer["rows"]) == (status, reason, rows)
        assert answer == whole.filter(pl.col("convoy") == key).row(0, named=True)
    assert policy.one(ROWS[0] | {"convoy": None})["status"] == "open"  # rows given together belong together
    with pytest.raises(InputError, match="rows of several groups: convoy l, q"):
        policy.one(ROWS[:2])
    with pytest.raises(InputError, match="no row to answer"):
        policy.one([])
    with pytest.raises(UnknownName, match="no input column 'kid'"):
        policy.one([{"kid": "a"}])


def test_explained(policy: Policy) -> None:
    found = policy.explain([ROWS[1], ROWS[3]])
    text = str(found)
    assert "row 1 of 2" in text
    assert "together\nconvoy: l" in text
    assert found.answer["status"] == "loud"
    assert len(found.as_dict()["rows"]) == 2


def test_what_the_reader_refused_and_the_first_row(policy: Policy) -> None:
    told = pl.Series("told", [None, None, "not_a_number:noise"] + [None] * (len(ROWS) - 3), dtype=pl.String)
    frame = table().with_columns(told).with_row_index("place")
    found = policy.assess(frame, refusal="told", first="place").frame
    row = found.filter(pl.col("convoy") == "q").row(0, named=True)
    assert (row["status"], row["reason"], row["place"]) == ("refused", "not_a_number:noise", 0)
    assert found["place"].to_list() == sorted(found["place"].to_list())
    assert found["rows"].sum() == len(ROWS)


def test_compared(policy: Policy) -> None:
    found = compare(policy, policy.at(known="2022-01-01"), table())
    row = found.filter(pl.col("convoy") == "l").row(0, named=True)
    assert (row["status_old"], row["status_new"], row["changed"]) == ("loud", "open", True)


def test_an_empty_table(policy: Policy) -> None:
    assert policy.assess(table().clear()).frame.height == 0
    found = policy.assess(table().clear(), detail=True)
    assert found.detail.height == 0


def test_calls_that_do_not_fit(policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs the column convoy"):
        policy.assess(table().drop("convoy"))
    with pytest.raises(InputError, match="further rules can't be given"):
        policy.assess(table(), also=["low"])
    plain = Policy(definition(tmp_path / "plain"), known=KNOWN)
    with pytest.raises(InputError, match="has no lines to tell in detail"):
        plain.assess(pl.DataFrame({"kind": ["a"]}), detail=True)
    with pytest.raises(InputError, match="one row at a time"):
        plain.one([{"kind": "a"}])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"sam": []}, r"group: unknown key 'sam'; did you mean same"),
    "no once": ({"once": ""}, "group: has no once"),
    "a key that is no text": ({"by": "kind"}, "by needs a text column and once a choice"),
    "an unknown column": ({"same": ["dya"]}, r"'dya' is no input column; did you mean day"),
    "an unknown status": ({"complete": {"rule": "needed", "status": "opn"}}, r"'opn' is not one of its statuses"),
    "same as a word": ({"same": "day"}, "same is not a list"),
    "a status of no row's": ({"statuses": GROUP["statuses"][:-1]}, "status 'quiet' of a row belongs to exactly one"),
    "the refused not first": (
        {"statuses": [*GROUP["statuses"][1:], GROUP["statuses"][0]]},
        "the first status is the one of",
    ),
    "an unknown rule": ({"complete": {"rule": "neded", "status": "open"}}, "there is no rule 'neded'"),
    "words that are none": ({"complete": {"rule": "hum", "status": "open"}}, "hum gives words of kind"),
    "a line without a verdict": ({"lines": {"entries": [{"name": "x"}]}}, "a line needs a name and a verdict"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_what_a_group_must_state(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LawError, match=message):
        group_policy(tmp_path, **changes)
