"""The last step of mean shift, over a whole day: which peaks remain, and the peak of each point.

The rules are those of scikit-learn: peaks are ordered by intensity, then by place, highest first; each drops
all later ones within the bandwidth; a point belongs to the nearest remaining peak. If several are equally
near, the same one is chosen: where scikit-learn queries a tree, a tree of the same peaks decides, otherwise
the first of them is taken.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.clusterers.components.mean_shift import load_tree
from lambda_worker.clusterers.components.mean_shift_bins import read_peaks
from lambda_worker.clusterers.day_labels import write_day
from lambda_worker.contract import ClusterReply, InputError
from lambda_worker.graph.pairs import read_weights
from lambda_worker.graph.union_find import index_type
from lambda_worker.metrics.listed import EUCLIDEAN
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.centres import publish_centres
from lambda_worker.tables.labels import NOISE, clusters_of, first_points, member_labels
from lambda_worker.tables.reading import read_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_worker.arrays import Floats, Ints, SignedInts
    from lambda_worker.clusterers.components.mean_shift import Peaks
    from lambda_worker.contract.components import PeaksEvent

_MOST_TREE_DIMENSIONS = 15
_FEWEST_TREE_PEAKS = 4
_FEWEST_RADIUS_PEAKS = 12
_LEAF = 30
_MOST_TOGETHER = 256
_LOOK_AHEAD = 64


def label_by_peaks(event: PeaksEvent) -> ClusterReply:
    """Write the labels of a day.

    Memory is O(peaks + points of the day in integers): vectors are streamed.
    """
    bandwidth = event.threshold / 2
    label = np.full(event.point_count, NOISE, index_type(event.point_count))
    if event.point_count:
        load_tree()  # limits are set on what is loaded
        # A worker has one core, so threads do not pay off.
        with threadpool_limits(limits=1):
            centres = keep_highest(read_peaks(event.peaks), bandwidth)
        if not len(centres):
            raise InputError("the files of peaks hold none, but the day has points")
        _label_points(event, _Nearest(centres), label)
    else:
        centres = np.empty((0, len(event.columns)))
    weights = read_weights(event.points, event.point_count)
    first = first_points(label, len(centres))
    labels = member_labels(label)
    published = publish_centres(event.centres_output, centres, clusters_of(labels.cluster, first))
    return write_day(ClusterReply, event.output, labels, weights, **published)


def keep_highest(peaks: Peaks, bandwidth: float) -> Floats:
    """Drop each peak that is within the bandwidth of a higher remaining one.

    Returns:
        Shape (kept, dimensions), highest first.
    """
    if not len(peaks):
        return peaks.centre
    order = np.lexsort((*peaks.centre.T[::-1], peaks.intensity))[::-1]
    places = peaks.centre.take(order, axis=0)
    around, most = _ways_around(places, bandwidth)
    left = np.ones(len(places), np.bool_)
    together, at = 1, 0
    while at < len(places):
        check_deadline()
        # Query several at once while most remain; one of them may still drop another.
        asked = at + np.flatnonzero(left[at : at + _LOOK_AHEAD * together])[:together]
        if not len(asked):
            at += _LOOK_AHEAD * together
            continue
        for peak, near in zip(asked.tolist(), around(places.take(asked, axis=0)), strict=True):
            if left[peak]:
                left[near] = False
                left[peak] = True
        at = int(asked[-1]) + 1
        together = min(together * 2, most) if left.take(asked).all() else max(1, together // 2)
    kept: Floats = places.compress(left, axis=0)
    return kept


def _ways_around(places: Floats, bandwidth: float) -> tuple[Callable[..., Any], int]:
    """Return a search for the peaks around given ones, and how many it accepts at once.

    For few peaks or many dimensions, scikit-learn multiplies matrices, which rounds differently.
    """
    if len(places) >= _FEWEST_RADIUS_PEAKS and places.shape[1] <= _MOST_TREE_DIMENSIONS:
        return partial(load_tree()(places, leaf_size=_LEAF).query_radius, r=bandwidth), _MOST_TOGETHER
    neighbours = importlib.import_module("sklearn.neighbors").NearestNeighbors(radius=bandwidth).fit(places)
    return partial(neighbours.radius_neighbors, return_distance=False), 1


class _Nearest:
    """Finds the nearest of some peaks."""

    def __init__(self, centres: Floats) -> None:
        self._centres = centres
        self._tree: Any = load_tree()(centres, leaf_size=_LEAF)
        count, self.dimensions = centres.shape
        self._as_tree = count >= _FEWEST_TREE_PEAKS and self.dimensions <= _MOST_TREE_DIMENSIONS

    def of(self, vectors: Floats) -> tuple[Floats, Ints]:
        """Distance and number of the nearest peak of each vector; shape (points,) each."""
        found = 1 if self._as_tree else min(2, len(self._centres))
        distance, nearest = self._tree.query(vectors, k=found)
        if found > 1:
            tied = np.flatnonzero(distance[:, 0] == distance[:, 1])
            for row in tied.tolist():
                nearest[row, 0] = self._first(vectors[row])
        return distance[:, 0], nearest[:, 0]

    def _first(self, vector: Floats) -> int:
        """The first of the nearest peaks."""
        terms = zip(self._centres.T, vector, strict=True)
        return int(np.argmin(EUCLIDEAN.reduce(terms, np.empty(len(self._centres)))))


def _label_points(event: PeaksEvent, peaks: _Nearest, label: SignedInts) -> None:
    bandwidth = event.threshold / 2
    for address, (ids,), vectors in read_day(event.points, (), event.point_count, event.columns):
        if len(vectors) != peaks.dimensions:
            raise InputError(f"{address}: {len(vectors)} dimensions; the peaks have {peaks.dimensions}")
        distance, nearest = peaks.of(np.ascontiguousarray(vectors.T))
        if event.cluster_all:
            label[ids] = nearest
        else:
            label[ids] = np.where(distance <= bandwidth, nearest, NOISE)
