"""The days of `raw` that a day of points is computed from: the day alone, or those of its window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import SourceChangedError, SourceMissingError, UpstreamMissingError
from cluster_assets.stages.raw.source import join_sources, locate_days, locate_source, narrow_source
from cluster_assets.stages.raw.stage import list_files, recipe_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.raw.source import DaySource


@dataclass(frozen=True, slots=True)
class PinnedWindow:
    """Published days of `raw`.

    Attributes:
        raws: Their manifests, ascending; the last one is of the day itself.
        length: Number of days that the window has by the YAML; 1 without a window.
        absent: Partitions of the window without a source.
    """

    raws: tuple[Manifest, ...]
    length: int
    absent: tuple[Day, ...]

    @property
    def days(self) -> tuple[Day, ...]:
        """The days with a source, ascending."""
        return tuple(raw.day for raw in self.raws)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the state of the source of the day, and with a window those of the days before."""
        *before, own = self.raws
        inputs = {"source": _state(own)}
        if self.length > 1:
            inputs["days_before"] = states_of(before)
        return inputs

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Return how many days of a window have rows, and the partitions that have none."""
        if self.length == 1:
            return {}
        empty = [raw.day for raw in self.raws if not raw.metrics["rows"]]
        without_rows = ", ".join(day.key for day in sorted([*self.absent, *empty]))
        return {
            "window_days": f"{self.filled} of {self.length}",
            **({"window_days_without_rows": without_rows} if without_rows else {}),
        }

    @property
    def filled(self) -> int:
        """Number of days that have rows."""
        return sum(bool(raw.metrics["rows"]) for raw in self.raws)

    def total(self, name: str) -> int:
        """Add up a metric of `raw` over the days."""
        return sum(int(raw.metrics[name]) for raw in self.raws)

    def source(self, job: DayJob) -> DaySource:
        """Find the source of all days.

        Raises:
            SourceChangedError: It has changed since `raw` recorded it.
            SourceMissingError: A day no longer has a source.
            ScanLimitError: It is larger than `limits.max_scan_bytes`.
        """
        located = locate_days(job.spec, job.backend, self.days)
        unchanged = [_unchanged(job, raw, source) for raw, source in zip(self.raws, located, strict=True)]
        return join_sources(job.spec, unchanged, f"the {counted(len(self.days), 'day')} up to {job.day}")


def pin_window(job: DayJob) -> PinnedWindow:
    """Return the published days of `raw` that a day clusters.

    A day before it that has no source is left out. A day that has a source must be published, because the
    result would otherwise depend on the order in which days are computed.

    Raises:
        UpstreamMissingError: `raw` of a day is not published or outdated, or fewer days than
            `window.min_days` have rows.
        ScanLimitError: The source of a day that is not published is larger than the limits allow.
    """
    *before, day = job.spec.window_of(job.day)
    found = {one: _published(job, one) for one in before}
    raws = (*(raw for raw in found.values() if raw is not None), job.ledger.require("raw", day))
    window = PinnedWindow(raws, job.spec.window_days, tuple(one for one, raw in found.items() if raw is None))
    if job.spec.window is not None and window.filled < job.spec.window.min_days:
        raise UpstreamMissingError(
            f"of the {counted(window.length, 'day')} up to {day}, "
            f"{counted(window.filled, 'day has', 'days have')} rows",
            where=f"{job.spec.name}, {day}, window.min_days: {job.spec.window.min_days}",
            remedy="add the rows of the other days, or lower window.min_days",
        )
    return window


def _published(job: DayJob, day: Day) -> Manifest | None:
    """Return `raw` of an earlier day; None if the day has no source."""
    raw = job.ledger.current("raw", day)
    if raw is None and _has_source(job, day):
        raise _not_published(job, day, "has not been published")
    if raw is None:
        return None
    if raw.changed_inputs(recipe_of(job.spec)):
        raise _not_published(job, day, "was published before the pipeline changed")
    job.ledger.check_files(raw)
    return raw


def _has_source(job: DayJob, day: Day) -> bool:
    try:
        locate_source(job.spec, job.backend, day)
    except SourceMissingError:
        return False
    return True


def _not_published(job: DayJob, day: Day, state: str) -> UpstreamMissingError:
    return UpstreamMissingError(
        f"the window of {job.day} has the rows of {counted(job.spec.window_days, 'day')}, "
        f"and raw of {day} {state}",
        where=f"{job.spec.name}, {job.day}, window",
        remedy=f"materialize raw of {day}; a run of all stages does it: "
        f"cluster-assets run {job.spec.name} --day {job.day}",
    )


def _unchanged(job: DayJob, raw: Manifest, source: DaySource) -> DaySource:
    """Return the files with rows of the day, in the state that `raw` recorded."""
    if "files" in raw.tables:
        rows = list_files(job, job.ledger.relation(raw, "files"))
        source = narrow_source(job.spec, source, {str(row["uri"]) for row in rows})
    if source.digest != raw.metrics["source_digest"]:
        raise SourceChangedError(
            f"the source of {raw.day} changed after `raw` was materialized",
            where=job.spec.raw.files or job.spec.raw.table,
            remedy=f"materialize raw again: cluster-assets run {job.spec.name} --day {job.day}",
        )
    return source


def states_of(raws: Iterable[Manifest]) -> str:
    """Return the states of the source that days of `raw` recorded, as one text."""
    return canonical_json({raw.day.key: _state(raw) for raw in raws})


def _state(raw: Manifest) -> str:
    return str(raw.metrics["source_digest"])
