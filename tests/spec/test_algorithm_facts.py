"""Each algorithm states its facts once; the worker's registries and the statements agree with them."""

from __future__ import annotations

from typing import get_args

import pytest

from cluster_assets.spec.algorithm import Algorithm, ClusteringAlgorithm, Family
from cluster_assets.stages.clusters import centre_plans, plans
from lambda_worker.contract.forests import FOREST_KINDS

MODELS: tuple[type[ClusteringAlgorithm], ...] = get_args(get_args(Algorithm)[0])
NAMES = {get_args(model.model_fields["type"].annotation)[0]: model for model in MODELS}
EACH_ALGORITHM = pytest.mark.parametrize("name", NAMES)


def named(fact: str) -> set[str]:
    return {name for name, model in NAMES.items() if getattr(model, fact)}


def of(family: Family) -> set[str]:
    return {name for name, model in NAMES.items() if model.family == family}


@EACH_ALGORITHM
def test_an_algorithm_has_a_family(name: str) -> None:
    assert NAMES[name].family in get_args(Family)
    assert NAMES[name].roles
    # Facts are no parameters: they would change the digests of published days.
    assert not {"family", "uses_pairs", "roles", "core_entities"} & NAMES[name].model_fields.keys()


def test_the_families() -> None:
    assert of("forest") == set(FOREST_KINDS) == {"dbscan", "connected_components", "single_linkage"}
    assert of("hdbscan") == {"hdbscan"}
    assert of("components") == {"agglomerative", "optics", "mean_shift", "sklearn"}
    assert of("centres") == set(centre_plans._PLANS) == {"kmeans", "minibatch_kmeans", "birch"}
    assert set(plans._BY_FAMILY) == set(get_args(Family))


def test_what_algorithms_read() -> None:
    assert named("uses_pairs") == NAMES.keys() - of("centres")
    assert named("may_miss_pairs") == of("forest")
    assert named("reads_certificates") == {"dbscan", "connected_components"}
    assert named("measures_beyond_threshold") == {"agglomerative", "mean_shift", "sklearn"}
    assert named("has_probability") == named("searches_again") == {"hdbscan"}
    assert {name for name, model in NAMES.items() if "member" not in model.roles} == {"dbscan"}
