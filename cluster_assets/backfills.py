"""Backfills: many days at once, only those that need it, in parallel; a failed day leaves the others.

>>> from cluster_assets.backfills import BackfillOptions, backfill_days        # doctest: +SKIP
>>> report = backfill_days(spec, days, settings, BackfillOptions(parallel=4))  # doctest: +SKIP
>>> report.failed                                                              # doctest: +SKIP
{}
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cluster_assets.backfill_workers import DayReport, Workers
from cluster_assets.composition import open_backend
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.runs import prepare_instance
from cluster_assets.stages.ledger import Ledger
from cluster_assets.stages.standing import day_standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cluster_assets.backend import Backend
    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.settings import Settings

Only = Literal["missing", "stale", "all"]


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """How a backfill goes.

    Attributes:
        only: `missing` days were never published whole; `stale` are those too whose inputs have changed
            since; `all` are all, where finished work is found again and costs little.
        force: Compute what is chosen although nothing changed.
        days_per_run: Days of one Dagster run; None takes the settings'.
        parallel: Processes, each with its share of the threads and worker slots of the settings.
    """

    only: Only = "stale"
    force: bool = False
    days_per_run: int | None = None
    parallel: int = 1


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """What a backfill came to.

    Attributes:
        done: Days that are published from their present inputs now.
        failed: Why the others are not.
        skipped: Days that needed nothing.
        left: Days that were not begun, or not ended, when it was interrupted.
        seconds: Wall time.
    """

    done: tuple[Day, ...]
    failed: Mapping[Day, str]
    skipped: tuple[Day, ...]
    left: tuple[Day, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether all days are there."""
        return not self.failed and not self.left


@dataclass(slots=True)
class _Progress:
    done: set[Day] = field(default_factory=set)
    failed: dict[Day, str] = field(default_factory=dict)


def backfill_days(
    spec: PipelineSpec,
    days: Sequence[Day],
    settings: Settings,
    options: BackfillOptions | None = None,
    on_day: Callable[[DayReport], None] | None = None,
) -> BackfillReport:
    """Bring about the days that need it.

    An interrupt stops it cleanly: running days are cancelled, published ones stay, and the report tells
    which are left.

    Args:
        spec: The pipeline.
        days: Which days to look at.
        settings: Of this process; its workers take theirs from the same environment.
        options: How it goes.
        on_day: Is told of every day that ended, in the thread that calls this.
    """
    options = options or BackfillOptions()
    begun = time.perf_counter()
    wanted = days_to_run(spec, days, settings, options)
    progress = _Progress()

    def ended(report: DayReport) -> None:
        if report.error is None:
            progress.done.add(report.day)
        else:
            progress.failed[report.day] = report.error
            progress.done.discard(report.day)
        if on_day is not None:
            on_day(report)

    if wanted and options.parallel > 1:
        prepare_instance(settings)
    per_run = options.days_per_run or settings.days_per_run
    with Workers(spec, settings, options.parallel, per_run, force=options.force) as workers:
        complete = workers.run(list(runs_of(wanted, per_run, options.parallel)), ended)
    if complete and progress.done:
        again = _unsettled(spec, days, settings, progress, options)
        with Workers(spec, settings, 1, per_run, force=False) as worker:
            complete = worker.run(list(runs_of(again, per_run, 1)), ended)
    left = (
        () if complete else tuple(day for day in wanted if day not in progress.done | progress.failed.keys())
    )
    return BackfillReport(
        done=tuple(sorted(progress.done)),
        failed=dict(sorted(progress.failed.items())),
        skipped=tuple(day for day in days if day not in {*wanted, *progress.done}),
        left=left,
        seconds=time.perf_counter() - begun,
    )


def _unsettled(
    spec: PipelineSpec, days: Sequence[Day], settings: Settings, progress: _Progress, options: BackfillOptions
) -> list[Day]:
    """Days to run again, in order: what looks back was computed before the days it looks back on.

    Only stages that look back are concerned; all others are found again.
    """
    later = [day for day in days if day > min(progress.done) and day not in progress.failed]
    if options.only == "missing":
        later = [day for day in later if day in progress.done]
    stale = days_to_run(spec, later, settings, BackfillOptions())
    return [day for day in later if stale and day >= stale[0]]


def days_to_run(
    spec: PipelineSpec, days: Sequence[Day], settings: Settings, options: BackfillOptions
) -> tuple[Day, ...]:
    """The days that a backfill would run; nothing is computed."""
    if options.only == "all":
        return tuple(days)
    states = ("missing",) if options.only == "missing" else ("missing", "stale")
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        return tuple(day for day in days if _state(spec, backend, ledger, day) in states)


def runs_of(days: Sequence[Day], days_per_run: int, parallel: int) -> Iterator[tuple[Day, ...]]:
    """Ranges of consecutive days, at most so many each, short enough that no process stays idle.

    >>> from cluster_assets.domain.partitions import days_between, parse_day
    >>> days = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-07")))
    >>> [len(run) for run in runs_of(days, 30, parallel=2)]
    [4, 3]
    """
    longest = max(1, min(days_per_run, -(-len(days) // parallel)))
    run: list[Day] = []
    for day in days:
        if run and (len(run) == longest or day != run[-1].next):
            yield tuple(run)
            run = []
        run.append(day)
    if run:
        yield tuple(run)


def _state(spec: PipelineSpec, backend: Backend, ledger: Ledger, day: Day) -> str:
    try:
        return day_standing(spec, backend, ledger, day).state
    except ClusterAssetsError:
        return "missing"  # its run tells why
