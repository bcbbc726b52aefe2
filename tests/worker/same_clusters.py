"""Clusters of ours and of a reference, compared up to their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


def assert_same_clusters(ours: Any, theirs: Any) -> None:
    """Equal up to renumbering, and ours numbered by their first points."""
    pairs = np.unique(np.stack([ours, theirs]), axis=1)
    assert len(np.unique(ours)) == len(np.unique(theirs)) == pairs.shape[1]
    _, first = np.unique(ours, return_index=True)
    assert (np.diff(first) > 0).all()


def renumbered(labels: Any) -> Any:
    """Clusters in the order in which they come; noise stays -1."""
    numbers: dict[int, int] = {}
    return np.array([-1 if k < 0 else numbers.setdefault(int(k), len(numbers)) for k in labels])
