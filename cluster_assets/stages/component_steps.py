"""What an algorithm does with the components of a day: a step for each bin, and a last one for all bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cluster_assets import features
from lambda_worker.contract import ComponentsEvent, NumberEvent
from lambda_worker.contract.mean_shift import ClimbEvent, PeaksEvent
from lambda_worker.contract.reachability import ExtractEvent, OrderEvent

if TYPE_CHECKING:
    from typing import Any

    from cluster_assets.stages.pinned_day import PinnedDay
    from lambda_worker.contract import Bin, Event


@dataclass(frozen=True, slots=True)
class BinFiles:
    """A bin: what was foreseen, and the files of its points and pairs."""

    foreseen: Bin
    points: tuple[str, ...]
    pairs: tuple[str, ...]


class Steps(Protocol):
    """The events of an algorithm."""

    def bin_event(self, day: PinnedDay, algorithm: dict[str, Any], files: BinFiles) -> Event:
        """What to do with one bin."""
        ...

    def last_event(self, day: PinnedDay, algorithm: dict[str, Any], outputs: tuple[str, ...]) -> Event:
        """What to do with the outputs of all bins; answered by a `ClusterReply`."""
        ...


def steps_of(algorithm: dict[str, Any]) -> Steps:
    """The steps of an algorithm; most label each component by itself, and need only be numbered."""
    return _STEPS.get(algorithm["type"], _LabelAndNumber())


class _LabelAndNumber:
    """Labels within each component, then numbers for the day."""

    def bin_event(self, day: PinnedDay, algorithm: dict[str, Any], files: BinFiles) -> Event:
        near = day.job.spec.near
        return ComponentsEvent(
            points=files.points,
            candidates=files.pairs,
            point_count=files.foreseen.points,
            kind=day.job.spec.features.kind,
            columns=_names(day),
            metric=near.metric,
            threshold=near.threshold,
            algorithm=algorithm,
            output="",
            seconds=round(files.foreseen.seconds, 1),
        )

    def last_event(self, day: PinnedDay, algorithm: dict[str, Any], outputs: tuple[str, ...]) -> Event:
        return NumberEvent(points=day.point_uris, parts=outputs, point_count=day.point_count, output="")


class _OrderAndExtract:
    """Reachability plots, then the clusters of the plot of the day."""

    def bin_event(self, day: PinnedDay, algorithm: dict[str, Any], files: BinFiles) -> Event:
        return OrderEvent(
            points=files.points,
            candidates=files.pairs,
            point_count=files.foreseen.points,
            min_samples=algorithm["min_samples"],
            output="",
        )

    def last_event(self, day: PinnedDay, algorithm: dict[str, Any], outputs: tuple[str, ...]) -> Event:
        options = {name: value for name, value in algorithm.items() if name != "type"}
        return ExtractEvent(
            plots=outputs,
            point_count=day.point_count,
            threshold=day.job.spec.near.threshold,
            output="",
            **options,
        )


class _ClimbAndMeet:
    """Peaks of each component, then the points of the day by the nearest of those that stay."""

    def bin_event(self, day: PinnedDay, algorithm: dict[str, Any], files: BinFiles) -> Event:
        return ClimbEvent(
            points=files.points,
            point_count=files.foreseen.points,
            columns=_names(day),
            threshold=day.job.spec.near.threshold,
            output="",
        )

    def last_event(self, day: PinnedDay, algorithm: dict[str, Any], outputs: tuple[str, ...]) -> Event:
        return PeaksEvent(
            points=day.point_uris,
            peaks=outputs,
            point_count=day.point_count,
            columns=_names(day),
            threshold=day.job.spec.near.threshold,
            cluster_all=algorithm["cluster_all"],
            output="",
        )


def _names(day: PinnedDay) -> tuple[str, ...]:
    return tuple(column.name for column in features.columns_of(day.job.spec.features))


_STEPS: dict[str, Steps] = {"optics": _OrderAndExtract(), "mean_shift": _ClimbAndMeet()}
