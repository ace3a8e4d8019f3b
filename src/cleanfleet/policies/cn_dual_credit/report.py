"""The compliance report: a workbook, a PDF, or the company table alone."""

from __future__ import annotations

import dataclasses
import importlib
import json
import secrets
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from cleanfleet import tables
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.policies.cn_dual_credit.history import Event, Option, Position, Result
from cleanfleet.tables.assess_file import Outcome

#: Columns of the PDF's company table, with their headings.
PDF_COMPANIES = {
    "entity": "Company", "year": "Year", "volume": "Volume", "nev_target": "NEV target", "nev_actual": "NEV actual",
    "nev_balance": "NEV balance", "cafc_target": "CAFC target", "cafc_actual": "CAFC actual", "cafc_balance": "CAFC balance",
    "status": "Status",
}  # fmt: skip
#: Companies up to which the PDF's chart shows each one.
CHARTED = 40


def write(out: Path, policy: Policy, outcome: Outcome, companies: pl.DataFrame, result: Result, *, banked: bool) -> None:
    """Write the report to ``out``: XLSX with a sheet for each part, PDF, or (CSV, Parquet, JSON lines) the company table."""
    suffix = out.suffix.lower()
    if suffix == ".pdf":
        _pdf(out, policy, outcome, companies, result, banked=banked)
        return
    with tables.writer(out) as sink:
        if suffix != ".xlsx":
            sink.write(companies)
            return
        vehicles = outcome.preview if outcome.preview is not None else pl.DataFrame({"row": []})
        sink.write(vehicles)
        sink.sheet("companies", companies)
        sink.sheet("ways", frame(Option, result.options))
        if banked:
            sink.sheet("statement", frame(Event, result.statement).drop("row"))
            sink.sheet("positions", frame(Position, result.positions))
            sink.sheet("uncovered", frame(Event, result.uncovered).drop("row", "lost", "counterparty", "vintage", "against"))
        sink.sheet("law", law(policy))


def frame(kind: type, rows: Sequence[Any]) -> pl.DataFrame:
    """Dataclass rows as a table; empty texts are empty cells."""
    types: dict[str, Any] = {}
    for item in dataclasses.fields(kind):
        types[item.name] = pl.Int64 if "int" in str(item.type) else pl.String
    return pl.DataFrame(
        [{name: value if value != "" else None for name, value in dataclasses.asdict(row).items()} for row in rows],
        schema=types,
    )


def law(policy: Policy) -> pl.DataFrame:
    """Every dated value that this reading of the law has, with its reference and grade."""
    rows = []
    for name, ref in sorted(policy.program.values.items()):
        for record in dict.fromkeys(record for record in ref.records if record is not None):
            for reference in record.references:
                rows.append(
                    {
                        "value": name,
                        "description": ref.value.description,
                        "for": ", ".join(word for _, word in record.keys),
                        "from": str(record.applies_from or record.period or ""),
                        "amount": "not known" if record.value is None else str(record.value),
                        "unit": ref.value.unit_text,
                        "grade": record.confidence,
                        "source": reference.title,
                        "section": reference.section,
                        "url": reference.url,
                        "note": record.note,
                    }
                )
    return pl.DataFrame(rows)


# -- PDF


def check_pdf() -> None:
    """Refuse a PDF where what draws it isn't installed."""
    _typst()


def _typst() -> Any:
    try:
        return importlib.import_module("typst")
    except ImportError:
        raise InputError("a PDF needs typst: pip install typst") from None


def _pdf(out: Path, policy: Policy, outcome: Outcome, companies: pl.DataFrame, result: Result, *, banked: bool) -> None:
    typst = _typst()
    with tempfile.TemporaryDirectory() as folder:
        chart = _chart(companies, Path(folder) / "balances.svg")
        source = Path(folder) / "report.typ"
        source.write_text(_document(policy, outcome, companies, result, banked, chart), encoding="utf-8")
        beside = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
        try:
            beside.write_bytes(typst.compile(str(source)))
            beside.replace(out)
        except OSError as error:
            raise InputError(f"{out}: can't be written ({error.strerror})") from None
        finally:
            beside.unlink(missing_ok=True)


