"""Combines the labels of the shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.day_labels import write_day
from lambda_worker.clusterers.kmeans.centres import read_centres
from lambda_worker.clusterers.kmeans.sums import merge_sums
from lambda_worker.contract import InputError
from lambda_worker.contract.kmeans import GatherReply
from lambda_worker.tables.centres import publish_centres
from lambda_worker.tables.labels import clusters_of, first_points, member_labels
from lambda_worker.tables.reading import read_day

if TYPE_CHECKING:
    from lambda_worker.contract.kmeans import GatherEvent


def gather_labels(event: GatherEvent) -> GatherReply:
    """Write the labels of the day.

    Raises:
        ContractError: The event or an input file is not of the contract, or a point comes twice or never.
    """
    centres = read_centres(event.centres)
    sums = merge_sums(event.sums, centres.shape, event.point_count)
    label = np.empty(event.point_count, np.int32)
    for _, (ids, numbers), _ in read_day(event.labels, ("centre",), event.point_count):
        if numbers.min() < 0 or numbers.max() >= centres.shape[1]:
            raise InputError(f"labels of other clusters than 0..{centres.shape[1] - 1}")
        label[ids] = numbers
    first = first_points(label, centres.shape[1])
    labels = member_labels(label)
    places = np.ascontiguousarray(centres.places.T)
    return write_day(
        GatherReply,
        event.output,
        labels,
        None,
        converged=not centres.moving,
        inertia=sums.inertia(centres.units),
        **publish_centres(event.centres_output, places, clusters_of(labels.cluster, first)),
    )
