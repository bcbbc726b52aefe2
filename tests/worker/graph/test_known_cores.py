"""Candidates that are a certificate, with their cores named, give the labels of all near pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.cluster import DBSCAN

from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable


def near_pairs(points: Any, threshold: float) -> Any:
    distance = np.linalg.norm(points[:, None] - points[None, :], axis=2)
    a, b = np.nonzero(np.triu(distance <= threshold, 1))
    return np.column_stack([a, b])


def certificate(pairs: Any, core: Any, count: int) -> Any:
    """A spanning forest of the core-core pairs, and all pairs of a core with a point that is none."""
    both = core[pairs[:, 0]] & core[pairs[:, 1]]
    one = core[pairs[:, 0]] ^ core[pairs[:, 1]]
    kept = pairs[both]
    tree = minimum_spanning_tree(coo_matrix((np.ones(len(kept)), (kept[:, 0], kept[:, 1])), (count, count)))
    forest = np.sort(np.column_stack(tree.nonzero()), axis=1)
    return np.concatenate([forest, pairs[one]])


def test_a_certificate_gives_the_labels_of_all_pairs(
    new_day: Callable[[], Any], read_labels: Any, tmp_path: Any
) -> None:
    for seed in range(8):
        chance = np.random.default_rng(seed)
        points = np.concatenate([chance.normal(0, 1, (60, 2)), chance.uniform(-6, 6, (60, 2))])
        weights = chance.integers(1, 4, len(points))
        truth = DBSCAN(eps=0.8, min_samples=9).fit(points, sample_weight=weights)
        core = np.zeros(len(points), bool)
        core[truth.core_sample_indices_] = True
        pairs = near_pairs(points, 0.8)
        few = certificate(pairs, core, len(points))
        assert len(few) < len(pairs)

        day = new_day()
        day.add_points(np.arange(len(points)), weights)
        day.add_pairs(few)
        cores = new_day()
        cores.add_points(np.flatnonzero(core), np.ones(core.sum()))
        event = day.event(type="dbscan", min_samples=9)
        assert handler({**event, "cores": cores.points}, None)["ok"]
        assert np.array_equal(read_labels(day.output)[1], truth.labels_)
        # Without the cores the few pairs are taken for all: the check can fail.
        assert handler(event, None)["ok"]
        assert not np.array_equal(read_labels(day.output)[1], truth.labels_)


def test_a_core_that_is_no_point_is_refused(new_day: Callable[[], Any]) -> None:
    day, cores = new_day(), new_day()
    day.add_points([0, 1], [1, 1])
    cores.add_points([2], [1])
    reply = handler({**day.event(type="dbscan", min_samples=1), "cores": cores.points}, None)
    assert not reply["ok"]
    assert "point id 2 is not in 0..1" in reply["error"]
