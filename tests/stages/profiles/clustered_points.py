"""Clustered points as files for the worker, and distances computed one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from wagner_fischer import levenshtein

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

EARTH_M = 6_371_008.8


def great_circle(one: Sequence[float], other: Sequence[float]) -> float:
    """Metres, by the spherical law of cosines in its form by Vincenty."""
    (p, q), (r, s) = (map(math.radians, place) for place in (one, other))
    east = s - q
    across = math.hypot(
        math.cos(r) * math.sin(east), math.cos(p) * math.sin(r) - math.sin(p) * math.cos(r) * math.cos(east)
    )
    along = math.sin(p) * math.sin(r) + math.cos(p) * math.cos(r) * math.cos(east)
    return EARTH_M * math.atan2(across, along)


def jaccard(one: Sequence[str], other: Sequence[str]) -> float:
    return 1 - len(set(one) & set(other)) / len(set(one) | set(other))


DISTANCES: dict[tuple[str, str], Callable[[Any, Any], float]] = {
    ("vector", "euclidean"): math.dist,
    ("vector", "manhattan"): lambda a, b: sum(abs(x - y) for x, y in zip(a, b, strict=True)),
    ("vector", "chebyshev"): lambda a, b: max(abs(x - y) for x, y in zip(a, b, strict=True)),
    ("embedding", "cosine"): lambda a, b: (
        1 - sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)
    ),
    ("geo", "haversine"): great_circle,
    ("set", "jaccard"): jaccard,
    ("set", "dice"): lambda a, b: 1 - 2 * len(set(a) & set(b)) / (len(set(a)) + len(set(b))),
    ("set", "cosine"): lambda a, b: 1 - len(set(a) & set(b)) / math.sqrt(len(set(a)) * len(set(b))),
    ("text", "levenshtein"): lambda a, b: float(levenshtein(a, b)),
}


def matrix(values: Sequence[Any], distance: Callable[[Any, Any], float]) -> NDArray[np.float64]:
    """All distances, one after the other."""
    found = np.zeros((len(values), len(values)))
    for i, one in enumerate(values):
        for j in range(i):
            found[i, j] = found[j, i] = max(0.0, distance(one, values[j]))
    return found


def entities_of(distances: NDArray[np.float64], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distances of entities from those of points: each point as often as it has entities."""
    rows = np.repeat(np.arange(len(weights)), weights)
    return distances[np.ix_(rows, rows)]


@dataclass(frozen=True)
class Sample:
    """Clustered points.

    Attributes:
        values: A feature value a point.
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.int64]
    clusters: NDArray[np.int64]
    values: list[Any]

    def write(self, folder: Path, kind: str, files: int = 1, seed: int = 0) -> tuple[str, ...]:
        """Parquet files of the points in any order, as SQL leaves them."""
        order = np.random.default_rng(seed).permutation(len(self.ids))
        written = []
        for number, part in enumerate(np.array_split(order, files)):
            path = folder / f"points-{seed}-{number}.parquet"
            rows = [
                f"({self.ids[k]}, {self.weights[k]}, {self.clusters[k]}, {literal(kind, self.values[k])})"
                for k in part.tolist()
            ]
            duckdb.sql(
                f"COPY (SELECT i::BIGINT AS point_id, w::BIGINT AS weight, c::BIGINT AS component, "
                f"{COLUMNS_SQL[kind]} FROM (VALUES {', '.join(rows)}) t(i, w, c, v)) "
                f"TO '{path}' (FORMAT parquet)"
            )
            written.append(str(path))
        return tuple(written)


COLUMNS = {
    "vector": ("x0", "x1"),
    "embedding": ("embedding",),
    "geo": ("latitude", "longitude"),
    "set": ("tokens",),
    "text": ("text",),
}
COLUMNS_SQL = {
    "vector": "v[1] AS x0, v[2] AS x1",
    "geo": "v[1] AS latitude, v[2] AS longitude",
    "embedding": "v AS embedding",
    "set": "v AS tokens",
    "text": "v AS text",
}


def literal(kind: str, value: Any) -> str:
    if kind == "text":
        return f"'{value}'"
    if kind == "set":
        return "[" + ", ".join(f"'{token}'" for token in value) + "]"
    return "[" + ", ".join(f"{number!r}::DOUBLE" for number in value) + "]"


def random_values(kind: str, count: int, chance: np.random.Generator) -> list[Any]:
    if kind == "geo":
        return list(
            zip(
                chance.uniform(-89, 89, count).tolist(),
                chance.uniform(-180, 180, count).tolist(),
                strict=True,
            )
        )
    if kind == "set":
        return [
            sorted(f"t{k}é" for k in set(chance.integers(0, 12, 1 + chance.integers(0, 6)).tolist()))
            for _ in range(count)
        ]
    if kind == "text":
        return ["".join(chance.choice(list("aböß😀"), chance.integers(0, 9))) for _ in range(count)]
    dimensions = 5 if kind == "embedding" else 2
    return [tuple(row) for row in chance.normal(0, 3, (count, dimensions)).tolist()]


def random_sample(kind: str, count: int = 45, clusters: int = 4, seed: int = 7) -> Sample:
    chance = np.random.default_rng(seed)
    labels = np.sort(chance.integers(0, clusters, count))
    labels[-1] = clusters  # one alone
    ids = chance.permutation(10 * count)[:count]
    return Sample(ids, chance.integers(1, 5, count), labels, random_values(kind, count, chance))
