"""Backfills: compute missing and stale days in parallel; a failed day does not stop the others.

>>> from cluster_assets.operations.backfills import BackfillOptions, backfill_days        # doctest: +SKIP
>>> report = backfill_days(spec, days, settings, BackfillOptions(parallel=4))  # doctest: +SKIP
>>> report.failed                                                              # doctest: +SKIP
{}
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.opening import open_backend
from cluster_assets.operations.backfill_workers import DayReport, Workers
from cluster_assets.operations.progress import StageEvent
from cluster_assets.operations.publications import read_publications
from cluster_assets.stages.ledger.listed import ListedLedger
from cluster_assets.stages.sequence import STAGE_NAMES, day_standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cluster_assets.backends.ports import Backend
    from cluster_assets.domain.days import Day
    from cluster_assets.operations.progress import StageListener
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.ledger.ledger import Ledger

Only = Literal["missing", "stale", "all"]


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """Options of a backfill.

    Attributes:
        only: `missing`: days that are not completely published; `stale`: also days whose inputs have changed,
            and days that a target of `publish` lacks; `all`: all days; unchanged days are reused, which costs
            little.
        force: Compute the chosen days even if nothing changed.
        days_per_run: Days of one Dagster run; None uses the settings' value.
        parallel: Number of processes, which share the threads and worker slots of the settings.
    """

    only: Only = "stale"
    force: bool = False
    days_per_run: int | None = None
    parallel: int = 1


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """The result of a backfill.

    Attributes:
        done: Days that are now published from their current inputs.
        failed: The error of each failed day.
        skipped: Days that were already up to date.
        left: Days that were not started or not finished when the backfill was interrupted.
        seconds: Wall time.
    """

    done: tuple[Day, ...]
    failed: Mapping[Day, str]
    skipped: tuple[Day, ...]
    left: tuple[Day, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether all days are published."""
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
    listener: StageListener | None = None,
) -> BackfillReport:
    """Compute and publish missing and stale days.

    An interrupt cancels running days and keeps published days; the report lists the days that are left.

    Args:
        spec: The pipeline.
        days: The days to consider.
        settings: Settings of this process; worker processes read theirs from the same environment.
        options: Which days to compute, and how.
        on_day: Called after every day, in the thread that calls this function.
        listener: Told of every stage of a day when it ends, in the same thread.
    """
    options = options or BackfillOptions()
    begun = time.perf_counter()
    wanted = days_to_run(spec, days, settings, options)
    progress = _Progress()

    def ended(report: DayReport | StageEvent) -> None:
        if isinstance(report, StageEvent):
            if listener is not None:
                listener.show(report)
            return
        if report.error is None:
            progress.done.add(report.day)
        else:
            progress.failed[report.day] = report.error
            progress.done.discard(report.day)
        if on_day is not None:
            on_day(report)

    if listener is not None:
        listener.expect(wanted)
    if wanted and options.parallel > 1:
        from cluster_assets.operations.instances import prepare_instance  # imports Dagster

        prepare_instance(settings)
    per_run = options.days_per_run or settings.days_per_run
    with Workers(spec, settings, options.parallel, per_run, force=options.force) as workers:
        complete = workers.run(list(runs_of(wanted, per_run, options.parallel)), ended)
    again: list[Day] = []
    if complete and progress.done:
        again = _unsettled(spec, days, settings, progress, options)
        progress.done.difference_update(again)
        if listener is not None:
            listener.expect(again)
        with Workers(spec, settings, 1, per_run, force=False) as worker:
            complete = worker.run(list(runs_of(again, per_run, 1)), ended)
    left = () if complete else {*wanted, *again} - progress.done - progress.failed.keys()
    return BackfillReport(
        done=tuple(sorted(progress.done)),
        failed=dict(sorted(progress.failed.items())),
        skipped=tuple(day for day in days if day not in {*wanted, *again}),
        left=tuple(sorted(left)),
        seconds=time.perf_counter() - begun,
    )


def _unsettled(
    spec: PipelineSpec, days: Sequence[Day], settings: Settings, progress: _Progress, options: BackfillOptions
) -> list[Day]:
    """Return the days to run again, in order: some ran before the earlier days that their stages read.

    Only stages that read earlier days are computed again; all others are reused.
    """
    later = [day for day in days if day > min(progress.done) and day not in progress.failed]
    if options.only == "missing":
        later = [day for day in later if day in progress.done]
    stale = days_to_run(spec, later, settings, BackfillOptions())
    return [day for day in later if stale and day >= stale[0]]


def days_to_run(
    spec: PipelineSpec, days: Sequence[Day], settings: Settings, options: BackfillOptions
) -> tuple[Day, ...]:
    """Return the days that a backfill would run, without computing anything."""
    if options.only == "all":
        return tuple(days)
    states = ("missing",) if options.only == "missing" else ("missing", "stale")
    with open_backend(settings) as backend:
        ledger = ListedLedger(backend.store, backend.catalog, spec.name, check_files=True)
        ledger.read_ahead(STAGE_NAMES, days)
        found = {day: _state(spec, backend, ledger, day) for day in days}
        if options.only == "stale":
            current = [day for day, state in found.items() if state == "current"]
            publications = read_publications(spec, current, settings)
            found |= {day: "stale" for day in current if publications.missing(ledger, day)}
        return tuple(day for day, state in found.items() if state in states)


def runs_of(days: Sequence[Day], days_per_run: int, parallel: int) -> Iterator[tuple[Day, ...]]:
    """Split days into ranges of consecutive days, short enough that no process stays idle.

    >>> from cluster_assets.domain.days import days_between, parse_day
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
        return "missing"  # its run reports the error
