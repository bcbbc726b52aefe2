"""`cluster-assets explore`: what other thresholds and values of `min_samples` would make of a day."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from cluster_assets.cli.tables import Column, print_table
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import SpecError
from cluster_assets.opening import open_backend
from cluster_assets.operations.explore.apply import apply_suggestion
from cluster_assets.operations.explore.grid import choose_grid
from cluster_assets.operations.explore.page import write_page
from cluster_assets.operations.explore.run import explore_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.partitions import check_partitions
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cluster_assets.operations.explore.findings import Findings, SettingFound

_Number = TypeVar("_Number", int, float)


@click.command()
@click.argument("pipeline")
@click.option("--day", required=True, metavar="YYYY-MM-DD", help="The day, or the first of a range.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Last day of the range, inclusive.")
@click.option(
    "--thresholds", metavar="T,T,…", help="Thresholds to try.  [default: around the configured one]"
)
@click.option("--min-samples", "samples", metavar="N,N,…", help="Values to try.  [default: 3,5,10,20]")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write an HTML page.")
@click.option("--apply", "applies", is_flag=True, help="Write the suggested setting into the YAML.")
@click.option("--wide", is_flag=True, help="Show all columns, even if they do not fit the terminal.")
def explore(pipeline: str, day: str, last: str | None, form: str, output: Path | None, **given: Any) -> None:
    """Try many settings on days of PIPELINE: clusters, noise, stability, and a suggested setting.

    All numbers are exact, as a run with that setting would publish, except silhouettes, which are measured on
    a sample. Raw and points of the days are published if necessary. The YAML changes only with --apply.
    """
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    grid = choose_grid(
        spec,
        _numbers(given["thresholds"], float, "--thresholds"),
        _numbers(given["samples"], int, "--min-samples"),
    )
    days = tuple(days_between(parse_day(day), parse_day(last or day)))
    check_partitions(spec, days)
    with open_backend(settings) as backend, _progress() as told:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        findings = explore_days(spec, days, (backend, ledger), grid, told)
    if form == "json":
        click.echo(json.dumps(findings.to_json(), indent=2))
    else:
        _print(findings, wide=given["wide"])
    if output is not None:
        write_page(output, findings)
        click.echo(f"wrote {output}", err=True)
    if given["applies"]:
        click.echo(apply_suggestion(spec, findings.suggestion, settings), err=True)


def _numbers(text: str | None, kind: Callable[[str], _Number], option: str) -> Sequence[_Number]:
    try:
        return [kind(part) for part in text.split(",")] if text else []
    except ValueError as error:
        raise SpecError(
            f"{text!r} is not a list of numbers", where=option, remedy="separate them by commas: 0.2,0.3"
        ) from error


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show what is done next on standard error: as a status line, or line by line if it is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: click.echo(text, err=True)
        return
    with console.status("starting") as status:
        yield status.update


def _print(findings: Findings, *, wide: bool) -> None:
    days = findings.days
    title = f"{findings.pipeline}, {days[0].day}"
    if len(days) > 1:
        title += f" to {days[-1].day}, means of {counted(len(days), 'day')}"
    print_table(title, _columns(findings), wide=wide)
    for one in days:
        if one.left_out:
            click.echo(f"{one.day}: {one.left_out}")
    suggestion = findings.suggestion
    samples = f", min_samples {suggestion.min_samples}" if findings.grid.has_min_samples else ""
    click.echo(f"suggested (>): threshold {suggestion.threshold:g}{samples}: {suggestion.reason}")
    click.echo("configured: *; agreement: adjusted Rand index; silhouette: of a sample of points")


def _columns(findings: Findings) -> list[Column]:
    rows = findings.settings
    several = len(findings.days) > 1
    suggested = (findings.suggestion.threshold, findings.suggestion.min_samples)

    def mark(one: SettingFound) -> str:
        key = (one.threshold, one.min_samples)
        return (">" if key == suggested else "") + ("*" if key == findings.configured else "")

    columns = [
        Column("", tuple(mark(one) for one in rows), 0, is_number=False),
        Column("threshold", tuple(f"{one.threshold:g}" for one in rows), 0),
        Column("min_samples", tuple(str(one.min_samples) for one in rows), 0),
        Column("clusters", tuple(f"{one.clusters:,}" for one in rows), 1),
        Column("noise", tuple(f"{one.share(one.noise):.1%}" for one in rows), 2),
        Column("in clusters", tuple(f"{one.in_clusters:,}" for one in rows), 3),
        Column("largest", tuple(f"{one.largest:,}" for one in rows), 4),
        Column("agrees with smaller threshold", _texts(one.agreement_threshold for one in rows), 5),
        Column("agrees with smaller min_samples", _texts(one.agreement_min_samples for one in rows), 7),
        Column("agrees with day before", _texts(one.agreement_days for one in rows), 6),
        Column("silhouette (sample)", _texts(one.silhouette for one in rows), 8),
    ]
    hidden = set() if several else {"agrees with day before"}
    if not findings.grid.has_min_samples:
        hidden |= {"min_samples", "agrees with smaller min_samples"}
    return [column for column in columns if column.name not in hidden]


def _texts(values: Iterator[float | None]) -> tuple[str, ...]:
    return tuple("-" if value is None else f"{value:.2f}" for value in values)
