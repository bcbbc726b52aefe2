"""Labels component by component, for algorithms that never join two components of the threshold graph.

An algorithm has one step for each bin of components and a last step for all bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.scratch_tables import BIN_PAIRS, BINS, bin_points_contract
from cluster_assets.stages.clusters.forests import ForestLabels
from cluster_assets.stages.clusters.inputs import Labelled, centres_table
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.worker.kept_tables import BinStatement
from lambda_worker.contract import ComponentsEvent, NumberEvent, PackEvent
from lambda_worker.contract.components import POINT_BYTES, ClimbEvent, ExtractEvent, OrderEvent, PeaksEvent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cluster_assets.spec.pipeline import Features
    from cluster_assets.stages.clusters.inputs import PinnedDay
    from cluster_assets.stages.worker.dispatch import Answer
    from cluster_assets.stages.worker.invocations import Invocations
    from cluster_assets.stages.worker.kept_tables import KeptTables
    from lambda_worker.contract import Bin, Event


@dataclass(frozen=True, slots=True)
class BinFiles:
    """A bin: its estimates, and the files of its points and pairs."""

    foreseen: Bin
    points: tuple[str, ...]
    pairs: tuple[str, ...]


class Steps(Protocol):
    """The events of an algorithm.

    Attributes:
        events: The event for each bin, and the last one.
    """

    events: ClassVar[tuple[type[Event], type[Event]]]

    def bin_event(self, day: PinnedDay, algorithm: dict[str, Any], files: BinFiles) -> Event:
        """Return the event for one bin."""
        ...

    def last_event(self, day: PinnedDay, algorithm: dict[str, Any], outputs: tuple[str, ...]) -> Event:
        """Return the last event, which reads the outputs of all bins and is answered by a `ClusterReply`."""
        ...


def steps_of(algorithm: dict[str, Any]) -> Steps:
    """Return the steps of an algorithm; most label components separately and number the labels at the end."""
    return _STEPS.get(algorithm["type"], _LabelAndNumber())


class _LabelAndNumber:
    """Labels within each component, then label numbers for the day."""

    events: ClassVar[tuple[type[Event], type[Event]]] = (ComponentsEvent, NumberEvent)

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
    """Reachability plots per component, then the clusters of the day's whole plot."""

    events: ClassVar[tuple[type[Event], type[Event]]] = (OrderEvent, ExtractEvent)

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
    """Peaks per component, then each point of the day with the nearest of the peaks that are kept."""

    events: ClassVar[tuple[type[Event], type[Event]]] = (ClimbEvent, PeaksEvent)

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
            centres_output=day.centres_uri,
        )


def _names(day: PinnedDay) -> tuple[str, ...]:
    return tuple(column.name for column in features.columns_of(day.job.spec.features))


_STEPS: dict[str, Steps] = {"optics": _OrderAndExtract(), "mean_shift": _ClimbAndMeet()}


_BIN_S = 30.0


class ComponentLabels:
    """Labels the points of a day component by component.

    Args:
        day: The points and pairs.
        worker: Runs the events.
        tables: Caches the points and pairs of each bin.
        algorithm: Type and parameters, as in a `ComponentsEvent`.
    """

    def __init__(
        self, day: PinnedDay, worker: Invocations, tables: KeptTables, algorithm: dict[str, Any]
    ) -> None:
        self._day = day
        self._worker = worker
        self._tables = tables
        self._algorithm = algorithm

    def label(self) -> Labelled:
        """Label every point.

        Raises:
            WorkerError: A component does not fit into an invocation, or an invocation failed permanently.
        """
        day = self._day
        packed = self._pack()
        steps = steps_of(self._algorithm)
        events = [steps.bin_event(day, self._algorithm, files) for files in self._write_bins(packed)]
        parts = self._worker.run_named(events)
        outputs = tuple(answer.event.output for answer in parts)
        last = steps.last_event(day, self._algorithm, outputs)
        (answer,) = self._worker.run_named([last])
        return Labelled(
            uri=answer.event.output,
            clusters=answer.reply.clusters,
            core_points=answer.reply.core_points,
            noise_entities=answer.reply.noise_entities,
            numbers=_numbers(packed) | self._contested(parts),
            structure=outputs if self._day.job.spec.algorithm.structure else (),
            tables=centres_table(getattr(answer.event, "centres_output", None), answer.reply),
        )

    def _contested(self, parts: Sequence[Answer]) -> dict[str, int]:
        """Return the number of merges that had a tie, for algorithms that merge."""
        if self._algorithm["type"] != "agglomerative":
            return {}
        return {"contested_merges": sum(answer.reply.contested for answer in parts)}

    def _write_bins(self, packed: Answer) -> list[BinFiles]:
        """Write the points and the pairs of each bin by SQL."""
        day = self._day
        columns = features.columns_of(day.job.spec.features)
        names = tuple(f'"{column.name}"' for column in columns)
        bins = FileRelation((packed.event.output,), columns=BINS.columns)
        count = len(packed.reply.bins)
        points = self._tables.write_bins(
            BinStatement("clusters/bin_points.sql", {"columns": names}),
            {"points": day.points_relation, "bins": bins},
            bin_points_contract(columns),
            count,
        )
        pairs = self._tables.write_bins(
            BinStatement("clusters/bin_pairs.sql", {}),
            {"candidates": day.pairs_relation, "bins": bins},
            BIN_PAIRS,
            count,
        )
        return [
            BinFiles(foreseen, points[number], pairs[number])
            for number, foreseen in enumerate(packed.reply.bins)
        ]

    def _pack(self) -> Answer:
        """Find the components, and assign them to bins, one for each invocation."""
        day, limits = self._day, self._day.job.spec.limits
        table = day.points.tables["points"]
        components = ForestLabels(day, self._worker, {"type": "connected_components"}).label()
        event = PackEvent(
            points=day.point_uris,
            labels=(components.uri,),
            candidates=day.pair_uris,
            point_count=day.point_count,
            algorithm=self._algorithm,
            memory_mb=day.memory_mb,
            budget_s=bin_budget_s(limits.timeout_s),
            output="",
            point_bytes=point_bytes(day.job.spec.features, table.bytes, table.rows),
        )
        (answer,) = self._worker.run_named([event])
        return answer


def bin_budget_s(timeout_s: float) -> float:
    """Return the maximum number of seconds that a bin should take."""
    return min(_BIN_S, timeout_s / 3)


def point_bytes(spec: Features, table_bytes: int, rows: int) -> float:
    """Estimate the bytes that the features of a point take in memory.

    Args:
        spec: The features.
        table_bytes: Size of the files of the table `points`.
        rows: Number of points.
    """
    if spec.kind in ("vector", "geo"):
        return 8.0 * len(features.columns_of(spec))
    # The size of the files: compressed, but including the ids.
    return max(POINT_BYTES, 2.0 * table_bytes / max(1, rows))


def _numbers(packed: Answer) -> dict[str, int | float | str]:
    reply = packed.reply
    return {
        "components": reply.components,
        "largest_component": reply.largest_points,
        "bins": len(reply.bins),
        "bin_memory_mb_foreseen": round(max((one.memory_mb for one in reply.bins), default=0.0), 1),
    }
