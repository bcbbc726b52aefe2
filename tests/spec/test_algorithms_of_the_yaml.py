"""Algorithms in the YAML: invalid combinations are refused, with a valid alternative."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster_assets.spec.pipeline import PipelineSpec

VECTOR = {"vector": ["avg(x)", "avg(y)"]}
SET = {"set": "tag"}
NEAR = {"metric": "euclidean", "threshold": 1.0}
ALIKE = {"metric": "jaccard", "threshold": 0.4}
DBSCAN, KMEANS = "sklearn.cluster.DBSCAN", "sklearn.cluster.KMeans"
MIXED = {"mixed": {"n": {"number": "avg(x)"}, "c": {"category": "max(t)"}}}


def spec(features: Any, distance: Any, algorithm: dict[str, Any]) -> PipelineSpec:
    body: dict[str, Any] = {
        "name": "p",
        "start_date": "2026-01-01",
        "raw": {"files": "a.parquet", "time_column": "t"},
        "entity": "id",
        "features": features,
        "algorithm": algorithm,
    }
    return PipelineSpec.model_validate(body | ({} if distance is None else {"distance": distance}))


@pytest.mark.parametrize(
    ("features", "distance", "algorithm"),
    [
        (VECTOR, NEAR, {"type": "hdbscan"}),
        (SET, ALIKE, {"type": "agglomerative", "linkage": "complete"}),
        (VECTOR, NEAR, {"type": "agglomerative", "linkage": "ward"}),
        (MIXED, {"metric": "gower", "threshold": 0.2}, {"type": "optics"}),
        (VECTOR, NEAR, {"type": "optics", "cluster_method": "dbscan", "eps": 1.0}),
        (VECTOR, NEAR, {"type": "mean_shift"}),
        (VECTOR, None, {"type": "kmeans", "n_clusters": 3}),
        (VECTOR, None, {"type": "birch", "threshold": 1.0}),
        (VECTOR, NEAR, {"sklearn": {"class": DBSCAN, "params": {"eps": 0.5}}}),
        (VECTOR, NEAR, {"type": "sklearn", "class": "sklearn.mixture.GaussianMixture",
                        "params": {"n_components": 2, "random_state": 1}}),
    ],
)  # fmt: skip
def test_valid_combinations_pass(features: Any, distance: Any, algorithm: Any) -> None:
    found = spec(features, distance, algorithm)
    again = PipelineSpec.model_validate(found.model_dump(by_alias=True, exclude_none=True))
    assert again.algorithm == found.algorithm


@pytest.mark.parametrize(
    ("features", "distance", "algorithm", "words"),
    [
        (VECTOR, None, {"type": "dbscan"}, "give distance"),
        (VECTOR, NEAR, {"type": "kmeans", "n_clusters": 3}, "leave distance out"),
        (SET, None, {"type": "kmeans", "n_clusters": 3}, "needs features.vector"),
        (SET, ALIKE, {"type": "agglomerative", "linkage": "ward"}, "ward linkage needs vectors"),
        (SET, ALIKE, {"type": "mean_shift"}, "mean_shift needs vectors"),
        (MIXED, {"metric": "gower", "threshold": 0.2}, {"type": "agglomerative"}, "mixed features"),
        (VECTOR, NEAR, {"type": "optics", "cluster_method": "dbscan", "eps": 2.0}, "above distance"),
        (VECTOR, NEAR, {"type": "optics", "eps": 0.5}, "cluster_method dbscan"),
        (VECTOR, NEAR, {"sklearn": {"class": "os.system"}}, "is not a clusterer"),
        (VECTOR, NEAR, {"sklearn": {"class": "sklearn.cluster.Nope"}}, "installed scikit-learn"),
        (VECTOR, NEAR, {"sklearn": {"class": DBSCAN, "params": {"radius": 1}}}, "no parameter radius"),
        (VECTOR, NEAR, {"sklearn": {"class": KMEANS, "params": {"n_clusters": 2}}}, "random_state"),
        (VECTOR, NEAR, {"sklearn": {"class": DBSCAN, "params": {"n_jobs": 2}}}, "no parameter n_jobs"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_what_would(
    features: Any, distance: Any, algorithm: Any, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        spec(features, distance, algorithm)


def test_hashing_is_for_algorithms_that_tolerate_missed_pairs() -> None:
    with pytest.raises(ValidationError, match=r"blocking\.type lsh does not support jaccard"):
        PipelineSpec.model_validate(
            spec(SET, ALIKE, {"type": "hdbscan"}).model_dump(by_alias=True, exclude_none=True)
            | {"blocking": {"type": "lsh"}}
        )
