"""The days of a Dagster run: each goes through all stages, and each stage is recorded when it ends.

An error ends the day that has it and no other. The run fails after its last day and names the failed days.
A run of later stages alone leaves out the days that have no clusters.

Days pass one after the other, in order, through the stages up to the clusters. A window reads `raw` of the
days before, which these or earlier runs have published; if not, the run of the window does. Then all of them
pass through lineage, which also updates later days, and then one after the other through the stages that read
lineage. Otherwise a run over the days before, at the same time, would make their reports stale.
At the end the days without an error are published to the targets of the YAML, and alerts are sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.assets.alerted import DaysDone, send_alerts
from cluster_assets.assets.checks import record_checks, selected_assets
from cluster_assets.assets.published import publish_days
from cluster_assets.assets.records import record_day
from cluster_assets.assets.versions import NewestMaterializations
from cluster_assets.assets.windows import WindowDays
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import CheckFailedError, ClusterAssetsError, DaysFailedError, error_text
from cluster_assets.settings import load_settings
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.partitions import check_partitions
from cluster_assets.stages.day.publish import publish_day, publish_days_after
from cluster_assets.stages.day.run import report_ended
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.ledger.trailing import TrailingDays

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from cluster_assets.backends.ports import Backend
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayResult
    from cluster_assets.stages.day.stage import Stage

    _Recorded = tuple[dg.AssetKey, str, Mapping[str, Any]]


class DaysOfRun:
    """One run of the step, with the errors of its days so far.

    Args:
        context: Of the running step.
        spec: The pipeline.
        stages: All stages of the step; the run takes those of which it selects the asset or a check.
        backend: The opened backend.
        force: Recompute the days even if nothing changed.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        spec: PipelineSpec,
        stages: Sequence[Stage],
        backend: Backend,
        *,
        force: bool,
    ) -> None:
        self._context = context
        self._spec = spec
        self._backend = backend
        self._force = force
        self._ledger = Ledger(backend.store, backend.catalog, spec.name)
        self._trailing = TrailingDays()
        self._run = load_settings().run_url(context.run.run_id) or context.run.run_id
        self._newest = NewestMaterializations(context.instance)
        wanted = selected_assets(context)
        self._stages = [stage for stage in stages if self._key(stage) in wanted]
        self._windows = WindowDays(context, self._stages, self._newest)
        self._failed: dict[str, Exception] = {}
        self._failed_in: dict[str, str] = {}
        self._left_out: set[str] = set()

    def run(self, partitions: Sequence[str]) -> Iterator[_Recorded]:
        """Publish and record days, stage by stage; after an error the later stages of the day are left out.

        Yields:
            The asset, the day and the metadata of each stage and publication that succeeded.

        Raises:
            Failure: A day failed. Its cause is the error of the day, or `DaysFailedError` for several.
        """
        every = self._context.partition_keys
        for stages in _passes(self._stages):
            for partition in partitions:
                if self._goes_on(partition):
                    yield from self._run_day(partition, stages)
            if stages[0].deps_before:
                changed = {*partitions, *self._publish_days_after(stages[0], partitions)}
                # Their reports need the changed lineage. Days beyond the run are left to their own run.
                partitions = [partition for partition in every if partition in changed]
        good = [partition for partition in partitions if self._goes_on(partition)]
        for key, partition, found in publish_days(
            self._context, self._spec, self._ledger, self._backend, good
        ):
            if isinstance(found, Exception):
                self._keep(partition, key.path[-1], found)
            else:
                report_ended(self._spec.name, key.path[-1], partition)
                yield key, partition, found
        send_alerts(
            self._context,
            self._spec,
            self._ledger,
            self._backend.store,
            DaysDone(good, self._failed, self._failed_in),
        )
        if self._failed:
            failed = dict(sorted(self._failed.items()))
            raise _failure(failed, len(every)) from _cause(failed, len(every))

    def _run_day(self, partition: str, stages: Sequence[Stage]) -> Iterator[_Recorded]:
        name = "day"
        try:
            job = self._job(partition)
            check_partitions(self._spec, [job.day])
            for stage in stages:
                name = stage.name
                if stage.is_left_out(job):
                    self._left_out.add(partition)
                    missing = ", ".join(stage.deps)
                    self._context.log.warning("%s %s: left out, it has no %s", partition, name, missing)
                    return
                self._windows.bring_up_to_date(stage, job)
                metadata = self._record(stage, publish_day(stage, job))
                yield self._key(stage), partition, metadata
        except Exception as error:  # noqa: BLE001  # whatever it is, the other days go on
            self._keep(partition, name, error)

    def _record(self, stage: Stage, result: DayResult) -> Mapping[str, Any]:
        return record_day(self._context, self._key(stage), stage, result, self._newest)

    def _publish_days_after(self, stage: Stage, partitions: Sequence[str]) -> set[str]:
        """Publish and record the days that depend on the published ones, and return those that changed."""
        changed: set[str] = set()
        good = {parse_day(partition) for partition in partitions if self._goes_on(partition)}
        for day in sorted(good):
            if day.next in good:
                continue
            try:
                for result in publish_days_after(stage, self._job(day.key)):
                    self._record(stage, result)
                    changed.add(result.manifest.day.key)
            except Exception as error:  # noqa: BLE001  # kept, and raised at the end
                self._keep(day.key, stage.name, error)
        return changed

    def _goes_on(self, partition: str) -> bool:
        return partition not in self._failed and partition not in self._left_out

    def _key(self, stage: Stage) -> dg.AssetKey:
        return dg.AssetKey([self._spec.name, stage.name])

    def _job(self, partition: str) -> DayJob:
        return DayJob(
            self._spec,
            self._backend,
            self._ledger,
            parse_day(partition),
            force=self._force,
            trailing=self._trailing,
            run=self._run,
        )

    def _keep(self, partition: str, stage: str, error: Exception) -> None:
        self._failed_in.setdefault(partition, stage)
        self._failed.setdefault(partition, error)  # a second target may fail too: the log has its error
        unexpected = None if isinstance(error, ClusterAssetsError) else error
        text = error_text(error)
        self._context.log.error("%s %s failed: %s", partition, stage, text, exc_info=unexpected)
        report_ended(self._spec.name, stage, partition, error)
        if isinstance(error, CheckFailedError):
            key = dg.AssetKey([self._spec.name, stage])
            record_checks(self._context, key, partition, error.outcomes, self._newest.read(key, partition))


def _passes(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Group stages that a day passes through at once; stages whose days form a chain are alone."""
    groups: list[list[Stage]] = []
    for stage in stages:
        if groups and not stage.deps_before and not groups[-1][0].deps_before:
            groups[-1].append(stage)
        else:
            groups.append([stage])
    return groups


def _cause(errors: dict[str, Exception], days: int) -> Exception:
    return next(iter(errors.values())) if len(errors) == 1 else DaysFailedError(errors, days=days)


def _failure(errors: dict[str, Exception], days: int) -> dg.Failure:
    """Build the failure of a run; it is not retried if the same input would fail again."""
    (first, error), *_ = errors.items()
    several = f"{len(errors)} of {counted(days, 'day')} failed: {', '.join(errors)}. " if days > 1 else ""
    return dg.Failure(
        description=f"{several}{first}: {error_text(error)}",
        metadata={
            "day": first,
            "failed_days": ",".join(errors),
            "finished_days": days - len(errors),
            "error": type(error).__name__,
        },
        allow_retries=not all(isinstance(error, ClusterAssetsError) for error in errors.values()),
    )
