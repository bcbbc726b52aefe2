"""Exploring a range of days: each day with every setting, and consecutive days with each other."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from cluster_assets.operations.explore.days import explore_day
from cluster_assets.operations.explore.findings import DayFound, Findings, SettingFound, mean_settings
from cluster_assets.operations.explore.suggestion import suggest
from cluster_assets.stages.day.job import DayJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cluster_assets.backends.ports import Backend
    from cluster_assets.domain.days import Day
    from cluster_assets.operations.explore.days import ExploredDay
    from cluster_assets.operations.explore.grid import SettingGrid
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.ledger.ledger import Ledger


def explore_days(
    spec: PipelineSpec,
    days: Sequence[Day],
    place: tuple[Backend, Ledger],
    grid: SettingGrid,
    told: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Explore consecutive days.

    Raw and points of a day are published if they are not yet; nothing else remains.

    Args:
        spec: The pipeline.
        days: Ascending, at least one.
        place: The backend, and the ledger of the pipeline.
        grid: The settings.
        told: Receives what is done next.

    Raises:
        ClusterAssetsError: A day cannot be explored.
    """
    backend, ledger = place
    found: list[DayFound] = []
    earlier: ExploredDay | None = None
    with ExitStack() as before:
        for day in days:
            with ExitStack() as opened:
                job = DayJob(spec, backend, ledger, day)
                explored = opened.enter_context(explore_day(job, grid, told, keeps_labels=len(days) > 1))
                agreement: Mapping[tuple[int, float], float] = {}
                if earlier is not None:
                    told(f"{day}: agreement with {earlier.day}")
                    agreement = explored.agreement(earlier)
                found.append(_found(explored, agreement))
                before.close()
                earlier = explored
                before.push(opened.pop_all())
    settings = mean_settings(found)
    shared = tuple(sorted({one.threshold for one in settings}))
    grid = replace(grid, thresholds=shared)
    configured = (spec.near.threshold, spec.algorithm.core_entities)
    return Findings(
        pipeline=spec.name,
        metric=spec.near.metric,
        grid=grid,
        configured=configured,
        days=tuple(found),
        settings=settings,
        suggestion=suggest(settings, grid, configured),
    )


def _found(explored: ExploredDay, agreement: Mapping[tuple[int, float], float]) -> DayFound:
    reply = explored.reply
    entities = max(reply.entities, 1)
    return DayFound(
        day=explored.day,
        entities=reply.entities,
        points=explored.points,
        pairs=reply.pairs,
        left_out=explored.left_out,
        settings=tuple(
            SettingFound(
                **structs.asdict(one),
                entities=reply.entities,
                agreement_days=agreement.get((one.min_samples, one.threshold)),
            )
            for one in reply.settings
        ),
        curve=explored.grid.curve,
        curves=tuple(
            (one.min_samples, tuple(round(count / entities, 6) for count in one.entities))
            for one in reply.curves
        ),
    )
