"""Agglomerative clustering, cut at a distance, one component of the threshold graph after the other.

The rule is that of scikit-learn's AgglomerativeClustering with `distance_threshold=t, n_clusters=None`: all
merges lower than t are made, none at t or above. A point of weight w is w equal entities: they merge first,
at height 0, so a hierarchy may begin with points of these sizes.

Why merges lower than t stay inside components of the graph of pairs within t. Let A and B be clusters in
different components: every pair of an entity of A and one of B is further apart than t.
  single, complete, average: the height of their merge is the least, the largest or the mean of those
  distances, so it is above t.
  ward: the height h has h^2 = 2 |A| |B| / (|A| + |B|) * |a - b|^2, where a and b are the means, and a merge
  adds h^2 / 2 to the sum of squares around the means of clusters. Suppose that all merges so far were lower
  than t. A needed |A| - 1 of them, so its sum of squares is at most (|A| - 1) t^2 / 2; B's likewise. The mean
  of the squared distances between A and B is |a - b|^2 plus the mean squares around both means, so at most
      h^2 (1 / |A| + 1 / |B|) / 2 + t^2 (1 - 1 / |A|) / 2 + t^2 (1 - 1 / |B|) / 2.
  It is above t^2, hence h > t (with h <= t the bound would be t^2).
So the first merge across components would be above t. Until then what is merged in one component changes no
height within another one, so each can be done by itself.

Hierarchies are drawn by chains of nearest neighbours (Murtagh, The Computer Journal 1983): from any cluster
go to its nearest one, and on, until two are each other's nearest; these merge. With these linkages a merge
brings no cluster closer to a third one than its parts were, so the merges, sorted by height, are those of
always merging the closest two. It also means that a cluster whose nearest one is t or more away is finished.

Ties: where two possible merges have exactly the same height, the method itself leaves open which is made, and
another choice may give other clusters (single linkage excepted, which does not depend on it). The choice here
is a function of the points alone: the lower point ids first. scikit-learn's may be another. Heights of t, up
to rounding, are as open, since sums of many distances may be rounded in another order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambda_worker.components import ComponentLabels
from lambda_worker.components.distances import pairwise
from lambda_worker.contract import ContractError
from lambda_worker.deadline import check_deadline
from lambda_worker.labels import MEMBER_ROLE
from lambda_worker.union_find import BLOCK_IDS, DisjointSets, number_sets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.components import Component, Space

    Doubles = NDArray[np.float64]

LINKAGES = ("single", "complete", "average", "ward")
_WARD_KINDS = ("vector", "embedding")
_FEW = 64  # slots that are not worth forgetting


@dataclass(frozen=True, slots=True)
class Agglomerative:
    """Merges lower than the threshold of the space. Every point is a member of a cluster; there is no noise.

    Attributes:
        linkage: What counts as the height of a merge: the least, largest or mean distance of the entities of
            two clusters (`single`, `complete`, `average`), or how much the spread grows (`ward`, for
            Euclidean vectors).
    """

    linkage: str

    def __post_init__(self) -> None:
        if self.linkage not in LINKAGES:
            raise ContractError(f"linkage must be one of {', '.join(LINKAGES)}, not {self.linkage!r}")

    def cluster(self, component: Component, space: Space) -> ComponentLabels:
        """See `ComponentAlgorithm`.

        Memory is 8 bytes for each pair of points where the linkage is complete or average, else O(points). A
        merge takes O(points), with Ward's linkage times the dimensions.

        Raises:
            ContractError: Ward's linkage is asked for where there are no Euclidean vectors.
        """
        if self.linkage == "ward" and (space.kind not in _WARD_KINDS or space.metric != "euclidean"):
            raise ContractError(
                f"linkage ward is for euclidean vectors or embeddings, not {space.metric} of the kind "
                f"{space.kind}; use average, complete or single"
            )
        if len(component) == 2:  # by far the most components, so without detours
            height = _pair_height(self.linkage, component)
            return _members(np.array([0, height >= space.threshold], np.int64))
        sets = DisjointSets(len(component))
        for a, b in _low_merges(self.linkage, component, space):
            sets.unite(a, b)
        cluster, _ = number_sets(sets.roots())
        return _members(cluster.astype(np.int64))

    def cluster_single(self, weights: NDArray[np.int64]) -> ComponentLabels:
        """See `ComponentAlgorithm`: each point is a cluster."""
        return _members(np.zeros(len(weights), np.int64))


class Hierarchy(Protocol):
    """Clusters, each in the slot of one of its points, and the heights of their possible merges."""

    def heights(self, slot: int) -> Doubles:
        """Of merging one cluster with each, shape (slots,); infinite for itself and for empty slots."""
        ...

    def merge(self, slot: int, into: int) -> None:
        """Merge two clusters; the first slot is empty afterwards."""
        ...

    def keep(self, slots: NDArray[np.intp]) -> None:
        """Forget all slots but some, ascending, which become the slots 0, 1, …."""
        ...


class DistanceMatrix:
    """Heights in a square matrix, updated as by Lance and Williams (The Computer Journal 1967)."""

    def __init__(self, matrix: Doubles, weights: NDArray[np.int64], *, mean: bool) -> None:
        """The matrix is overwritten.

        Args:
            matrix: Distances of the points, shape (points, points), contiguous.
            weights: Entities of each point, shape (points,).
            mean: Whether the height is the mean distance, else the largest one.
        """
        np.fill_diagonal(matrix, np.inf)
        self._matrix = matrix
        self._sizes = weights.astype(np.float64) if mean else None
        self._empty = np.zeros(len(matrix))  # infinite for empty slots

    def heights(self, slot: int) -> Doubles:
        """See `Hierarchy`."""
        heights: Doubles = self._matrix[slot] + self._empty
        return heights

    def merge(self, slot: int, into: int) -> None:
        """See `Hierarchy`."""
        one, other = self._matrix[slot], self._matrix[into]
        if self._sizes is None:
            np.maximum(one, other, out=other)
        else:
            size, joined = self._sizes[slot], self._sizes[slot] + self._sizes[into]
            other *= self._sizes[into]
            one *= size
            other += one
            other /= joined
            self._sizes[into] = joined
        other[into] = np.inf
        self._matrix[:, into] = other
        self._empty[slot] = np.inf

    def keep(self, slots: NDArray[np.intp]) -> None:
        """See `Hierarchy`; rows move up within the same memory, each to a place that is read already."""
        old, room = self._matrix, self._matrix.reshape(-1)
        self._matrix = room[: len(slots) ** 2].reshape(len(slots), len(slots))
        for row, slot in enumerate(slots.tolist()):
            self._matrix[row] = old[slot].take(slots)
        self._empty = self._empty.take(slots)
        self._sizes = None if self._sizes is None else self._sizes.take(slots)


class Means:
    """Ward's heights from the means of clusters: no matrix, and no differences of large sums."""

    def __init__(self, vectors: Doubles, weights: NDArray[np.int64]) -> None:
        """Nothing is overwritten.

        Args:
            vectors: Shape (points, dimensions).
            weights: Entities of each point, shape (points,).
        """
        self._means: Doubles = np.array(vectors.T, order="C")
        self._sizes = weights.astype(np.float64)

    def heights(self, slot: int) -> Doubles:
        """See `Hierarchy`."""
        squared = np.zeros(len(self._sizes))
        for values in self._means:
            difference = values - values[slot]
            difference *= difference
            squared += difference
        size = self._sizes[slot]
        squared *= 2.0 * size * self._sizes
        squared /= self._sizes + size
        squared[slot] = np.inf
        np.sqrt(squared, out=squared)
        return squared

    def merge(self, slot: int, into: int) -> None:
        """See `Hierarchy`."""
        size, other = self._sizes[slot], self._sizes[into]
        share = size / (size + other)
        self._means[:, into] += share * (self._means[:, slot] - self._means[:, into])
        self._means[:, slot] = np.inf
        self._sizes[into] = size + other

    def keep(self, slots: NDArray[np.intp]) -> None:
        """See `Hierarchy`."""
        self._means = self._means.take(slots, axis=1)
        self._sizes = self._sizes.take(slots)


