"""Every structure finds exactly the points that measuring all of them finds, with bit-equal distances."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_items import PARTS, SPACES, TEXTS, columns_of, features_of, item_of, measured, values_of
from serving_days import SmallDay

from cluster_assets.spec.metrics import METRICS
from lambda_worker.contract.serving import Space
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.serving.arrays import map_arrays
from lambda_worker.serving.structures.choice import Widening


def test_every_metric_of_the_yaml_is_covered() -> None:
    assert set(SPACES) == {(metric.kind, metric.name) for metric in METRICS}


@pytest.mark.parametrize(("kind", "metric"), list(SPACES))
@settings(max_examples=12)
@given(data=st.data())
def test_near_points_are_those_that_measuring_all_finds(kind: str, metric: str, data: st.DataObject) -> None:
    dimensions = data.draw(st.sampled_from([1, 2, 3, 7, 20]) if kind == "vector" else st.just(9))
    values = data.draw(st.lists(values_of(kind, dimensions), min_size=1, max_size=40))
    queries = data.draw(st.lists(values_of(kind, dimensions), min_size=1, max_size=6))
    low, high = SPACES[kind, metric]
    threshold = data.draw(st.floats(low, high, exclude_min=True, allow_subnormal=False))
    threshold = float(math.ceil(threshold)) if kind == "text" else threshold
    parts = PARTS if kind == "mixed" else ()
    space = Space(kind, columns_of(kind, dimensions), metric, threshold, parts=parts)
    small = SmallDay(space, {"type": "connected_components"}, values, [0] * len(values))
    points = list(dict.fromkeys(values))
    with TemporaryDirectory() as folder:
        index = small.index(Path(folder))
        arrays, _ = map_arrays(Path(folder) / "index.safetensors")
        wider = Widening(index._facts, arrays, index._entities)
        for query in [*queries, *values[:3]]:
            prepared = index._queries.prepare(0, item_of(kind, query))
            widths = {part.name: part.width for part in index._facts.space.parts}
            distances = measured(kind, metric, [*points, query], widths)
            steps = [(threshold, index._structure.near(prepared)), *wider.search(prepared)]
            assert [radius for radius, _ in steps][-1] == math.inf
            for radius, near in steps:
                expected = np.flatnonzero(distances <= radius)
                order = np.argsort(near.ids)
                assert near.ids.take(order).tolist() == expected.tolist()
                assert near.distances.take(order).tolist() == distances.take(expected).tolist()


@given(TEXTS, TEXTS)
def test_bit_vectors_count_the_same_edits_as_the_table(one: str, other: str) -> None:
    from lambda_worker.serving.structures.texts import count_edits

    assert count_edits(one, other) == pairwise(features_of("text", [one, other]), "levenshtein")[0, 1]
