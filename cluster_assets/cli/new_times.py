"""How `cluster-assets new` finds the format of a time column, and folders that hold a day each."""

from __future__ import annotations

import sys
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from cluster_assets.domain.counts import counted
from cluster_assets.domain.times.guesses import shown_reading
from cluster_assets.domain.times.layouts import day_column
from cluster_assets.stages.raw.source import locate_source
from cluster_assets.stages.raw.time_readings import find_readings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.backends.ports import Backend
    from cluster_assets.spec.pipeline import PipelineSpec


def is_terminal() -> bool:
    """Whether the user can answer questions on a terminal."""
    return sys.stdin.isatty()


def choose_time_format(spec: PipelineSpec, backend: Backend) -> str | None:
    """Return the format that reads all values of the time column; None if none is needed or none fits.

    If several formats fit, the function asks on the terminal.

    Raises:
        SourceSchemaError: Several formats fit, and there is no terminal.
        ClusterAssetsError: The source cannot be read.
    """
    if spec.raw.time_column is None or spec.raw.time_format is not None:
        return None
    readings = find_readings(spec, backend, locate_source(spec, backend, day=None))
    if readings is None or not readings.declarable:
        return None
    forms = readings.declarable
    if len(forms) == 1:
        click.echo(f"time format: {shown_reading(forms[0], readings.example)} for {readings.example!r}")
        return forms[0]
    if not is_terminal():
        raise readings.error(spec.raw.time_column)
    click.echo(f"{spec.raw.time_column} contains {readings.example!r}, which can mean")
    for number, form in enumerate(forms, 1):
        click.echo(f"  {number}: {shown_reading(form, readings.example)}")
    chosen: int = click.prompt("Which one", type=click.IntRange(1, len(forms)))
    return forms[chosen - 1]


def suggest_partition(spec: PipelineSpec, backend: Backend) -> None:
    """Say so if every file is in a folder of its day, which `--partition-column` would make use of."""
    if spec.raw.files is None or spec.raw.time_column is None or spec.raw.layout is not None:
        return
    files = locate_source(spec, backend, day=None).files
    column = folder_of_days([file.uri for file in files])
    if column is not None:
        click.echo(
            f"each file is in a folder {column}=YYYY-MM-DD, but a day reads {counted(len(files), 'file')}, "
            f"because any of them may hold its rows. If a folder holds all rows of its day, "
            f"--partition-column {column} instead of --time-column reads only that folder"
        )


def folder_of_days(uris: Sequence[str]) -> str | None:
    """Return the column of the Hive folders that spell a day in every path; None if there is none."""
    folders = (part.partition("=")[0] for part in PurePosixPath(uris[0]).parts[:-1] if "=" in part)
    columns = (name for name in folders if all(day_column(name).day_of_path(uri) for uri in uris))
    return next(columns, None) if len(uris) > 1 else None
