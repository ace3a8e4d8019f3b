"""``cleanfleet``: the commands, their options, and how errors end (exit code 2 with one line, never a traceback).

A scheme's own commands stand in ``commands.yaml`` of its folder (name: help) and are imported from ``commands.py`` when
called.
"""

from __future__ import annotations

import contextlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from cleanfleet import __version__

from .registry_accept import app as registry_app

#: The exit code after Ctrl-C.
INTERRUPTED = 130


class Engine(StrEnum):
    polars = "polars"
    duckdb = "duckdb"
    spark = "spark"


class Scheme(StrEnum):
    payg = "payg"
    fleet = "fleet"


class Commands(TyperGroup):
    """The commands here and those of the schemes' folders."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_scheme_commands()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is not None or cmd_name not in _scheme_commands():
            return found
        folder, help_ = _scheme_commands()[cmd_name]
        if "--help" in sys.argv[1:2] or len(sys.argv) < 2:
            light = typer.Typer()
            light.command(cmd_name, help=help_)(lambda: None)
            return typer.main.get_command(light)
        import importlib.util

        spec = importlib.util.spec_from_file_location(
            f"_cleanfleet_commands_{abs(hash(str(folder)))}", folder / "commands.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        scheme: Any = typer.main.get_group(module.app)
        return scheme.commands[cmd_name]


def _scheme_commands() -> dict[str, tuple[Path, str]]:
    from cleanfleet import policies

    found: dict[str, tuple[Path, str]] = {}
    for folder in policies.folders().values():
        path = folder / "commands.yaml"
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                name, colon, text = line.partition(":")
                if colon and not name.startswith(("#", " ")):
                    found[name.strip()] = (folder, text.strip().strip('"'))
    return found


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Vehicle emission standards you can run: what each vehicle, fleet, engine or batch owes, and why.",
)


app.add_typer(registry_app, name="registry")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"cleanfleet {__version__}")
        raise typer.Exit()


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


PolicyOption = Annotated[
    list[str],
    typer.Option(
        "--policy", "-p", help="Id of the policy; 'cleanfleet policies' lists them. Repeat it for several at once."
    ),
]
KnownOption = Annotated[
    str | None, typer.Option("--known", metavar="DATE", help="Read the law as it was known on this day.")
]
ValuesOption = Annotated[
    list[str] | None, typer.Option("--values", metavar="OVERLAY", help="An overlay: its name, or a YAML file. Repeatable.")
]
ReadingOption = Annotated[
    list[str] | None, typer.Option("--reading", metavar="NAME=CHOICE", help="A reading of the law other than the default.")
]
GradeOption = Annotated[str | None, typer.Option("--min-grade", metavar="GRADE", help="Leave out values graded worse.")]
LangOption = Annotated[
    str | None,
    typer.Option("--lang", metavar="LANGUAGE", help="Language of titles and meanings, such as es; codes stay the same."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def assess(
    file: Annotated[Path, typer.Argument(help="CSV, XLSX, Parquet or JSON lines.")],
    policy: PolicyOption,
    preset: Annotated[str | None, typer.Option(help="A known layout of columns, such as 'ademe'.")] = None,
    columns: Annotated[Path | None, typer.Option(metavar="MAP.yaml", help="A mapping of columns.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="A column that the file lacks. Repeatable.")
    ] = None,
    on: Annotated[str | None, typer.Option(metavar="DATE", help="The date for rows without one.")] = None,
    known: KnownOption = None,
    scheme: Annotated[Scheme | None, typer.Option(help="How the importer is charged; default payg.")] = None,
    values: ValuesOption = None,
    reading: ReadingOption = None,
    min_grade: GradeOption = None,
    engine: Annotated[Engine, typer.Option(help="What computes; the answers are the same.")] = Engine.polars,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every row with its answer.")] = None,
    refused: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the refused rows with the reason.")] = None,
    fleet_out: Annotated[
        Path | None,
        typer.Option("--fleet-out", "--summary-out", metavar="FILE", help="Write the policy's summary (fleet table)."),
    ] = None,
    detail: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row for each limit (records of several rows).")
    ] = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the result (SVG or PNG).")] = None,
    unique: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Check repeated values in any number of rows (uses the disk).")
    ] = None,
    lang: LangOption = None,
    json_: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a row was refused.")] = False,
) -> None:
    """Assess a list of records: what each one earns or owes, and why."""
    if len(policy) == 1:
        from .assess import run_assess as run_it
    else:
        from .together import run_together as run_it

    raise typer.Exit(
        run_it(
            file, policy, preset=preset, mapping=columns, constants=_pairs(set_, "--set"), on=on, known=known,
            scheme=None if scheme is None else scheme.value, values=values or [], readings=_pairs(reading, "--reading"),
            min_grade=min_grade, engine=engine.value, out=out, refused=refused, fleet_out=fleet_out, detail=detail, chart=chart,
            unique=unique or [], language=lang, as_json=json_, strict=strict,
        )
    )  # fmt: skip


@app.command()
def explain(
    policy: Annotated[str, typer.Argument(help="Id of the policy.")],
    pairs: Annotated[list[str] | None, typer.Argument(metavar="[COLUMN=VALUE]...", help="The record.")] = None,
    row: Annotated[
        int | None, typer.Option(metavar="N", help="Explain row N (or the record it is part of) of the file given last.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A known layout of columns, for --row.")] = None,
    columns: Annotated[Path | None, typer.Option(metavar="MAP.yaml", help="A mapping of columns, for --row.")] = None,
    known: KnownOption = None,
    values: ValuesOption = None,
    reading: ReadingOption = None,
    min_grade: GradeOption = None,
    lang: LangOption = None,
    json_: JsonOption = False,
) -> None:
    """Explain one record: every step with its numbers, unit and reference.

    Where several rows make up a record, a column named again, such as the second cycle=..., begins the next row.
    """
    from .explain import run_explain

    run_explain(
        policy, pairs or [], row=row, preset=preset, mapping=columns, known=known, values=values or [],
        readings=_pairs(reading, "--reading"), min_grade=min_grade, language=lang, as_json=json_,
    )  # fmt: skip


@app.command()
def policies(
    policy: Annotated[
        str | None, typer.Argument(help="One policy: its header block, columns, overlays and readings.")
    ] = None,
    graph: Annotated[bool, typer.Option("--graph", help="Print its rules and who needs whom, with units.")] = False,
    lang: LangOption = None,
    json_: JsonOption = False,
) -> None:
    """List the policies, or describe one."""
    from .policies import run_policies

    run_policies(policy, graph=graph, language=lang, as_json=json_)


@app.command()
def values(
    policy: Annotated[str, typer.Argument(help="Id of the policy.")],
    name: Annotated[str | None, typer.Argument(help="One value; all of them where it is left out.")] = None,
    on: Annotated[str | None, typer.Option(metavar="DATE", help="Only what applies on this day.")] = None,
    known: KnownOption = None,
    overlays: ValuesOption = None,
    min_grade: GradeOption = None,
    chart: Annotated[bool, typer.Option("--chart", help="Draw the value over time in the terminal.")] = False,
    chart_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the value over time (SVG or PNG).")] = None,
    lang: LangOption = None,
    json_: JsonOption = False,
) -> None:
    """The law's numbers as a table, with references and grades."""
    from .values import run_values

    run_values(
        policy, name, on=on, known=known, overlays=overlays or [], min_grade=min_grade, chart=chart, chart_out=chart_out,
        language=lang, as_json=json_,
    )  # fmt: skip


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        found[name.strip()] = value.strip()
    return found


def run() -> None:
    """Run the command line; a mistake that the user can mend ends with one line on standard error and exit code 2."""
    from cleanfleet.law.errors import CleanfleetError

    try:
        code = app(standalone_mode=False)
    except CleanfleetError as error:
        _stop(str(error), 2)
    except typer.Abort:
        _stop("stopped", 1)
    except BrokenPipeError:  # whoever read our output has enough
        with contextlib.suppress(OSError):
            sys.stdout.close()
        sys.exit(0)
    except Exception as error:
        # Typer's own mistakes (an unknown option, a wrong choice) know their message and exit code; anything else is a bug.
        if not hasattr(error, "format_message"):
            raise
        _stop(str(error.format_message()).replace("Value error, ", ""), getattr(error, "exit_code", 2))
    else:
        if code == INTERRUPTED:
            _stop("stopped; nothing was written", INTERRUPTED)
        sys.exit(code or 0)


def _stop(message: str, code: int) -> NoReturn:
    text = " ".join(message.split())
    if text:
        typer.echo(f"cleanfleet: {text}", err=True)
    sys.exit(code)
