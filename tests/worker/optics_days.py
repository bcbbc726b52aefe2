"""Days whose plots OPTICS draws bin by bin, with scikit-learn's answer on all entities."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from batches import in_batches
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import OPTICS

from lambda_worker.clusterers.components.optics_bins import order_bin
from lambda_worker.contract.components import ExtractEvent, OrderEvent
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from pathlib import Path

    from day_splits import Split


@dataclass(frozen=True)
class Day:
    """Points, each of some entities."""

    vectors: Any  # shape (points, dimensions)
    weights: Any  # shape (points,)
    threshold: float
    min_samples: int

    @property
    def near(self) -> tuple[Any, Any]:
        """Pairs within the threshold, and their distance: squares added up by dimension."""
        squared = np.zeros((len(self.vectors),) * 2)
        for column in self.vectors.T:
            squared += (column[:, None] - column[None, :]) ** 2
        distance = np.sqrt(squared)
        pairs = np.argwhere(np.triu(distance <= self.threshold, 1))
        return pairs, distance[pairs[:, 0], pairs[:, 1]]

    def components(self) -> Any:
        """The component of each point."""
        pairs, _ = self.near
        size = len(self.vectors)
        graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (size, size))
        return connected_components(graph, directed=False)[1]

    def truth(self, **options: Any) -> Any:
        """scikit-learn on all entities, those of a point side by side."""
        rows = np.repeat(self.vectors, self.weights, axis=0)
        with warnings.catch_warnings(), np.errstate(divide="ignore"):
            warnings.filterwarnings("ignore", message="All reachability values are inf")
            return OPTICS(
                min_samples=self.min_samples,
                max_eps=self.threshold,
                algorithm="kd_tree",
                n_jobs=1,
                **options,
            ).fit(rows)


def order_day(day: Day, folder: Path, split: Split) -> list[str]:
    """Write the bins of a day in any order and draw their plots."""
    rng = np.random.default_rng(split.seed)
    pairs, distance = day.near
    component = day.components()
    of_component = rng.integers(0, split.bins, component.max() + 1)
    outputs = []
    for number in range(split.bins):
        ids = rng.permutation(np.flatnonzero(of_component[component] == number))
        rows = rng.permutation(np.flatnonzero(of_component[component[pairs[:, 0]]] == number))
        event = OrderEvent(
            points=tuple(
                write_table(str(address), {"point_id": part, "weight": day.weights[part]}) and str(address)
                for address, part in cut(folder / f"points-{number}", ids, split.files)
            ),
            candidates=tuple(
                write_table(
                    str(address),
                    {"point_a": pairs[part, 0], "point_b": pairs[part, 1], "distance": distance[part]},
                )
                and str(address)
                for address, part in cut(folder / f"pairs-{number}", rows, split.files)
            ),
            point_count=len(ids),
            min_samples=day.min_samples,
            output=str(folder / f"plot-{number}.parquet"),
        )
        reply = in_batches(split.batch, order_bin, event)
        assert reply.ok
        assert reply.pairs == len(rows)
        outputs.append(event.output)
    return [outputs[k] for k in rng.permutation(len(outputs))]


def cut(stem: Path, rows: Any, files: int) -> list[tuple[Path, Any]]:
    """Rows cut into files, with the address of each."""
    return [
        (stem.with_name(f"{stem.name}-{k}.parquet"), part)
        for k, part in enumerate(np.array_split(rows, files))
    ]


def extraction(day: Day, plots: list[str], folder: Path, **options: Any) -> ExtractEvent:
    """The event that extracts clusters from plots."""
    return ExtractEvent(
        plots=tuple(plots),
        point_count=len(day.weights),
        threshold=day.threshold,
        min_samples=day.min_samples,
        output=str(folder / "labels.parquet"),
        **options,
    )


def vectors_of(seed: int, shape: tuple[int, int], kind: str) -> Any:
    """Vectors on a grid, on a line or in blobs."""
    rng = np.random.default_rng(seed)
    if kind == "grid":
        return rng.integers(0, 5, shape).astype(float)
    if kind == "line":
        return np.cumsum(rng.integers(0, 3, shape), axis=0).astype(float)
    centres = rng.normal(scale=3, size=(4, shape[1]))
    return centres[rng.integers(0, 4, shape[0])] + rng.normal(size=shape)


def make_day(seed: int, points: int, dimensions: int, kind: str, heaviest: int) -> Day:
    """A threshold that leaves several components, and weights of which most are 1."""
    rng = np.random.default_rng(seed + 1)
    vectors = vectors_of(seed, (points, dimensions), kind)
    weights = np.where(rng.random(points) < 0.6, 1, rng.integers(1, heaviest + 1, points))
    threshold = float(rng.choice([1.0, 1.5, 2.0, 3.0]))
    least = int(rng.integers(2, 7))
    weights[0] += max(0, least - weights.sum())  # scikit-learn refuses fewer entities than min_samples
    return Day(vectors, weights, threshold, least)


days = st.builds(
    make_day,
    st.integers(0, 2**20),
    st.integers(1, 45),
    st.integers(1, 8),
    st.sampled_from(["grid", "line", "blobs"]),
    st.sampled_from([1, 3, 30]),
)