def merges_below(limit: float, hierarchy: Hierarchy, points: int) -> list[tuple[int, int]]:
    """All merges lower than a limit, each as two points whose clusters merge; in no order of heights.

    Args:
        limit: Merges at this height or above are not made.
        hierarchy: Of as many slots as points; it is used up.
        points: How many there are.
    """
    chains = _Chains(hierarchy, points)
    while chains.open_count:
        check_deadline()
        chains.follow(limit)
    return chains.merges


class _Chains:
    """Chains of nearest neighbours through the open slots: those neither empty nor finished."""

    def __init__(self, hierarchy: Hierarchy, points: int) -> None:
        self.merges: list[tuple[int, int]] = []
        self.open_count = points
        self._hierarchy = hierarchy
        self._is_open = np.ones(points, np.bool_)
        self._points = np.arange(points)  # whose cluster is in each slot

    def follow(self, limit: float) -> None:
        """Begin at the first open slot; end when the chain is used up, after at least one merge or end."""
        chain = [int(self._is_open.argmax())]
        while chain:
            tip, before = chain[-1], chain[-2] if len(chain) > 1 else None
            if not self._is_open[tip]:  # only where rounding made a merged cluster come closer
                chain.pop()
                continue
            heights = self._hierarchy.heights(tip)
            nearest = int(heights.argmin())
            # On a tie turn back, or equal heights could lead round in a circle.
            if before is not None and heights[before] <= heights[nearest]:
                nearest = before
            if heights[nearest] >= limit:
                self._close(chain.pop())
            elif nearest == before:
                self._merge(tip, nearest)
                chain = self._shrink(chain[:-2])
            else:
                chain.append(nearest)

    def _merge(self, slot: int, into: int) -> None:
        self._hierarchy.merge(slot, into)
        self.merges.append((int(self._points[slot]), int(self._points[into])))
        self._close(slot)

    def _close(self, slot: int) -> None:
        self._is_open[slot] = False
        self.open_count -= 1

    def _shrink(self, chain: list[int]) -> list[int]:
        """Forget closed slots when they are the most: they are never the nearest below the limit."""
        if 2 * self.open_count > len(self._is_open) or len(self._is_open) < _FEW:
            return chain
        kept = np.flatnonzero(self._is_open)
        number = np.cumsum(self._is_open) - 1
        chain = [int(number[slot]) for slot in chain if self._is_open[slot]]
        self._hierarchy.keep(kept)
        self._points = self._points.take(kept)
        self._is_open = np.ones(len(kept), np.bool_)
        return chain


