"""How much memory an invocation takes, so that a plan can promise it.

`cluster_assets` may import this module. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lambda_worker.contract.forests import FOLD_ROWS, KEPT_PAIRS, MINIMUM, READS_AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Count = TypeVar("Count", float, NDArray[np.float64])

# Bytes an item at the peak, fitted to invocations of 0.1 to 20 million points;
# tests/worker/test_forests_memory.py checks them.
_PROCESS = 50 * 2**20  # Python, numpy, arro3 and the batch that is read
_WRITING = 4 * 2**20
_SET, _CORE, _ATTACHMENT = 4, 1, 42
_ROOM, _EDGE = 8, 68
_LEAF, _MERGE = 12, 66
_LISTING, _GRID_POINT, _GRID_AXIS = 30 * 2**20, 38, 30
_LABEL, _KEPT_PAIR = 15, 8
_JOIN_LISTING = 4 * 2**20
_READ_TEXT, _READ_CHARACTER = 24, 7
_JOIN_TEXT, _TEXT_SEGMENT, _CHARACTER = 84, 20, 4
_JOIN_SET, _JOIN_TOKEN, _DISTINCT_TOKEN = 60, 22, 24
_TOKEN_SLOT, _FIRST_SLOTS = 24, 2**16


def forest_memory_mb(kind: str, point_count: int, pairs: int, attachments: int | None = None) -> float:
    """Peak memory of a `ForestEvent` in MiB, within a quarter.

    Args:
        kind: `spanning` or `minimum`.
        point_count: Points of the day.
        pairs: Pairs in the shard; a spanning forest does not depend on them.
        attachments: With cores, pairs of a core and another point in the shard; or, where that is less, twice
            the distinct attachments of the forest and `FOLD_ROWS`. None without cores.
    """
    if kind == MINIMUM:
        edges = min(pairs, max(FOLD_ROWS, point_count // 2))
        if pairs > edges:
            edges += min(pairs - edges, point_count)
        return _mib(_PROCESS + _ROOM * point_count + _EDGE * edges)
    attached = 0 if attachments is None else _CORE * point_count + _ATTACHMENT * attachments
    return _mib(_PROCESS + _WRITING + _SET * point_count + attached)


def cluster_memory_mb(algorithm: str, point_count: int, pairs: int) -> float:
    """Peak memory of a `ClusterEvent` in MiB, within a quarter.

    Args:
        algorithm: Its type, one of `FOREST_KINDS`.
        point_count: Points of the day.
        pairs: Pairs in its files.
    """
    kept = min(pairs, KEPT_PAIRS) if algorithm in READS_AGAIN else 0
    return _mib(_PROCESS + _LABEL * point_count + _KEPT_PAIR * kept)


def grid_memory_mb(point_count: int, dimensions: int) -> float:
    """Peak memory in MiB, within a quarter, of measuring or certifying a day in few dimensions.

    Args:
        point_count: Points of the block, or of the day.
        dimensions: Of a point.
    """
    return _mib(_PROCESS + _LISTING + (_GRID_POINT + _GRID_AXIS * dimensions) * point_count)


def grid_points_within(memory_mb: float, dimensions: int) -> int:
    """Points of which `grid_memory_mb` is at most this."""
    room = memory_mb * 2**20 - _PROCESS - _LISTING
    return max(0, int(room / (_GRID_POINT + _GRID_AXIS * dimensions)))


def text_join_memory_mb(point_count: int, characters: int, edits: int) -> float:
    """Peak memory in MiB, within a quarter, of a `JoinEvent` of texts.

    Texts of many lengths take less, up to a third.

    Args:
        point_count: Texts.
        characters: Code points of all of them.
        edits: Near texts are at most so many apart.
    """
    reading = _READ_TEXT * point_count + _READ_CHARACTER * characters
    text = _JOIN_TEXT + _TEXT_SEGMENT * (edits + 1)
    return _mib(_PROCESS + _JOIN_LISTING + max(reading, text * point_count + _CHARACTER * characters))


def set_join_memory_mb(point_count: int, tokens: int, token_bytes: int, distinct: int | None = None) -> float:
    """Peak memory in MiB, within a quarter, of a `JoinEvent` of sets.

    Args:
        point_count: Sets.
        tokens: Tokens of all of them.
        token_bytes: Bytes of these tokens.
        distinct: How many of the tokens differ; None before anyone knows, for all.
    """
    slots, known = _FIRST_SLOTS, tokens if distinct is None else distinct
    while 4 * known > 3 * slots:
        slots *= 2
    held = _JOIN_SET * point_count + _JOIN_TOKEN * tokens + _DISTINCT_TOKEN * known + token_bytes
    return _mib(_PROCESS + _JOIN_LISTING + held + _TOKEN_SLOT * slots)


def dendrogram_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of a `DendrogramEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        pairs: Rows of the forests.
    """
    merges = _mib(_PROCESS + _LEAF * point_count + _MERGE * min(pairs, point_count))
    return max(merges, forest_memory_mb(MINIMUM, point_count, pairs))


