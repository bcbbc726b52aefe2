"""The days before those of a run, whose rows the windows of the run include."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.assets.records import record_day
from cluster_assets.stages.day.publish import publish_earlier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.assets.versions import NewestMaterializations
    from cluster_assets.domain.days import Day
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.day.stage import Stage


class WindowDays:
    """Brings the stages that windows read up to date, each day once for a run.

    Otherwise a run of one day would need runs of the days before it, and these of the days before them. The
    days are recorded with the run that computed them, although they are not among its partitions.

    Args:
        context: Of the running step, which computes the days of its partitions itself.
        stages: The selected stages of the run; others are not computed.
        newest: The materializations that the run has seen.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, stages: Sequence[Stage], newest: NewestMaterializations
    ) -> None:
        self._context = context
        self._newest = newest
        self._stages = {stage.name: stage for stage in stages}
        self._partitions = frozenset(context.partition_keys)
        self._ended: dict[tuple[str, Day], Exception | None] = {}

    def bring_up_to_date(self, stage: Stage, job: DayJob) -> None:
        """Publish what a stage reads of the days before a day; days without a source are left out.

        Raises:
            ClusterAssetsError: A day before it failed.
        """
        for name in stage.deps_window:
            for day in job.spec.window_of(job.day)[:-1]:
                if name in self._stages and day.key not in self._partitions:
                    self._publish(self._stages[name], job, day)

    def _publish(self, stage: Stage, job: DayJob, day: Day) -> None:
        place = (stage.name, day)
        if place not in self._ended:
            try:
                result = publish_earlier(stage, job, day)
                if result is not None and not result.reused:
                    key = dg.AssetKey([job.spec.name, stage.name])
                    record_day(self._context, key, stage, result, self._newest)
                self._ended[place] = None
            except Exception as error:  # noqa: BLE001  # raised for each day whose window has the day
                self._ended[place] = error
        if (failure := self._ended[place]) is not None:
            raise failure
