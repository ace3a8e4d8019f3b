"""The doors out: integers as columns, in one piece whatever the stretches were."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from cleanfleet.law.answers import AnswerColumn, texts


def column(dtype: Any, values: Any, valid: Any, *, stretch: int = 16) -> pl.Series:
    """The values put in stretches, the last one first."""
    answer = AnswerColumn(len(values), dtype)
    for start in reversed(range(0, max(len(values), 1), stretch)):
        put = answer.put_dates if dtype == pl.Date else answer.put
        put(start, values[start : start + stretch], valid[start : start + stretch])
    return answer.series()


def test_decimals_go_out_exactly() -> None:
    values, valid = np.array([0, 1, -1, 123456789012345678, -5]), np.array([True, True, True, True, False])
    series = column(pl.Decimal(18, 4), values, valid)
    assert series.dtype == pl.Decimal(18, 4)
    assert series.to_list() == [Decimal("0"), Decimal("0.0001"), Decimal("-0.0001"), Decimal("12345678901234.5678"), None]


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 15, 16, 17, 64, 65])
@pytest.mark.parametrize("nulls", [True, False])
def test_nulls_go_out_where_they_belong(rows: int, nulls: bool) -> None:
    values = np.arange(rows)
    valid = values % 3 != 1 if nulls else np.ones(rows, dtype=bool)
    expected = [int(n) if here else None for n, here in zip(values, valid, strict=True)]
    for dtype in (pl.Int64(), pl.Int32(), pl.Decimal(18, 0)):
        series = column(dtype, values, valid)
        assert (series.dtype, series.to_list()) == (dtype, expected)
    truths = column(pl.Boolean(), values % 2 == 0, valid)
    assert truths.to_list() == [None if n is None else n % 2 == 0 for n in expected]
    words = [f"w{n}" for n in range(max(rows, 1))]
    assert column(pl.Enum(words), values.astype(np.uint8), valid).to_list() == [
        None if n is None else f"w{n}" for n in expected
    ]


@pytest.mark.parametrize("size", [1, 254, 255, 256, 257, 70_000])
def test_vocabularies_of_any_size(size: int) -> None:
    dtype = pl.Enum([f"w{n}" for n in range(size)])
    series = column(dtype, np.array([0, size - 1, 0]), np.array([True, True, False]))
    assert series.dtype == dtype
    assert series.to_list() == ["w0", f"w{size - 1}", None]


def test_dates_and_what_is_none() -> None:
    values, valid = np.array([20240229, 20230229, 20240101, 0]), np.array([True, True, False, True])
    assert column(pl.Date(), values, valid).to_list() == [dt.date(2024, 2, 29), None, None, None]


def test_texts_go_out_as_categories_and_an_empty_one_as_null() -> None:
    assert texts(np.array([2, 0, 1, 2]), ["", "one", "two"].__getitem__).to_list() == ["two", None, "one", "two"]
    far = np.array([2**40, 0, 2**50, 2**40])
    assert texts(far, lambda code: "" if not code else str(code)).to_list() == [str(2**40), None, str(2**50), str(2**40)]
    assert texts(np.zeros(0, dtype=np.int64), str).to_list() == []


def test_texts_of_several_stretches() -> None:
    answer = AnswerColumn(19, pl.Categorical())
    answer.put_texts(16, pl.Series(["c", None, "a"], dtype=pl.Categorical))
    answer.put_texts(0, pl.Series(["a", "b"] * 8, dtype=pl.Categorical))
    series = answer.series()
    assert series.dtype == pl.Categorical
    assert series.to_list() == [*(["a", "b"] * 8), "c", None, "a"]
