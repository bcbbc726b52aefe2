"""The operations of the worker: which function answers which event.

To add one: an event and a reply in `lambda_worker.contract`, their line in `contract.answers`, a function,
and a line here. Modules that need scikit-learn are loaded when first asked for, so that the others start in
a moment.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_worker.contract import (
    ClusterEvent,
    ComponentsEvent,
    ContractError,
    CoresEvent,
    DegreesEvent,
    DendrogramEvent,
    Event,
    ForestEvent,
    MeasureEvent,
    NumberEvent,
    PackEvent,
    Reply,
)
from lambda_worker.contract.answers import REPLIES
from lambda_worker.contract.centroids import (
    AssignEvent,
    CentresEvent,
    GatherEvent,
    LearnEvent,
    RoundEvent,
    SampleEvent,
    SeedEvent,
)
from lambda_worker.contract.certificates import CertifyEvent
from lambda_worker.contract.hierarchies import (
    CoreDistancesEvent,
    HdbscanEvent,
    NeighboursEvent,
)
from lambda_worker.contract.joins import JoinEvent
from lambda_worker.contract.mean_shift import ClimbEvent, PeaksEvent
from lambda_worker.contract.profiles import MedoidsEvent, SilhouettesEvent, SurveyEvent
from lambda_worker.contract.reachability import ExtractEvent, OrderEvent

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Operation:
    """How to answer a kind of event.

    Attributes:
        event: Its class.
        answer: `module:function` below `lambda_worker`.
    """

    event: type[Event]
    answer: str

    @property
    def reply(self) -> type[Reply]:
        """The class of the answer, also of a refusal."""
        return REPLIES[self.event]

    def load(self) -> Callable[[Any], Reply]:
        """The function that answers."""
        module, _, function = self.answer.partition(":")
        answer: Callable[[Any], Reply] = getattr(importlib.import_module(f"lambda_worker.{module}"), function)
        return answer


OPERATIONS = {
    operation.event.operation: operation
    for operation in (
        Operation(ClusterEvent, "whole_day:cluster_day"),
        Operation(MeasureEvent, "measure:measure_blocks"),
        Operation(JoinEvent, "measure.joins:join_points"),
        Operation(CertifyEvent, "certificates:certify"),
        Operation(DegreesEvent, "degrees:add_degrees"),
        Operation(CoresEvent, "degrees:find_cores"),
        Operation(ForestEvent, "forests:reduce_shard"),
        Operation(DendrogramEvent, "forests:draw_dendrogram"),
        Operation(PackEvent, "components.packing:pack_components"),
        Operation(ComponentsEvent, "components.bins:cluster_components"),
        Operation(NumberEvent, "components.numbering:number_clusters"),
        Operation(OrderEvent, "components.optics_bins:order_bin"),
        Operation(ExtractEvent, "components.optics_clusters:extract_clusters"),
        Operation(ClimbEvent, "components.mean_shift_bins:climb_bin"),
        Operation(PeaksEvent, "components.mean_shift_peaks:label_by_peaks"),
        Operation(SampleEvent, "centroids.sampling:sample_shard"),
        Operation(SeedEvent, "centroids.seeding:choose_centres"),
        Operation(RoundEvent, "centroids.rounds:reduce_round"),
        Operation(CentresEvent, "centroids.centres:move_centres"),
        Operation(AssignEvent, "centroids.rounds:assign_points"),
        Operation(GatherEvent, "centroids.gather:gather_labels"),
        Operation(LearnEvent, "centroids.learning:learn_clusters"),
        Operation(NeighboursEvent, "hierarchy.core_distances:keep_neighbours"),
        Operation(CoreDistancesEvent, "hierarchy.core_distances:find_core_distances"),
        Operation(HdbscanEvent, "hierarchy.hdbscan:cluster_hierarchy"),
        Operation(SurveyEvent, "profiles.sampling:survey_clusters"),
        Operation(MedoidsEvent, "profiles.medoids:find_medoids"),
        Operation(SilhouettesEvent, "profiles.silhouettes:measure_silhouettes"),
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
