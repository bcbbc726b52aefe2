"""K-means, minibatch k-means and BIRCH as a stage labels its points by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets import features
from cluster_assets.stages.centroids import PointsFile, PointTable, label_points
from cluster_assets.stages.pinned_day import Labelled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cluster_assets.stages.invocations import Invocations
    from cluster_assets.stages.pinned_day import PinnedDay
    from lambda_worker.contract import Event, Reply


def label_by_centres(day: PinnedDay, worker: Invocations, algorithm: dict[str, Any]) -> Labelled:
    """Label every point of a day that has any.

    Raises:
        WorkerError: The centres do not fit into an invocation, or an invocation failed for good.
    """

    def invoke(events: Sequence[Event]) -> list[Reply]:
        return [answer.reply for answer in worker.run(events)]

    files = day.points.tables["points"].files
    table = PointTable(
        tuple(
            PointsFile(uri, file.rows, file.bytes) for uri, file in zip(day.point_uris, files, strict=True)
        ),
        tuple(column.name for column in features.columns_of(day.job.spec.features)),
    )
    folder = worker.folder_of({"points": day.points.content_digest, "algorithm": algorithm})
    found = label_points(table, algorithm, folder, day.job.spec.limits, invoke)
    return Labelled(
        uri=found.uri,
        clusters=found.clusters,
        numbers={
            "iterations": found.iterations,
            "converged": str(found.converged).lower(),
            "inertia": found.inertia,
            "shards": found.shards,
        },
    )
