"""`cluster-assets verify`: read all published files and compare them with their manifests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import ClusterAssetsError, error_text
from cluster_assets.opening import open_storage
from cluster_assets.operations.damage import repair_days, verify_pipeline
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.operations.damage import VerifiedStage


@click.command()
@click.argument("pipeline", required=False)
@click.option("--repair", is_flag=True, help="Recompute the damaged days.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def verify(pipeline: str | None, repair: bool, form: str) -> None:
    """Read all published files of PIPELINE, or of all pipelines, and compare them with their manifests.

    A file must have the SHA-256 that was recorded when its day was published. Exit 0 if nothing is damaged,
    or if everything damaged was repaired.
    """
    settings = load_settings()
    store, catalog = open_storage(settings)
    names = [pipeline] if pipeline else list(catalog.pipelines())
    checked: list[VerifiedStage] = []
    for name in names:
        for stage in verify_pipeline(store, catalog, name):
            checked.append(stage)
            if form == "table":
                _print_problems(stage)
    damaged = [stage for stage in checked if stage.problems]
    if form == "json":
        click.echo(json.dumps([_to_json(stage) for stage in damaged], indent=2))
    click.echo(_summary(checked, damaged), err=True)
    if not damaged:
        return
    if not repair:
        raise ClusterAssetsError(
            f"{counted(len(_days(damaged)), 'day is', 'days are')} damaged",
            where=", ".join(sorted({stage.pipeline for stage in damaged})),
            remedy="recompute them: add --repair; their source must still exist",
        )
    _repair(damaged)


def _repair(damaged: Sequence[VerifiedStage]) -> None:
    """Recompute damaged days; the failure of one leaves the others.

    Raises:
        ClusterAssetsError: A day could not be recomputed; the others were.
    """
    settings = load_settings()
    failed: dict[str, Exception] = {}
    for name in dict.fromkeys(stage.pipeline for stage in damaged):
        stages: dict[Day, list[str]] = {}
        for one in damaged:
            if one.pipeline == name:
                stages.setdefault(one.day, []).append(one.stage)
        errors = repair_days(load_pipeline_named(name, settings.defs_dirs), stages, settings)
        failed |= {f"{name}, {day}": error for day, error in errors.items()}
        for day in stages:
            click.echo(f"{name}, {day}: {'not repaired' if day in errors else 'repaired'}")
    if failed:
        first, error = next(iter(failed.items()))
        raise ClusterAssetsError(
            f"{counted(len(failed), 'damaged day')} could not be recomputed",
            where=", ".join(failed),
            remedy=f"the error of {first}: {error_text(error)}",
        )


def _days(stages: Sequence[VerifiedStage]) -> list[tuple[str, Day]]:
    return list(dict.fromkeys((stage.pipeline, stage.day) for stage in stages))


def _print_problems(stage: VerifiedStage) -> None:
    for problem in stage.problems:
        click.echo(f"{stage.pipeline}/{stage.stage}, {stage.day}  {problem}")


def _summary(checked: Sequence[VerifiedStage], damaged: Sequence[VerifiedStage]) -> str:
    files, size = sum(stage.files for stage in checked), sum(stage.bytes for stage in checked)
    problems = sum(len(stage.problems) for stage in damaged)
    found = counted(problems, "problem") if problems else "no damage"
    return (
        f"{counted(len(_days(checked)), 'day')}, {counted(files, 'file')}, {counted(size, 'byte')}: {found}"
    )


def _to_json(stage: VerifiedStage) -> dict[str, object]:
    return {
        "pipeline": stage.pipeline,
        "stage": stage.stage,
        "day": stage.day.key,
        "problems": list(stage.problems),
    }
