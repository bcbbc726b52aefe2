"""A round of k-means: sums of points by nearest centre, over a shard or over a sample in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.clusterers.kmeans.centres import read_centres
from lambda_worker.clusterers.kmeans.farthest import Farthest
from lambda_worker.clusterers.kmeans.sums import RoundSums
from lambda_worker.contract import InputError, TableReply
from lambda_worker.metrics.nearest import Nearest
from lambda_worker.tables.arrays import write_arrays
from lambda_worker.tables.points import read_points
from lambda_worker.tables.writing import write_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Indices
    from lambda_worker.clusterers.kmeans.centres import Centres
    from lambda_worker.contract.kmeans import RoundEvent
    from lambda_worker.tables.points import Batch


class Round:
    """Labels points by their nearest centre, and adds them up.

    Attributes:
        sums: Of the points so far.
        farthest: As many of them as centres have none yet.
    """

    def __init__(self, centres: Centres) -> None:
        self.sums = RoundSums(*centres.shape)
        self.farthest = Farthest.none(centres.shape[0])
        self._units = centres.units
        self._nearest = Nearest(centres.places)

    def add(self, batch: Batch) -> Indices:
        """Add points, and return the centre of each; shape (points,)."""
        labels, distances = self._nearest.find(batch.vectors)
        self.sums.points += len(batch)
        self.sums.add(batch, labels, distances, self._units)
        empty = int(np.count_nonzero(self.sums.entities == 0))
        self.farthest = self.farthest.with_more(Farthest.of(batch, labels, distances), empty)
        return labels


def reduce_round(event: RoundEvent) -> TableReply:
    """Write the sums of a shard with its farthest points, and its labels on demand."""
    centres = read_centres(event.centres)
    shard = Round(centres)
    with threadpool_limits(limits=1, user_api="blas"):
        blocks = ((batch.ids, shard.add(batch).astype(np.int64)) for batch in _read(event, centres))
        if event.labels is None:
            for _ in blocks:
                pass
        else:
            write_columns(event.labels, ("point_id", "centre"), blocks)
    sums = shard.sums
    arrays = {"totals": sums.totals, "entities": sums.entities, "points": np.array(sums.points)}
    written = write_arrays(event.output, arrays | shard.farthest.arrays())
    return TableReply(ok=True, rows=sums.points, bytes=written)


def _read(event: RoundEvent, centres: Centres) -> Iterator[Batch]:
    dimensions, _ = centres.shape
    for batch in read_points(event.points, event.columns, event.part):
        if len(batch.vectors) != dimensions:
            raise InputError(
                f"points of {len(batch.vectors)} dimensions, centres of {dimensions} in {event.centres}"
            )
        yield batch