def _mib(count: int) -> float:
    return count / 2**20


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """What it takes to cluster a component, as a sum over its counts; bytes, or microseconds.

    Attributes:
        once: For each component.
        point: For each point.
        entity: For each entity.
        pair: For each near pair.
        point_square: For each pair of points, near or not.
        entity_square: For each pair of entities.
    """

    once: float = 0
    point: float = 0
    entity: float = 0
    pair: float = 0
    point_square: float = 0
    entity_square: float = 0

    def of(self, points: Count, entities: Count, pairs: Count) -> Count:
        """The sum, for numbers or arrays of float64."""
        return (
            self.once
            + (self.point + self.point_square * points) * points
            + (self.entity + self.entity_square * entities) * entities
            + self.pair * pairs
        )


_HELD_POINT, _HELD_PAIR = 125, 57
_FEATURE_COPIES = 1.95
_PACK_POINT, _PACK_COMPONENT = 20, 72
_NUMBER_POINT = 76
_READ_POINT_US, _READ_PAIR_US = 2.5, 0.6

COMPONENT_COSTS: dict[str, tuple[ComponentCost, ComponentCost]] = {
    # Bytes beside what is read of a bin, and microseconds; fitted to components of 2 to 8,000 points.
    "agglomerative": (ComponentCost(point=100, point_square=8.1), ComponentCost(point=60, point_square=0.1)),
    "agglomerative.single": (ComponentCost(point=60), ComponentCost(200, 1, pair=0.3)),
    "agglomerative.ward": (ComponentCost(point=150), ComponentCost(point=60, point_square=0.06)),
    # A bin of these is worked on as a whole, in about the room that it is held in.
    "optics": (ComponentCost(), ComponentCost(point=30, pair=2)),
    "mean_shift": (ComponentCost(140 * 2**20, point=150), ComponentCost(point=20, pair=5)),
    # The greediest of them, affinity propagation and spectral clustering; scikit-learn itself counts once.
    "sklearn": (
        ComponentCost(125 * 2**20, entity=1000, entity_square=36),
        ComponentCost(5000, entity=100, entity_square=0.4),
    ),
}
"""By algorithm type, or `type.linkage`; types that are not listed count as `sklearn`."""


def component_memory_mb(algorithm: Mapping[str, Any], points: Count, entities: Count, pairs: Count) -> Count:
    """Memory in MiB that clustering one component takes beside what is read, see `bin_memory_mb`.

    Args:
        algorithm: Type and parameters.
        points: Of the component; numbers or arrays of float64, as the other counts.
        entities: Sum of the weights.
        pairs: Near pairs.
    """
    return _component_costs(algorithm)[0].of(points, entities, pairs) / 2**20


def component_seconds(algorithm: Mapping[str, Any], points: Count, entities: Count, pairs: Count) -> Count:
    """Seconds that one component takes, reading included; arguments as of `component_memory_mb`."""
    work = _component_costs(algorithm)[1].of(points, entities, pairs)
    return (work + _READ_POINT_US * points + _READ_PAIR_US * pairs) / 1e6


def bin_memory_mb(points: Count, pairs: Count, point_bytes: float, work_mb: Count) -> Count:
    """Peak memory of a `ComponentsEvent` in MiB.

    Args:
        points: Of the bin.
        pairs: Of the bin.
        point_bytes: Bytes of the features of a point, on average.
        work_mb: Largest `component_memory_mb` of its components.
    """
    held = (_HELD_POINT + _FEATURE_COPIES * point_bytes) * points + _HELD_PAIR * pairs
    return (_PROCESS + held) / 2**20 + work_mb


def pack_memory_mb(point_count: int, components: int | None = None) -> float:
    """Peak memory of a `PackEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        components: How many they are in; None before anyone knows, for as many as points.
    """
    packed = point_count if components is None else components
    return _mib(_PROCESS + _PACK_POINT * point_count + _PACK_COMPONENT * packed)


def number_memory_mb(point_count: int) -> float:
    """Peak memory of a `NumberEvent` in MiB, within a quarter."""
    return _mib(_PROCESS + _NUMBER_POINT * point_count)


def _component_costs(algorithm: Mapping[str, Any]) -> tuple[ComponentCost, ComponentCost]:
    name = str(algorithm.get("type"))
    special = COMPONENT_COSTS.get(f"{name}.{algorithm.get('linkage')}")
    return special or COMPONENT_COSTS.get(name, COMPONENT_COSTS["sklearn"])


_SKLEARN = 125 * 2**20  # what importing sklearn.cluster takes
_GROUP_ROWS = 122_880  # of a row group of Parquet, as DuckDB writes them
_PAGE = 2**20
_BATCH_NUMBERS, _BATCH_ROWS = 2**21, 2**16
_SUM = 80


