"""HDBSCAN of a day in one invocation, from the coordinates of its points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from cluster_assets.domain.counts import counted
from cluster_assets.stages.candidates.planner import spanning_cost
from cluster_assets.stages.clusters.inputs import Labelled
from cluster_assets.stages.points import kinds as features
from lambda_worker.contract.hdbscan import HdbscanPointsEvent, HdbscanReply

if TYPE_CHECKING:
    from typing import Any

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.stages.clusters.inputs import PinnedDay
    from cluster_assets.stages.worker.invocations import Invocations


def label_by_coordinates(day: PinnedDay, worker: Invocations, algorithm: dict[str, Any]) -> Labelled:
    """Label every point of a day without pairs.

    Args:
        day: The points.
        worker: Runs the event.
        algorithm: Parameters, as in an `HdbscanPointsEvent`.

    Raises:
        WorkerCapacityError: `limits.memory_mb` was lowered after the candidates were published.
        WorkerError: The invocation failed permanently.
    """
    spec = day.job.spec
    needed_mb = spanning_cost(spec, day.point_count).memory_mb
    day.refuse_beyond(needed_mb, f"the spanning tree of {counted(day.point_count, 'point')}")
    event = HdbscanPointsEvent(
        points=day.point_uris,
        point_count=day.point_count,
        columns=tuple(column.name for column in features.columns_of(spec.features)),
        metric=spec.near.metric,
        algorithm=algorithm,
        output="",
    )
    event = structs.replace(event, tree=f"{worker.address_of(event)}.tree")
    (answer,) = worker.run_named([event])
    reply: HdbscanReply = answer.reply
    return Labelled(
        uri=answer.event.output,
        clusters=reply.clusters,
        noise_entities=reply.noise_entities,
        numbers=tree_numbers(reply),
        structure=(str(answer.event.tree),),
    )


def tree_numbers(reply: HdbscanReply) -> dict[str, Metric]:
    """Return the metrics of the spanning tree, whose weight is known if it spans the day."""
    known = {"tree_weight": reply.tree_weight} if reply.components <= 1 else {}
    return {"contested_merges": reply.contested, **known}
