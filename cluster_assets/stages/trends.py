"""A day compared with the days published before it: sizes, shares, and the distribution of its features."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.checks_spec import CountCheck, ShareCheck
from cluster_assets.domain.drift import Drift, Histogram, measure_drift
from cluster_assets.domain.expectations import CheckOutcome, expected_range
from cluster_assets.domain.tables import HISTOGRAMS
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.partitions import Day
    from cluster_assets.stages.ledger import Ledger
    from cluster_assets.stages.stage import DayJob

_WORST = 5
"""Features that the outcome of a drift check names."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A number of a stage that is compared from day to day.

    Attributes:
        name: Name of the check, of its part of the YAML and of the metric.
        needs: A metric without which the number says nothing.
        one_sided: Whether a high value is never bad.
        look: Where to look when it is out of range.
    """

    name: str
    look: str
    needs: str = ""
    one_sided: bool = False


TRENDS_OF: dict[str, tuple[Trend, ...]] = {
    "raw": (Trend("rows", "look whether the source is complete, or delivered twice"),),
    "points": (Trend("entities", "look at the source and at the expression `entity`"),),
    "clusters": (
        Trend("clusters", "look at the features and at the largest clusters of the day"),
        Trend("noise_ratio", "look whether features changed their unit or lost values"),
    ),
    "lineage": (
        Trend(
            "continued_share",
            "look whether entities or features turned over",
            needs="previous_clusters",
            one_sided=True,
        ),
    ),
}


class TrailingDays:
    """Manifests of published days, each read once.

    For one run, which goes from day to day: what another run publishes again meanwhile is not seen.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[str, Day], Manifest] = {}

    def before(self, ledger: Ledger, stage: str, day: Day, count: int) -> tuple[Manifest, ...]:
        """The last `count` published days before a day, ascending."""
        days = [other for other in ledger.days(stage) if other < day][-count:]
        found = (self._manifest(ledger, stage, other) for other in days)
        return tuple(manifest for manifest in found if manifest is not None)

    def forget(self, stage: str, day: Day) -> None:
        """Read a day anew when it is asked for again."""
        self._read.pop((stage, day), None)

    def _manifest(self, ledger: Ledger, stage: str, day: Day) -> Manifest | None:
        if (stage, day) not in self._read:
            manifest = ledger.current(stage, day)
            if manifest is None:
                return None
            self._read[stage, day] = manifest
        return self._read[stage, day]


def trend_names(stage: str) -> tuple[str, ...]:
    """Names of the checks of a stage against days before."""
    return (*(trend.name for trend in TRENDS_OF.get(stage, ())), *(("drift",) if stage == "points" else ()))


def compare_day(
    stage: str, job: DayJob, metrics: Mapping[str, Metric], histograms: FileRelation | None
) -> tuple[CheckOutcome, ...]:
    """Compare a day of a stage, published or not, with the days before it.

    Args:
        stage: Its name.
        job: The day.
        metrics: Numbers of the day.
        histograms: The day's table `histograms`; None when it has none or it is empty.
    """
    wanted = [name for name in trend_names(stage) if getattr(job.spec.checks, name).on_failure != "skip"]
    if not wanted:
        return ()
    before = job.trailing.before(job.ledger, stage, job.day, job.spec.checks.days)
    trends = [trend for trend in TRENDS_OF.get(stage, ()) if trend.name in wanted]
    outcomes = [outcome for trend in trends for outcome in _compare(trend, job, metrics, before)]
    if "drift" in wanted:
        outcomes.append(_compare_histograms(job, histograms, before))
    return tuple(outcomes)


