"""The operations of the worker: the reply to each event, and the function that computes it.

To add one: an event and a reply in a module of this package, with the memory model of the event beside it; a
function; and a row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_worker.contract import (
    candidates,
    clusters,
    components,
    exploring,
    forests,
    hdbscan,
    kmeans,
    profiles,
    serving,
    sketches,
)
from lambda_worker.contract.messages import ContractError, TableReply

if TYPE_CHECKING:
    from lambda_worker.contract.messages import Event, Reply


@dataclass(frozen=True, slots=True)
class Operation:
    """How one type of event is answered.

    Attributes:
        event: The class of the event.
        reply: The class of the reply.
        function: `module:function` below `lambda_worker` that answers. It raises ContractError if an input
            file is not of the contract. The handler imports the module on first use, because modules that
            import scikit-learn take seconds.
    """

    event: type[Event]
    reply: type[Reply]
    function: str


_ROWS = (
    Operation(clusters.ClusterEvent, clusters.ClusterReply, "clusterers.whole_day.day:cluster_day"),
    Operation(candidates.MeasureEvent, candidates.MeasureReply, "pairs.blocks:measure_blocks"),
    Operation(candidates.MeasureNewEvent, candidates.MeasureReply, "pairs.blocks:measure_new"),
    Operation(candidates.JoinEvent, candidates.JoinReply, "pairs.joins:join_points"),
    Operation(candidates.CertifyEvent, candidates.CertifyReply, "pairs.certificate:certify"),
    Operation(forests.DegreesEvent, TableReply, "graph.degrees:add_degrees"),
    Operation(forests.CoresEvent, TableReply, "graph.degrees:find_cores"),
    Operation(forests.ForestEvent, forests.ForestReply, "graph.forests:reduce_shard"),
    Operation(forests.DendrogramEvent, TableReply, "graph.forests:draw_dendrogram"),
    Operation(components.PackEvent, components.PackReply, "clusterers.components.packing:pack_components"),
    Operation(
        components.ComponentsEvent,
        components.ComponentsReply,
        "clusterers.components.bins:cluster_components",
    ),
    Operation(
        components.NumberEvent, clusters.ClusterReply, "clusterers.components.numbering:number_clusters"
    ),
    Operation(components.OrderEvent, components.OrderReply, "clusterers.components.optics_bins:order_bin"),
    Operation(
        components.ExtractEvent,
        clusters.ClusterReply,
        "clusterers.components.optics_clusters:extract_clusters",
    ),
    Operation(
        components.ClimbEvent, components.ClimbReply, "clusterers.components.mean_shift_bins:climb_bin"
    ),
    Operation(
        components.PeaksEvent, clusters.ClusterReply, "clusterers.components.mean_shift_peaks:label_by_peaks"
    ),
    Operation(kmeans.SampleEvent, TableReply, "clusterers.kmeans.sampling:sample_shard"),
    Operation(kmeans.SeedEvent, TableReply, "clusterers.kmeans.seeding:choose_centres"),
    Operation(kmeans.RoundEvent, TableReply, "clusterers.kmeans.rounds:reduce_round"),
    Operation(kmeans.CentresEvent, kmeans.CentresReply, "clusterers.kmeans.centres:move_centres"),
    Operation(kmeans.GatherEvent, kmeans.GatherReply, "clusterers.kmeans.gather:gather_labels"),
    Operation(kmeans.LearnEvent, kmeans.LearnReply, "clusterers.kmeans.learning:learn_clusters"),
    Operation(hdbscan.NeighboursEvent, TableReply, "graph.core_distances:keep_neighbours"),
    Operation(hdbscan.CoreDistancesEvent, TableReply, "graph.core_distances:find_core_distances"),
    Operation(hdbscan.HdbscanEvent, hdbscan.HdbscanReply, "clusterers.hdbscan.hdbscan:cluster_hierarchy"),
    Operation(hdbscan.HdbscanPointsEvent, hdbscan.HdbscanReply, "clusterers.hdbscan.points:cluster_points"),
    Operation(profiles.SurveyEvent, profiles.SurveyReply, "profiles.sampling:survey_clusters"),
    Operation(profiles.MedoidsEvent, profiles.ProfileReply, "profiles.medoids:find_medoids"),
    Operation(profiles.SilhouettesEvent, profiles.ProfileReply, "profiles.silhouettes:measure_silhouettes"),
    Operation(sketches.SketchEvent, sketches.SketchReply, "profiles.sketches:sketch"),
    Operation(exploring.ExploreEvent, exploring.ExploreReply, "exploring.explore:explore"),
    Operation(serving.IndexEvent, serving.IndexReply, "serving.build:build_index"),
)

OPERATIONS = {row.event.operation(): row for row in _ROWS}
"""The operations by name."""


def operation_of(event: object) -> Operation:
    """Return the operation named in the JSON of an event.

    Raises:
        ContractError: It names no operation, or an unknown one.
    """
    name = event.get("operation") if isinstance(event, dict) else None
    if not isinstance(name, str) or name not in OPERATIONS:
        raise ContractError(f"operation {name!r}; this worker knows {', '.join(sorted(OPERATIONS))}")
    return OPERATIONS[name]
