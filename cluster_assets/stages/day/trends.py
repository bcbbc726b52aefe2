"""Comparison of a day with the days published before it: sizes, shares and feature distributions."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind
from cluster_assets.domain.counts import counted
from cluster_assets.domain.expectations import CheckOutcome, expected_range
from cluster_assets.domain.tables import HISTOGRAMS
from cluster_assets.spec.checks import CountCheck, DriftCheck, ShareCheck
from cluster_assets.stages.day.bins import bin_label, feature_label
from cluster_assets.stages.day.drift import Drift, Histogram
from cluster_assets.stages.day.usual import compare_with_days

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.day.stage import Stage, Trend


_WORST = 5
"""Number of features that the outcome of a drift check names."""
_MOVES = 12
MOVED = "moved"
"""Key of the numbers of a failed drift check: JSON rows of a bin, its share today and its share before."""


def compare_day(
    stage: Stage, job: DayJob, metrics: Mapping[str, Metric], histograms: FileRelation | None
) -> tuple[CheckOutcome, ...]:
    """Compare a day of a stage, published or not, with the days before it.

    Args:
        stage: The stage, with its trends.
        job: The day.
        metrics: Metrics of the day.
        histograms: The day's table `histograms`; None if it is missing or empty.
    """
    wanted = [one for one in stage.trends if getattr(job.spec.checks, one.name).on_failure != "skip"]
    if not wanted:
        return ()
    before = _earlier(stage, job)
    return tuple(
        _compare_histograms(trend, job, histograms, before)
        if trend.of_histograms
        else _compare(trend, job, metrics, before)
        for trend in wanted
    )


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The earlier days of a stage that a day is compared with, and the words for them in messages."""

    manifests: tuple[Manifest, ...]
    words: tuple[str, str] = ("published day lies", "published days lie")


def _earlier(stage: Stage, job: DayJob) -> _Earlier:
    """Return the days to compare with.

    Windows that share days are always similar. So a window is compared only with complete windows that share
    no day with it or with each other. `raw` has the rows of single days.
    """
    spec = job.spec
    if spec.window is None or not stage.deps:
        return _Earlier(job.trailing.before(job.ledger, stage.name, job.day, spec.checks.days))
    length = spec.window.days
    before = job.trailing.before(job.ledger, stage.name, job.day, spec.checks.days, length)
    complete = tuple(one for one in before if len(spec.window_of(one.day)) == length)
    return _Earlier(complete, ("window without a common day lies", "windows without a common day lie"))


def _compare(trend: Trend, job: DayJob, metrics: Mapping[str, Metric], before: _Earlier) -> CheckOutcome:
    check: CountCheck | ShareCheck = getattr(job.spec.checks, trend.name)
    blocking = check.on_failure == "block"
    if not _tells(trend, metrics):
        return CheckOutcome(trend.name, True, blocking, "there is nothing to compare on this day")
    value = float(metrics[trend.name])
    telling = [manifest for manifest in before.manifests if _tells(trend, manifest.metrics)]
    days = tuple(manifest.day.key for manifest in telling)
    if len(days) < job.spec.checks.needed_days:
        return CheckOutcome(trend.name, True, blocking, _too_few(days, job, before), {"value": value}, days)
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
        f"{counted(len(days), 'day')} with a median of {_figure(expected.center)}"
    )
    advice = f"; {trend.look}, or widen checks.{trend.name}"
    return CheckOutcome(
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
    trend: Trend, job: DayJob, histograms: FileRelation | None, before: _Earlier
) -> CheckOutcome:
    check: DriftCheck = getattr(job.spec.checks, trend.name)
    telling = [manifest for manifest in before.manifests if _has_histograms(manifest)]
    days = tuple(manifest.day.key for manifest in telling)
    if len(days) < job.spec.checks.needed_days or histograms is None:
        why = "the day has no entities" if histograms is None else _too_few(days, job, before)
        return CheckOutcome(trend.name, True, check.on_failure == "block", why, {}, days)
    uris = tuple(uri for manifest in telling for uri in job.ledger.uris(manifest, "histograms"))
    relations = {"histograms": histograms, "trailing": FileRelation(uris, columns=HISTOGRAMS.columns)}
    statement = bind(
        "checks/drift.sql",
        structure={"days": len(days)},
        values={f"day{number}": day for number, day in enumerate(days)},
    )
    drifts = _drifts(job.sql.fetch(statement, relations), len(days))
    drifts.sort(key=lambda drift: (-drift.psi / drift.limit(check.max_psi), drift.feature))
    return _drift_outcome(trend.name, job, drifts, days)


def _drift_outcome(name: str, job: DayJob, drifts: Sequence[Drift], days: tuple[str, ...]) -> CheckOutcome:
    """Report the feature that comes closest to its limit, or exceeds it most."""
    check: DriftCheck = getattr(job.spec.checks, name)
    features = job.spec.features
    worst = drifts[0]
    limit, feature = worst.limit(check.max_psi), feature_label(features, worst.feature)
    passed = worst.psi <= limit
    moved = [
        (bin_label(features, worst.feature, move.bins), round(move.today, 6), round(move.before, 6))
        for move in worst.moves[:_MOVES]
    ]
    numbers: dict[str, int | float | str] = {
        "value": round(worst.psi, 6),
        "high": round(limit, 6),
        "feature": feature,
        **{f"psi {feature_label(features, one.feature)}": round(one.psi, 6) for one in drifts[:_WORST]},
        **({} if passed else {MOVED: json.dumps(moved)}),
    }
    said = (
        f"{feature} has a population stability index of {worst.psi:.3f} "
        f"against {counted(len(days), 'day')}; up to {limit:.3f} is expected"
    )
    if not passed:
        if worst.has_new_values:
            said += (
                f". {worst.new:.1%} of its values occur on none of these days; "
                f"up to {worst.usual_new:.1%} is usual"
            )
        most = ", ".join(f"{label} from {before:.1%} to {today:.1%}" for label, today, before in moved[:3])
        said += (
            f". Shares that moved most: {most}. Compare these values with an earlier day in the source. If "
            "the change is real and stays, days are compared with it from tomorrow on; "
            f"checks.{name}.max_psi allows more at once"
        )
    return CheckOutcome(name, passed, check.on_failure == "block", said, numbers, days)


def _has_histograms(manifest: Manifest) -> bool:
    table = manifest.tables.get("histograms")
    return table is not None and table.rows > 0


def _drifts(rows: Sequence[Mapping[str, Any]], days: int) -> list[Drift]:
    """Return the PSI of each feature that the day or the earlier days have."""
    by_feature: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_feature[str(row["feature"])].append(row)
    return [
        compare_with_days(
            feature,
            _histogram(bins, "today"),
            [_histogram(bins, f"earlier{number}") for number in range(days)],
            len(by_feature),
        )
        for feature, bins in by_feature.items()
    ]


def _histogram(bins: Sequence[Mapping[str, Any]], column: str) -> Histogram:
    counts = {str(row["bin"]): int(row[column]) for row in bins if row[column]}
    size = sum(counts.values())
    return Histogram({name: count / size for name, count in counts.items()}, float(size))


def _too_few(days: Sequence[str], job: DayJob, before: _Earlier) -> str:
    return (
        f"not compared: {counted(len(days), *before.words)} before it, "
        f"{counted(job.spec.checks.needed_days, 'is', 'are')} needed (checks.min_days)"
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