def round_memory_mb(clusters: int, dimensions: int, group_rows: int = _GROUP_ROWS) -> float:
    """Peak memory of a `RoundEvent` in MiB, within a quarter; the number of points does not matter.

    The other events of k-means take less. Points whose features are one array take a quarter less, too.

    Args:
        clusters: Centres.
        dimensions: Of the points.
        group_rows: Rows of a row group of the points files: the reader holds one.
    """
    batch = 8 * min(_BATCH_NUMBERS, _BATCH_ROWS * dimensions)
    reading = dimensions * (8 * group_rows + min(_PAGE, 8 * group_rows))
    return _mib(_PROCESS + _WRITING + 2 * batch + reading + _SUM * clusters * dimensions)


_LEAF_KEPT, _LEAF_NUMBER, _LEAF_PAIR = 700, 40, 8


def minibatch_memory_mb(clusters: int, batch: int, dimensions: int) -> float:
    """Peak memory of mini-batch k-means in MiB, within a quarter; the number of points does not matter.

    Args:
        clusters: Centres.
        batch: Points of a batch.
        dimensions: Of the points.
    """
    numbers = 24 * (clusters + batch) * dimensions + 8 * clusters * batch
    return _mib(_PROCESS + _SKLEARN + _WRITING + numbers)


def birch_memory_mb(subclusters: int, entities: int, dimensions: int, *, joined: bool) -> float:
    """Peak memory of Birch in MiB, within a quarter.

    Args:
        subclusters: Leaves of the tree.
        entities: Entities in it. A subcluster of one holds on to the batch it came in.
        dimensions: Of the points.
        joined: Whether Ward's linkage joins the subclusters in the end.
    """
    kept = 8 * dimensions * entities
    tree = (_LEAF_KEPT + _LEAF_NUMBER * dimensions) * subclusters
    return _mib(_PROCESS + _SKLEARN + _WRITING + tree + kept + joined * _LEAF_PAIR * subclusters**2)


_NEIGHBOUR, _SHARD_ROW, _DAY_ROW = 18, 52, 72
_CORE_DISTANCE, _HIERARCHY = 8, 165


def neighbours_memory_mb(point_count: int, pairs: int, rows: int) -> float:
    """Peak memory of a `NeighboursEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        pairs: Pairs in the shard.
        rows: Rows it will keep: at most `min_samples` - 1 for each point with a pair in the shard.
    """
    sorted_rows = min(2 * pairs, rows + max(FOLD_ROWS, rows))
    return _mib(_PROCESS + _NEIGHBOUR * point_count + _SHARD_ROW * sorted_rows)


def core_distances_memory_mb(point_count: int, rows: int) -> float:
    """Peak memory of a `CoreDistancesEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        rows: Rows of points in its span, in all neighbours files.
    """
    return _mib(_PROCESS + _NEIGHBOUR * point_count + _DAY_ROW * rows)


def mutual_forest_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of a minimum `ForestEvent` with core distances in MiB, within a quarter."""
    return forest_memory_mb(MINIMUM, point_count, pairs) + _mib(_CORE_DISTANCE * point_count)


def hdbscan_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of a `HdbscanEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        pairs: Rows of the forests.
    """
    return max(_mib(_PROCESS + _HIERARCHY * point_count), mutual_forest_memory_mb(point_count, pairs))


_ORDERED_PAIR, _ORDERED_POINT = 66, 130
_EVENT, _PLOT_ROW = 83, 55
_CLIMBING, _CLIMB, _CLIMB_NUMBER = 12 * 2**20, 180, 45
_LABELLED, _PEAK, _PEAK_NUMBER = 22, 30, 30


def order_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of an `OrderEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the bin.
        pairs: Pairs of the bin.
    """
    return _mib(_PROCESS + _ORDERED_POINT * point_count + _ORDERED_PAIR * pairs)


def extract_memory_mb(point_count: int, heavy_points: int, flat_rows: int) -> float:
    """Peak memory of an `ExtractEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        heavy_points: Points of a weight above 1.
        flat_rows: Rows that an event has at most: the heaviest weight less 1, or for `xi`
            max(min_samples + 2, min_cluster_size), whichever is less; 1 for `dbscan`.
    """
    rows = point_count + heavy_points * flat_rows
    return _mib(_PROCESS + _SKLEARN + _EVENT * (point_count + heavy_points) + _PLOT_ROW * rows)


def climb_memory_mb(point_count: int, dimensions: int) -> float:
    """Peak memory of a `ClimbEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the bin.
        dimensions: Of the vectors.
    """
    climbs = (_CLIMB + _CLIMB_NUMBER * dimensions) * point_count
    return _mib(_PROCESS + _SKLEARN + _CLIMBING + climbs)


def peaks_memory_mb(point_count: int, peaks: int, dimensions: int) -> float:
    """Peak memory of a `PeaksEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        peaks: Rows of the files of peaks.
        dimensions: Of the vectors.
    """
    kept = (_PEAK + _PEAK_NUMBER * dimensions) * peaks
    return _mib(_PROCESS + _SKLEARN + _LABELLED * point_count + kept)