def _compare(
    trend: Trend, job: DayJob, metrics: Mapping[str, Metric], before: Sequence[Manifest]
) -> Iterator[CheckOutcome]:
    check: CountCheck | ShareCheck = getattr(job.spec.checks, trend.name)
    blocking = check.on_failure == "block"
    if not _tells(trend, metrics):
        yield CheckOutcome(trend.name, True, blocking, "there is nothing to compare on this day")
        return
    value = float(metrics[trend.name])
    telling = [manifest for manifest in before if _tells(trend, manifest.metrics)]
    days = tuple(manifest.day.key for manifest in telling)
    if len(days) < job.spec.checks.needed_days:
        yield CheckOutcome(trend.name, True, blocking, _too_few(days, job), {"value": value}, days)
        return
    expected = expected_range(
        [float(manifest.metrics[trend.name]) for manifest in telling],
        deviations=check.deviations,
        tolerance=check.tolerance,
        scale="ratio" if isinstance(check, CountCheck) else "difference",
    )
    passed = value in expected or (trend.one_sided and value > expected.high)
    numbers = {"value": value, "median": expected.center, "low": expected.low, "high": expected.high}
    said = (
        f"{_figure(value)}; {_figure(expected.low)} to {_figure(expected.high)} was expected after "
        f"{len(days)} days with a median of {_figure(expected.center)}"
    )
    advice = f"; {trend.look}, or widen checks.{trend.name}"
    yield CheckOutcome(
        trend.name,
        passed,
        blocking,
        said if passed else said + advice,
        {name: round(number, 6) for name, number in numbers.items()},
        days,
    )


def _tells(trend: Trend, metrics: Mapping[str, Metric]) -> bool:
    return trend.name in metrics and (not trend.needs or float(metrics.get(trend.needs, 0)) > 0)


def _compare_histograms(
    job: DayJob, histograms: FileRelation | None, before: Sequence[Manifest]
) -> CheckOutcome:
    check = job.spec.checks.drift
    blocking = check.on_failure == "block"
    telling = [manifest for manifest in before if _has_histograms(manifest)]
    days = tuple(manifest.day.key for manifest in telling)
    if len(days) < job.spec.checks.needed_days or histograms is None:
        why = "the day has no entities" if histograms is None else _too_few(days, job)
        return CheckOutcome("drift", True, blocking, why, {}, days)
    uris = tuple(uri for manifest in telling for uri in job.ledger.uris(manifest, "histograms"))
    relations = {"histograms": histograms, "trailing": FileRelation(uris, columns=HISTOGRAMS.columns)}
    rows = job.backend.engine.fetch(bind("checks/drift.sql"), relations).rows
    drifts = sorted(_drifts(rows), key=lambda drift: (drift.chance - drift.psi, drift.feature))
    worst = drifts[0]
    limit = check.max_psi + worst.chance
    passed = worst.psi <= limit
    numbers: dict[str, int | float | str] = {
        "value": round(worst.psi, 6),
        "high": round(limit, 6),
        "feature": worst.feature,
        **{f"psi {drift.feature}": round(drift.psi, 6) for drift in drifts[:_WORST]},
    }
    said = (
        f"{worst.feature} has a population stability index of {worst.psi:.3f} against {len(days)} days; "
        f"up to {limit:.3f} is allowed, {worst.chance:.3f} of it for the size of the day"
    )
    advice = f"; look at the values of {worst.feature} in the source, or raise checks.drift.max_psi"
    return CheckOutcome("drift", passed, blocking, said if passed else said + advice, numbers, days)


def _has_histograms(manifest: Manifest) -> bool:
    table = manifest.tables.get("histograms")
    return table is not None and table.rows > 0


def _drifts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Drift]:
    """PSI of each feature of the day or of the days before."""
    by_feature: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_feature[str(row["feature"])].append(row)
    for feature, bins in by_feature.items():
        today, before = _histogram(bins, "today", "today"), _histogram(bins, "share", "earlier")
        yield measure_drift(feature, today, before)


def _histogram(bins: Sequence[Mapping[str, Any]], column: str, size: str) -> Histogram:
    total = sum(float(row[column]) for row in bins)
    shares = {str(row["bin"]): float(row[column]) / total if total else 0.0 for row in bins}
    return Histogram(shares, float(sum(int(row[size]) for row in bins)))


def _too_few(days: Sequence[str], job: DayJob) -> str:
    return (
        f"not compared: {len(days)} published days lie before it, "
        f"{job.spec.checks.needed_days} are needed (checks.min_days)"
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
