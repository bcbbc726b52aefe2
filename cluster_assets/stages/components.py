"""Labels component by component: for algorithms that never join two components of the threshold graph."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cluster_assets import features
from cluster_assets.domain.tables import BIN_PAIRS, BINS, bin_points_contract
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.component_steps import BinFiles, steps_of
from cluster_assets.stages.forests import ForestLabels
from cluster_assets.stages.pinned_day import Labelled
from lambda_worker.contract import PackEvent
from lambda_worker.contract.components import POINT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cluster_assets.domain.tables import TableContract
    from cluster_assets.ports import Statement
    from cluster_assets.stages.dispatch import Answer
    from cluster_assets.stages.invocations import Invocations
    from cluster_assets.stages.kept_tables import KeptTables
    from cluster_assets.stages.pinned_day import PinnedDay

# Athena and Trino write at most 100 partitions in a statement.
_BINS_A_STATEMENT = 100
_BIN_S = 30.0


class ComponentLabels:
    """Clusters a day component by component.

    Args:
        day: What it is made from.
        worker: Runs the events.
        tables: Keeps the points and pairs of each bin.
        algorithm: As a `ComponentsEvent` takes it.
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
            WorkerError: A component does not fit into an invocation, or an invocation failed for good.
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
            numbers=_numbers(packed),
            bytes_scanned=self._tables.bytes_scanned,
        )

    def _write_bins(self, packed: Answer) -> list[BinFiles]:
        """The points and the pairs of each bin, brought together by SQL."""
        day = self._day
        columns = features.columns_of(day.job.spec.features)
        names = tuple(f'"{column.name}"' for column in columns)
        bins = FileRelation((packed.event.output,), columns=BINS.columns)
        count = len(packed.reply.bins)
        points = self._by_bin(
            bind_range("clusters/bin_points.sql", {"columns": names}),
            {"points": day.points_relation, "bins": bins},
            bin_points_contract(columns),
            count,
        )
        pairs = self._by_bin(
            bind_range("clusters/bin_pairs.sql", {}),
            {"candidates": day.pairs_relation, "bins": bins},
            BIN_PAIRS,
            count,
        )
        return [
            BinFiles(foreseen, points[number], pairs[number])
            for number, foreseen in enumerate(packed.reply.bins)
        ]

    def _pack(self) -> Answer:
        """Which points are one component, and which components share an invocation."""
        day, limits = self._day, self._day.job.spec.limits
        components = ForestLabels(day, self._worker, {"type": "connected_components"}).label()
        event = PackEvent(
            points=day.point_uris,
            labels=(components.uri,),
            candidates=day.pair_uris,
            point_count=day.point_count,
            algorithm=self._algorithm,
            memory_mb=day.memory_mb,
            budget_s=min(_BIN_S, limits.timeout_s / 3),
            output="",
            point_bytes=_point_bytes(day),
        )
        (answer,) = self._worker.run_named([event])
        return answer

    def _by_bin(
        self,
        statement: Callable[[int, int], Statement],
        relations: Mapping[str, FileRelation],
        table: TableContract,
        bins: int,
    ) -> Mapping[int, tuple[str, ...]]:
        """The files of each bin; none where it has no rows."""
        found: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
        for first in range(0, bins, _BINS_A_STATEMENT):
            last = min(first + _BINS_A_STATEMENT, bins) - 1
            for file in self._tables.write(statement(first, last), relations, table):
                found[int(file.partition or 0)] += (file.uri,)
        return found


def bind_range(path: str, structure: Mapping[str, object]) -> Callable[[int, int], Statement]:
    """Makes the statement of a file for some bins."""
    return lambda first, last: bind(path, structure=structure, values={"first": first, "last": last})


def _point_bytes(day: PinnedDay) -> float:
    """Bytes of the features of a point in memory, about."""
    kind, table = day.job.spec.features.kind, day.points.tables["points"]
    if kind in ("vector", "geo"):
        return 8.0 * len(features.columns_of(day.job.spec.features))
    # What the files take: compressed, but with the ids.
    return max(POINT_BYTES, 2.0 * table.bytes / max(1, table.rows))


def _numbers(packed: Answer) -> dict[str, int | float | str]:
    reply = packed.reply
    return {
        "components": reply.components,
        "largest_component": reply.largest_points,
        "bins": len(reply.bins),
        "bin_memory_mb_foreseen": round(max((one.memory_mb for one in reply.bins), default=0.0), 1),
    }
