"""The rule of DBSCAN against scikit-learn with the item inserted, on random days with duplicates and ties."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_days import SmallDay
from sklearn.cluster import DBSCAN

from lambda_worker.contract.serving import Space
from lambda_worker.serving.contract import Item

DAYS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=50)
PLACES = st.lists(st.tuples(st.integers(-1, 10), st.integers(-1, 10)), min_size=1, max_size=8)
METRICS = st.sampled_from(["euclidean", "manhattan", "chebyshev"])


@settings(max_examples=30)
@given(DAYS, PLACES, st.integers(1, 6), METRICS)
def test_without_changes_the_item_gets_scikit_learns_label_and_moves_nobody(
    day: list[tuple[int, int]], places: list[tuple[int, int]], min_samples: int, metric: str
) -> None:
    threshold = 1.5 if metric == "euclidean" else 2.0
    model = DBSCAN(eps=threshold, min_samples=min_samples, metric=metric)
    before = model.fit(np.array(day, float))
    labels, cores = before.labels_.tolist(), frozenset(before.core_sample_indices_.tolist())
    small = SmallDay(
        Space("vector", ("x0", "x1"), metric, threshold),
        {"type": "dbscan", "min_samples": min_samples},
        day,
        labels,
        cores,
    )
    with TemporaryDirectory() as folder:
        index = small.index(Path(folder))
        own = index.classify([Item(vector=place) for place in day])
        found = index.classify([Item(vector=place) for place in places])
    assert [one.cluster for one in own] == labels
    for place, one in zip(places, found, strict=True):
        after = model.fit(np.array([*day, place], float))
        if not one.changes:
            assert after.labels_.tolist() == [*labels, one.cluster]
        now = set(after.core_sample_indices_.tolist())
        assert (one.role == "core") == (len(day) in now)
        assert ("promotes" in one.changes) == bool(now - cores - {len(day)})
