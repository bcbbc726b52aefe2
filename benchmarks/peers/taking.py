"""One reading of a peer that works in memory: reading its input and a small first call are not timed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure.processes import Clock
from benchmarks.measure.readings import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WARM_UP = 2_000


def take(call: Callable[[Any, float], Any], path: str, columns: Sequence[str], threshold: float) -> Outcome:
    """Time a call on the points of a file.

    Args:
        call: Takes points and threshold, and returns pairs, as two arrays, or labels, see `found_labels`.
        path: Parquet file of the table `points`.
        columns: Of the features.
        threshold: Of the distance.
    """
    values = read_points(path, columns)
    call(values[:WARM_UP], threshold)
    with Clock() as clock:
        answer = call(values, threshold)
    return Outcome(clock.spent, found_pairs(*answer) if isinstance(answer, tuple) else answer)


def read_points(path: str, columns: Sequence[str]) -> Any:
    """Lists for one column, else an array of shape (points, columns)."""
    import duckdb

    rows = duckdb.sql(f"SELECT {', '.join(columns)} FROM '{path}' ORDER BY point_id")
    if tuple(columns) == ("embedding",):
        return np.array([row for (row,) in rows.fetchall()])
    if len(columns) == 1:
        return [value for (value,) in rows.fetchall()]
    return np.column_stack(list(rows.fetchnumpy().values()))


def found_pairs(a: np.ndarray, b: np.ndarray) -> dict[str, int]:
    """Number and checksums of pairs, each once, whichever way round."""
    low, high = np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64)
    return {
        "pairs": len(low),
        "low": int(low.sum()),
        "high": int(high.sum()),
        "products": int((low * high % 1000003).sum()),
    }


def found_labels(labels: np.ndarray, core: np.ndarray | None = None) -> dict[str, Any]:
    """Checksums of labels.

    Args:
        labels: Of the points in order; -1 is noise.
        core: Whether each point is a core point. With it the clusters of core points and the noise, which
            have only one correct result, get a checksum of their own: peers number clusters differently, and
            give border points to another of their clusters.
    """
    labels = np.asarray(labels, np.int64)
    found: dict[str, Any] = {"labels": checksum(labels)}
    if core is not None:
        cores = np.flatnonzero(core)
        _, first, inverse = np.unique(labels[cores], return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        found |= {
            "clusters": len(first),
            "cores": checksum(np.stack([cores, rank[inverse]])),
            "noise": checksum(np.flatnonzero(labels == -1)),
        }
    return found


def checksum(values: np.ndarray) -> str:
    """A checksum of whole numbers in order."""
    return hashlib.sha256(np.ascontiguousarray(values, np.int64).tobytes()).hexdigest()[:16]