def _chart(companies: pl.DataFrame, path: Path) -> Path | None:
    """The two balances of each company and year as bars; None where there is nothing to draw or nothing to draw with."""
    rows = companies.filter(pl.col("nev_balance").is_not_null() | pl.col("cafc_balance").is_not_null()).head(CHARTED)
    if not rows.height:
        return None
    points = [
        {"company": f"{row['entity']} {row['year']}", "kind": label, "balance": row[name]}
        for row in rows.iter_rows(named=True)
        for name, label in (("nev_balance", "NEV"), ("cafc_balance", "CAFC"))
        if row[name] is not None
    ]
    from cleanfleet.charts import COLOURS, draw

    colours = {"domain": ["CAFC", "NEV"], "range": COLOURS[:2]}
    try:
        draw(
            {
                "title": "Balances of each company and year, credits",
                "description": "; ".join(f"{p['company']} {p['kind']} {p['balance']}" for p in points),
                "width": 520,
                "height": {"step": 22},
                "data": {"values": points},
                "mark": "bar",
                "encoding": {
                    "y": {"field": "company", "type": "nominal", "title": None, "sort": None},
                    "yOffset": {"field": "kind", "scale": {"domain": ["CAFC", "NEV"]}},
                    "x": {
                        "field": "balance",
                        "type": "quantitative",
                        "title": "credits (below zero: deficit)",
                        "axis": {"format": ",d", "tickCount": 5},
                    },
                    "color": {"field": "kind", "type": "nominal", "title": None, "scale": colours},
                },
            },
            path,
        )
    except InputError:  # a report without a picture is better than none
        return None
    return path


def _document(
    policy: Policy, outcome: Outcome, companies: pl.DataFrame, result: Result, banked: bool, chart: Path | None
) -> str:
    parts = [
        f"#set document(title: {_text('Dual-credit report')})",
        '#set page(paper: "a4", flipped: true, margin: 1.6cm, numbering: "1 / 1")',
        '#set text(size: 9pt, lang: "en")',
        "#set table(stroke: 0.4pt + luma(180), inset: 4pt)",
        f"= #{_text(policy.title)}",
        f"#{_text(f'Law as known on {policy.known}; values {policy.digest}. {outcome.rows:,} rows read.')}",
        "== Companies",
        _table(
            list(PDF_COMPANIES.values()), [[row[name] for name in PDF_COMPANIES] for row in companies.iter_rows(named=True)]
        ),
    ]
    open_ = [f"{row['entity']} {row['year']}: {row['reason']}" for row in companies.iter_rows(named=True) if row["reason"]]
    parts += [f"- #{_text(line)}" for line in open_]
    if chart is not None:
        words = "Bars: CAFC and NEV balance of each company and year, as in the table above"
        parts.append(f"#image({_text(chart.name)}, width: 70%, alt: {_text(words)})")
    if result.options:
        parts += [
            "== Ways to meet each deficit, each by itself",
            _table(
                ["Company", "Year", "Deficit", "of", "Amount", "Way", "Available", "Leaves", "Note"],
                [_option(o) for o in result.options],
            ),
        ]  # fmt: skip
    if banked:
        parts += [
            "== Statement of the bank",
            _table(
                ["Year", "Company", "Kind", "Event", "Amount", "Vintage", "Lost", "Against", "Counterparty", "Note"],
                [[e.year, e.entity, e.kind, e.event.replace("_", " "), e.amount, e.vintage, e.lost or "",
                  f"{e.against} {e.deficit_year}" if e.against else "", e.counterparty, e.note] for e in result.statement],
            ),
        ]  # fmt: skip
        parts += [
            f"- #{_text(f'{e.entity}: {e.amount:,} of the {e.kind} deficit of {e.deficit_year} stay uncovered; {e.note}.')}"
            for e in result.uncovered
        ]
        parts += [f"- #{_text(f'Not determined: {line}')}" for line in result.not_determined]
    flags = sorted({flag for flags in companies["flags"].drop_nulls() for flag in flags.split("; ")})
    if flags:
        parts += [
            "== Marks",
            f"#{_text('Used though inferred, recalled, laid over or read otherwise: ' + '; '.join(flags))}",
        ]
    table = law(policy)
    used = table.filter(pl.col("value").is_in(["nev_ratio", "fuel_efficient_factor", "year_ratio", "carry_factor"]))
    parts += [
        "== Values of the law",
        f"#{_text('The ratios and factors of each year; the workbook has every value with its source.')}",
        _table(
            ["Value", "For", "From", "Amount", "Grade", "Source"],
            [[row["value"], row["for"], row["from"], row["amount"], row["grade"], row["source"]] for row in used.iter_rows(named=True)],
        ),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _option(option: Option) -> list[Any]:
    available = "on the market" if option.available is None else option.available
    way = option.way.replace("_", " ")
    return [
        option.entity,
        option.year,
        option.kind,
        option.deficit_year,
        option.deficit,
        way,
        available,
        option.leaves,
        option.note,
    ]


def _text(text: str) -> str:
    """A text as a string of the typesetter, nothing in it read as markup."""
    return json.dumps(text, ensure_ascii=False)


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = [f"table.header({', '.join(f'[*#{_text(heading)}*]' for heading in headings)})"]
    cells += [f"[#{_text(_cell(value))}]" for row in rows for value in row]
    return f"#table(columns: {len(headings)}, {', '.join(cells)})"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return str(value).replace("_determined", " determined")
