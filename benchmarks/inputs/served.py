"""Days of points with an index, and items to ask about, for the benchmark of answers.

Labels are made up, because they do not change the work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, list_array

from lambda_worker.contract.serving import IndexEvent, Space
from lambda_worker.serving.build import build_index
from lambda_worker.serving.contract import Item
from lambda_worker.serving.index import DayIndex
from lambda_worker.tables.writing import BIGINT, DOUBLE, VARCHAR, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUERIES = 1_500
DAY = "2026-01-05"
WORDS = ("curl", "wget", "python", "java", "mozilla", "bot", "scan", "agent", "client", "test", "api")


@dataclass(frozen=True)
class Asked:
    """Points of a kind, and items near some of them.

    Attributes:
        space: How items are compared with points.
        columns: Of the table `points`.
        items: As the index is asked.
        values: The points as a peer takes them.
        queries: The items as a peer takes them.
    """

    space: Space
    columns: list[Any]
    items: list[Item]
    values: Any
    queries: Any


def vectors(chance: np.random.Generator, count: int) -> Asked:
    values = chance.uniform(0, 1000, (count, 2))
    space = Space("vector", ("x0", "x1"), "euclidean", 0.8)
    asked = values[chance.integers(0, count, QUERIES)] + chance.normal(0, 0.3, (QUERIES, 2))
    return Asked(space, list(values.T), [Item(vector=tuple(row)) for row in asked.tolist()], values, asked)


def places(chance: np.random.Generator, count: int) -> Asked:
    values = np.stack(
        [np.degrees(np.arcsin(chance.uniform(-1, 1, count))), chance.uniform(-180, 180, count)], 1
    )
    space = Space("geo", ("latitude", "longitude"), "haversine", 10_000.0)
    asked = values[chance.integers(0, count, QUERIES)] * 0.9999
    items = [Item(latitude=row[0], longitude=row[1]) for row in asked.tolist()]
    return Asked(space, list(values.T), items, values, asked)


def texts(chance: np.random.Generator, count: int) -> Asked:
    numbers = chance.integers(0, 10**8, (count, 2)).tolist()
    names = chance.integers(0, len(WORDS), (count, 2)).tolist()
    values = [f"{WORDS[a]}/{x:x} {WORDS[b]} {y:x}" for (a, b), (x, y) in zip(names, numbers, strict=True)]
    asked = [values[k][:-1] + "z" for k in chance.integers(0, count, QUERIES).tolist()]
    space = Space("text", ("text",), "levenshtein", 2.0)
    items = [Item(text=one) for one in asked]
    return Asked(space, [Array(values, type=VARCHAR)], items, values, asked)


def sets(chance: np.random.Generator, count: int) -> Asked:
    ports = np.minimum(chance.zipf(1.1, (2 * count, 12)), 60_000)
    sizes = chance.integers(4, 13, 2 * count).tolist()
    sorts = (
        tuple(sorted({f"TCP/{p}" for p in row[:n]})) for row, n in zip(ports.tolist(), sizes, strict=True)
    )
    values = list(dict.fromkeys(sorts))[:count]
    count = len(values)
    offsets = np.cumsum([0, *map(len, values)]).astype(np.int32)
    listed = list_array(
        Array.from_numpy(offsets), Array([token for row in values for token in row], type=VARCHAR)
    )
    space = Space("set", ("tokens",), "jaccard", 0.4)
    asked = [(*values[k], "TCP/61000") for k in chance.integers(0, count, QUERIES).tolist()]
    return Asked(space, [listed], [Item(set=one) for one in asked], values, asked)


def embeddings(chance: np.random.Generator, count: int) -> Asked:
    middles = chance.normal(0, 1, (max(2, count // 50), 64))
    values = middles[chance.integers(0, len(middles), count)] + chance.normal(0, 0.2, (count, 64))
    flat = Array.from_numpy(np.ascontiguousarray(values.ravel()))
    listed = list_array(Array.from_numpy(np.arange(0, 64 * count + 1, 64, dtype=np.int32)), flat)
    asked = values[chance.integers(0, count, QUERIES)] + chance.normal(0, 0.02, (QUERIES, 64))
    items = [Item(embedding=tuple(row)) for row in asked.tolist()]
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (values, asked)]
    return Asked(Space("embedding", ("embedding",), "cosine", 0.06), [listed], items, *unit)


KINDS: dict[str, Callable[[np.random.Generator, int], Asked]] = {
    "vector": vectors,
    "geo": places,
    "text": texts,
    "set": sets,
    "embedding": embeddings,
}


def build(
    folder: Path, space: Space, columns: list[Any], algorithm: dict[str, Any], tree: str | None = None
) -> tuple[DayIndex, float]:
    """Build and open an index; return the processor seconds it took.

    Args:
        folder: Empty; with `clusters.parquet` if the day has labels of its own.
        space: How items are compared.
        columns: Of the table `points`.
        algorithm: Its type and parameters.
        tree: Address of the condensed tree, for HDBSCAN.
    """
    count = len(columns[0])
    points, clusters = str(folder / "points.parquet"), folder / "clusters.parquet"
    write_points(points, space, columns)
    if not clusters.exists():
        labelled = {"entity": VARCHAR, "point_id": BIGINT, "cluster": BIGINT, "role": VARCHAR}
        write_rows(str(clusters), labelled, _entities(count))
    numbers = np.arange(1000)
    stable = Array([f"20260105-{number:06d}" for number in range(1000)], type=VARCHAR)
    lives, profiles = str(folder / "lineage.parquet"), str(folder / "profiles.parquet")
    born, since = (Array([text] * 1000, type=VARCHAR) for text in ("born", DAY))
    life = {"cluster": BIGINT, "stable_id": VARCHAR, "event": VARCHAR, "first_seen": VARCHAR}
    write_rows(lives, life, [(numbers, stable, born, since)])
    write_rows(profiles, {"cluster": BIGINT, "entities": BIGINT}, [(numbers, numbers + 1)])
    started = time.process_time()
    build_index(
        IndexEvent(
            points=(points,),
            point_count=count,
            output=str(folder / "index.safetensors"),
            entities=str(folder / "entities.sqlite"),
            pipeline="bench",
            day=DAY,
            space=space,
            algorithm=algorithm,
            clusters=(str(clusters),),
            lineage=(lives,),
            profiles=(profiles,),
            condensed_tree=() if tree is None else (tree,),
        )
    )
    seconds = time.process_time() - started
    return DayIndex(folder / "index.safetensors", folder / "entities.sqlite", 1), seconds


def write_points(path: str, space: Space, columns: list[Any]) -> None:
    """Write the table `points`."""
    count = len(columns[0])
    types = {"point_id": BIGINT, "weight": BIGINT} | {
        name: DOUBLE if isinstance(column, np.ndarray) else column.type
        for name, column in zip(space.columns, columns, strict=True)
    }
    columns = [np.ascontiguousarray(one) if isinstance(one, np.ndarray) else one for one in columns]
    write_rows(path, types, [(np.arange(count), np.ones(count, np.int64), *columns)])


def entity_name(number: int) -> str:
    """The name of an entity."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _entities(count: int) -> Iterator[tuple[Any, ...]]:
    for start in range(0, count, 1 << 16):
        ids = np.arange(start, min(count, start + (1 << 16)))
        names = Array([entity_name(k) for k in ids.tolist()], type=VARCHAR)
        yield names, ids, ids % 1000, Array(["core"] * len(ids), type=VARCHAR)
