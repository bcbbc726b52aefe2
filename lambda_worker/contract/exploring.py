"""Many settings of a density clustering at once, from the near pairs within the largest threshold."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from lambda_worker.contract.memory import PROCESS, SKLEARN, WRITING, mib
from lambda_worker.contract.messages import (
    Count,
    CountFrom1,
    CountFrom2,
    Event,
    NotNegative,
    Reply,
    Text,
    Texts,
)
from lambda_worker.contract.profiles import Part, measure_memory_mb

# Bytes and seconds, fitted to invocations of 1 to 10 million pairs; a pair is kept as two ids, and again for
# one value of min_samples while it waits for its cores.
_PAIR, _POINT, _POINT_SETTING = 34, 64, 5
_START_S, _PAIR_S, _PAIR_SETTING_S, _POINT_SETTING_S = 0.3, 0.15e-6, 0.03e-6, 0.5e-6


class Sample(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some points of the day, which are measured against each other for silhouettes.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT, component BIGINT` (any) and
            the feature columns.
        point_count: Rows in `points`.
        columns: The feature columns, as in the table `points` of their kind.
        kind: Feature kind.
        metric: The distance.
        parts: The features of `mixed`.
    """

    points: Texts
    point_count: Count
    columns: Texts
    kind: Text
    metric: Text
    parts: tuple[Part, ...] = ()


class ExploreEvent(Event, frozen=True, kw_only=True, tag="explore"):
    """Cluster a day by DBSCAN with every threshold and every `min_samples`.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` among their columns.
        candidates: Addresses of candidates files: all pairs within the last threshold.
        point_count: Points of the day; ids are 0..point_count-1.
        thresholds: Ascending, distinct.
        min_samples: Ascending, distinct. 1 gives connected components, which is single linkage cut at the
            threshold.
        curve: Ascending distances, up to the last threshold, at which core entities are counted.
        sample: For silhouettes; None: none.
        output: Address of a Parquet file to write: `min_samples BIGINT, level BIGINT, point_id BIGINT,
            cluster BIGINT`, by these columns; `level` counts thresholds from 0, noise is -1. None: no
            file.
    """

    points: Texts
    candidates: Texts
    point_count: Count
    thresholds: tuple[NotNegative, ...]
    min_samples: tuple[CountFrom1, ...]
    curve: tuple[NotNegative, ...] = ()
    sample: Sample | None = None
    output: Text | None = None

    written: ClassVar[tuple[str, ...]] = ("output",)


class Setting(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The clusters of one setting.

    Attributes:
        clusters: Number of clusters, as the pipeline would publish.
        noise: Entities in no cluster.
        single: Entities that are alone in their cluster, which occurs only with `min_samples` 1.
        largest: Entities of the largest cluster.
        agreement_threshold: Adjusted Rand index with the next smaller threshold; None for the first.
        agreement_min_samples: Adjusted Rand index with the next smaller `min_samples`; None for the first.
        silhouette: Mean over the clustered entities of the sample; None with fewer than two clusters there.
        silhouette_points: Points of the sample that are in a cluster.
    """

    threshold: NotNegative
    min_samples: CountFrom1
    clusters: Count
    noise: Count
    single: Count
    largest: Count
    agreement_threshold: float | None = None
    agreement_min_samples: float | None = None
    silhouette: float | None = None
    silhouette_points: Count = 0


class CoreCurve(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many entities have `min_samples` entities, themselves included, within each distance of `curve`."""

    min_samples: CountFrom1
    entities: tuple[Count, ...]


class ExploreReply(Reply, frozen=True, kw_only=True):
    """The reply to an `ExploreEvent`.

    Attributes:
        pairs: Pairs read.
        entities: Entities of the day.
        settings: By (`min_samples`, threshold).
        curves: By `min_samples`.
        rows: Rows of the output.
        bytes: Size of the output.
    """

    pairs: int = 0
    entities: int = 0
    settings: tuple[Setting, ...] = ()
    curves: tuple[CoreCurve, ...] = ()
    rows: int = 0
    bytes: int = 0


class Grid(Struct, frozen=True):
    """The size of an exploration: how many thresholds, values of `min_samples` and points of the sample."""

    thresholds: CountFrom1
    min_samples: CountFrom1
    sample: CountFrom2 = 2


def adjusted_rand(entities: int, together: int, one: int, other: int) -> float:
    """Compute the adjusted Rand index of two clusterings (Hubert and Arabie, J. of Classification 1985).

    Every noise entity counts as a cluster of its own, so that noise adds no pair.

    Args:
        entities: Entities of both.
        together: Pairs of entities that are in one cluster in both clusterings.
        one: Pairs of entities in one cluster of the first clustering.
        other: The same for the second.

    Returns:
        1 for equal clusterings, about 0 for independent ones.
    """
    pairs = entities * (entities - 1) // 2
    expected = one * other / pairs if pairs else 0.0
    mean = (one + other) / 2
    return 1.0 if mean == expected else (together - expected) / (mean - expected)


def explore_memory_mb(point_count: int, pairs: int, grid: Grid, point_bytes: float = 64.0) -> float:
    """Upper bound of the peak memory of an `ExploreEvent` in MiB.

    Args:
        point_count: Points of the day.
        pairs: Pairs in its files.
        grid: Its size.
        point_bytes: Bytes of the features of a point, on average.
    """
    points = (_POINT + _POINT_SETTING * grid.thresholds) * point_count
    sample = measure_memory_mb(grid.sample, grid.sample, point_bytes, 1)
    return mib(PROCESS + SKLEARN + WRITING + _PAIR * pairs + points) + sample


def explored_pairs(memory_mb: float, point_count: int, grid: Grid) -> int:
    """Return how many pairs an `ExploreEvent` can read within a memory in MiB."""
    room = memory_mb - explore_memory_mb(point_count, 0, grid)
    return max(0, int(room * 2**20 / _PAIR))


def explore_seconds(point_count: int, pairs: int, grid: Grid) -> float:
    """Seconds of an `ExploreEvent`."""
    settings = grid.thresholds * grid.min_samples
    per_setting = _PAIR_SETTING_S * pairs + _POINT_SETTING_S * point_count
    return _START_S + _PAIR_S * pairs * (1 + grid.min_samples) + settings * per_setting
