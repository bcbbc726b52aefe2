"""Days of vectors whose components are known, and the events that pack, cluster and number them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
from arro3.core import Array, RecordBatch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lambda_worker.contract import ComponentsEvent, NumberEvent, PackEvent
from lambda_worker.handler import handler
from lambda_worker.tables.labels import MEMBER_ROLE

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("x0", "x1")
AVERAGE = {"type": "agglomerative", "linkage": "average"}


@dataclass
class Table:
    """A day of vectors in one folder, its files cut and ordered at random."""

    folder: Path
    rows: Any
    weights: Any
    threshold: float
    seed: int = 0
    pairs: Any = field(init=False)
    distance: Any = field(init=False)
    component: Any = field(init=False)

    def __post_init__(self) -> None:
        gap = self.rows[:, None, :] - self.rows[None, :, :]
        distance = np.sqrt((gap * gap).sum(axis=2))
        self.pairs = np.argwhere(np.triu(distance <= self.threshold, 1))
        self.distance = distance[self.pairs[:, 0], self.pairs[:, 1]]
        edges = (np.ones(len(self.pairs)), (self.pairs[:, 0], self.pairs[:, 1]))
        _, self.component = connected_components(coo_matrix(edges, shape=distance.shape))

    @property
    def count(self) -> int:
        """Points of the day."""
        return len(self.rows)

    def write(self, name: str, files: int = 1, **columns: Any) -> tuple[str, ...]:
        """Rows in random order in some files."""
        rng = np.random.default_rng(self.seed)
        rows = rng.permutation(len(next(iter(columns.values()))))
        addresses = []
        for number, part in enumerate(np.array_split(rows, files)):
            address = str(self.folder / f"{name}-{number}.parquet")
            arrays = [Array.from_numpy(np.ascontiguousarray(column[part])) for column in columns.values()]
            arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=list(columns)), address)
            addresses.append(address)
        return tuple(addresses)

    def points(self, files: int = 1) -> tuple[str, ...]:
        """Files of the points and their weights."""
        return self.write("points", files, point_id=np.arange(self.count), weight=self.weights)

    def candidates(self, files: int = 1) -> tuple[str, ...]:
        """Files of the near pairs."""
        a, b = self.pairs.T.astype(np.int64)
        return self.write("candidates", files, point_a=a, point_b=b, distance=self.distance)

    def pack_event(self, files: int = 1, **changes: Any) -> PackEvent:
        """The event that packs the components into bins."""
        labels = self.write(
            "labels", files, point_id=np.arange(self.count), cluster=self.component.astype(np.int64)
        )
        fields = {
            "points": self.points(files),
            "labels": labels,
            "candidates": self.candidates(files),
            "point_count": self.count,
            "algorithm": AVERAGE,
            "memory_mb": 1769.0,
            "budget_s": 60.0,
            "output": str(self.folder / "bins.parquet"),
        }
        return PackEvent(**(fields | changes))

    def bin_event(self, chosen: Any, number: int = 0, files: int = 1, **changes: Any) -> ComponentsEvent:
        """The event of a bin, its files as SQL leaves them."""
        ids = np.flatnonzero(chosen)
        rows = self.rows[ids]
        points = self.write(
            f"bin{number}-points",
            files,
            x1=rows[:, 1],
            point_id=ids,
            component=self.component[ids].astype(np.int64),
            x0=rows[:, 0],
            weight=self.weights[ids],
        )
        inside = chosen[self.pairs[:, 0]]
        a, b = self.pairs[inside].T.astype(np.int64)
        candidates = self.write(
            f"bin{number}-pairs", files, point_a=a, point_b=b, distance=self.distance[inside]
        )
        fields = {
            "points": points,
            "candidates": candidates,
            "point_count": len(ids),
            "kind": "vector",
            "columns": COLUMNS,
            "metric": "euclidean",
            "threshold": self.threshold,
            "algorithm": AVERAGE,
            "output": str(self.folder / f"part-{number}.parquet"),
        }
        return ComponentsEvent(**(fields | changes))

    def number_event(self, parts: tuple[str, ...]) -> NumberEvent:
        """The event that numbers the clusters of all bins."""
        return NumberEvent(
            points=self.points(),
            parts=parts,
            point_count=self.count,
            output=str(self.folder / "labels.parquet"),
        )


def read(address: str) -> dict[str, Any]:
    """Columns of a Parquet file by name."""
    table = arro3.io.read_parquet(address).read_all()
    return {name: np.array(table[name].to_pylist()) for name in table.schema.names}


def answer(event: Any, reply: type[Any]) -> Any:
    """Through the handler, as JSON."""
    read_reply = reply.from_json(
        json.loads(json.dumps(handler(json.loads(json.dumps(event.to_json())), None)))
    )
    assert read_reply.ok, read_reply.error
    return read_reply


def part_of(table: Table, name: str = "part", **changes: Any) -> tuple[str, ...]:
    """A part in which every point is a cluster of its own component, but for the changes."""
    count = table.count
    columns = {
        "point_id": np.arange(count),
        "component": np.arange(count),
        "cluster": np.zeros(count, np.int64),
        "role": np.full(count, int(MEMBER_ROLE)),
        "probability": np.ones(count),
    }
    return table.write(name, **(columns | changes))
