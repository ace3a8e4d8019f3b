"""Volume over the limit by distributor, department and fuel: what a supervisor looks at first."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from cleanfleet.law.policy import Policy

_KEYS = ["distributor", "department", "fuel"]
_PLACES = 3
#: Reasons of batches over the sulfur limit.
_OVER = ("sulfur_above_limit", "sulfur_above_limit_and_ron_below_minimum")


class Summary:
    """One row for each distributor, department and fuel, those with most volume over the limit first.

    ``distributor``, ``department``, ``fuel``; ``batches`` and, of them, ``over_limit`` (sulfur above the limit),
    ``other_failures``, ``exempt``, ``not_determined``, ``refused``; ``volume_m3``, ``volume_over_limit_m3``,
    ``volume_failing_m3`` (over the limit, too low in octane or under a name not admitted): exact sums of the volumes given;
    ``without_volume``, the batches that say none. A refused row stands under no department and fuel: its cells are not
    believed. Nothing is said of a share: volumes may be missing.
    """

    name = "over_limit"

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.needs = tuple(policy.definition.summary["needs"])
        self._parts: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Count in the assessed rows of ``frame`` (answer columns, the ``needs``, and ``distributor`` where it is known)."""
        if "distributor" not in frame.columns:
            frame = frame.with_columns(distributor=pl.lit(None, dtype=pl.String))
        refused = pl.col("status").cast(pl.String) == "refused"
        status, reason = pl.col("status").cast(pl.String), pl.col("reason").cast(pl.String).fill_null("")
        over = reason.is_in(_OVER)
        failing = status == "non_compliant"
        volume = (pl.col("batch_volume").cast(pl.Decimal(38, _PLACES)) * 10**_PLACES).cast(pl.Int64)
        rows = frame.select(
            pl.col("distributor").cast(pl.String),
            department=pl.when(~refused).then(pl.col("batch_department").cast(pl.String)),
            fuel=pl.when(~refused).then(pl.col("batch_fuel").cast(pl.String)),
            status=status,
            over=over,
            failing=failing,
            volume=pl.when(~refused).then(volume),
        )
        self._parts.append(
            rows.group_by(_KEYS).agg(
                pl.len().cast(pl.Int64).alias("batches"),
                pl.col("over").sum().cast(pl.Int64).alias("over_limit"),
                (pl.col("failing") & ~pl.col("over")).sum().cast(pl.Int64).alias("other_failures"),
                *(
                    (pl.col("status") == word).sum().cast(pl.Int64).alias(word)
                    for word in ("exempt", "not_determined", "refused")
                ),
                pl.col("volume").sum().alias("volume"),
                pl.col("volume").filter("over").sum().alias("volume_over"),
                pl.col("volume").filter("failing").sum().alias("volume_failing"),
                pl.col("volume").is_null().sum().cast(pl.Int64).alias("without_volume"),
            )
        )

    def frame(self) -> pl.DataFrame:
        """The table; empty where nothing was assessed."""
        if not self._parts:
            return pl.DataFrame(schema=SCHEMA)
        summed = (
            pl.concat(self._parts)
            .group_by(_KEYS)
            .agg(pl.exclude(_KEYS).sum())
            .sort(["volume_over", "over_limit", *_KEYS], descending=[True, True, False, False, False], nulls_last=True)
        )
        names = {
            f"volume{part}": f"volume{name}_m3"
            for part, name in (("", ""), ("_over", "_over_limit"), ("_failing", "_failing"))
        }
        return summed.with_columns(
            (pl.col(part).cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1).scaleb(-_PLACES))).cast(SCHEMA[name]).alias(name)
            for part, name in names.items()
        ).select(list(SCHEMA))


SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "distributor": pl.String,
    "department": pl.String,
    "fuel": pl.String,
    "batches": pl.Int64,
    "over_limit": pl.Int64,
    "other_failures": pl.Int64,
    "exempt": pl.Int64,
    "not_determined": pl.Int64,
    "refused": pl.Int64,
    "volume_m3": pl.Decimal(38, _PLACES),
    "volume_over_limit_m3": pl.Decimal(38, _PLACES),
    "volume_failing_m3": pl.Decimal(38, _PLACES),
    "without_volume": pl.Int64,
}