def _low_merges(
    linkage: str, component: Component, space: Space
) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """Pairs of points whose clusters merge below the threshold, some at a time."""
    if linkage == "single":
        for start in range(0, len(component.a), BLOCK_IDS):
            part = slice(start, start + BLOCK_IDS)
            near = np.flatnonzero(component.distance[part] < space.threshold)
            yield component.a[part].take(near), component.b[part].take(near)
        return
    with np.errstate(over="ignore"):
        # What is infinitely far away never merges, whether it is that far or its square is out of range.
        merges = merges_below(space.threshold, _hierarchy(linkage, component, space), len(component))
    slots = np.array(merges, np.intp).reshape(-1, 2)
    yield slots[:, 0], slots[:, 1]


def _pair_height(linkage: str, component: Component) -> float:
    """Of the merge of two points."""
    height = float(component.distance[0])
    if linkage == "ward":
        one, other = map(float, component.weights)
        height *= math.sqrt(2.0 * one * other / (one + other))
    return height


def _hierarchy(linkage: str, component: Component, space: Space) -> Hierarchy:
    if linkage == "ward":
        return Means(component.features.vectors, component.weights)
    if linkage == "average":
        return DistanceMatrix(pairwise(component.features, space.metric), component.weights, mean=True)
    # Clusters with two points that are no near pair never merge, so it is enough to know the near pairs.
    matrix = np.full((len(component), len(component)), np.inf)
    matrix[component.a, component.b] = matrix[component.b, component.a] = component.distance
    return DistanceMatrix(matrix, component.weights, mean=False)


def _members(cluster: NDArray[np.int64]) -> ComponentLabels:
    return ComponentLabels(cluster, np.full(len(cluster), MEMBER_ROLE, np.uint8))
