"""The operations of the worker: which function answers which event.

To add one: an event and a reply in `lambda_worker.contract`, a function, and a line here. Modules that need
scikit-learn are loaded when first asked for, so that the others start in a moment.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_worker.contract import (
    ClusterEvent,
    ClusterReply,
    ComponentsEvent,
    ComponentsReply,
    ContractError,
    CoresEvent,
    CoresReply,
    DegreesEvent,
    DegreesReply,
    DendrogramEvent,
    DendrogramReply,
    Event,
    ForestEvent,
    ForestReply,
    MeasureEvent,
    MeasureReply,
    NumberEvent,
    PackEvent,
    PackReply,
    Reply,
)
from lambda_worker.contract.centroids import (
    AssignEvent,
    AssignReply,
    CentresEvent,
    CentresReply,
    GatherEvent,
    LearnEvent,
    LearnReply,
    RoundEvent,
    RoundReply,
    SampleEvent,
    SampleReply,
    SeedEvent,
    SeedReply,
)
from lambda_worker.contract.hierarchies import (
    CoreDistancesEvent,
    CoreDistancesReply,
    HdbscanEvent,
    HdbscanReply,
    NeighboursEvent,
    NeighboursReply,
)
from lambda_worker.contract.mean_shift import ClimbEvent, ClimbReply, PeaksEvent
from lambda_worker.contract.reachability import ExtractEvent, OrderEvent, OrderReply

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Operation:
    """How to answer a kind of event.

    Attributes:
        event: Its class.
        reply: The class of the answer, also of a refusal.
        answer: `module:function` below `lambda_worker`.
    """

    event: type[Event]
    reply: type[Reply]
    answer: str

    def load(self) -> Callable[[Any], Reply]:
        """The function that answers."""
        module, _, function = self.answer.partition(":")
        answer: Callable[[Any], Reply] = getattr(importlib.import_module(f"lambda_worker.{module}"), function)
        return answer


OPERATIONS = {
    operation.event.operation: operation
    for operation in (
        Operation(ClusterEvent, ClusterReply, "whole_day:cluster_day"),
        Operation(MeasureEvent, MeasureReply, "measure:measure_blocks"),
        Operation(DegreesEvent, DegreesReply, "degrees:add_degrees"),
        Operation(CoresEvent, CoresReply, "degrees:find_cores"),
        Operation(ForestEvent, ForestReply, "forests:reduce_shard"),
        Operation(DendrogramEvent, DendrogramReply, "forests:draw_dendrogram"),
        Operation(PackEvent, PackReply, "components.packing:pack_components"),
        Operation(ComponentsEvent, ComponentsReply, "components.bins:cluster_components"),
        Operation(NumberEvent, ClusterReply, "components.numbering:number_clusters"),
        Operation(OrderEvent, OrderReply, "components.optics_bins:order_bin"),
        Operation(ExtractEvent, ClusterReply, "components.optics_clusters:extract_clusters"),
        Operation(ClimbEvent, ClimbReply, "components.mean_shift_bins:climb_bin"),
        Operation(PeaksEvent, ClusterReply, "components.mean_shift_peaks:label_by_peaks"),
        Operation(SampleEvent, SampleReply, "centroids.sampling:sample_shard"),
        Operation(SeedEvent, SeedReply, "centroids.seeding:choose_centres"),
        Operation(RoundEvent, RoundReply, "centroids.rounds:reduce_round"),
        Operation(CentresEvent, CentresReply, "centroids.centres:move_centres"),
        Operation(AssignEvent, AssignReply, "centroids.rounds:assign_points"),
        Operation(GatherEvent, ClusterReply, "centroids.gather:gather_labels"),
        Operation(LearnEvent, LearnReply, "centroids.learning:learn_clusters"),
        Operation(NeighboursEvent, NeighboursReply, "hierarchy.core_distances:keep_neighbours"),
        Operation(CoreDistancesEvent, CoreDistancesReply, "hierarchy.core_distances:find_core_distances"),
        Operation(HdbscanEvent, HdbscanReply, "hierarchy.hdbscan:cluster_hierarchy"),
    )
}


def operation_of(event: object) -> Operation:
    """The operation an event names; `cluster` when it names none.

    Raises:
        ContractError: It is not known.
    """
    name = event.get("operation", ClusterEvent.operation) if isinstance(event, dict) else None
    if not isinstance(name, str) or name not in OPERATIONS:
        raise ContractError(f"operation {name!r}; this worker knows {', '.join(sorted(OPERATIONS))}")
    return OPERATIONS[name]
