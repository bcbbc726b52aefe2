"""Unknown keys: the message names the types that accept the key, or the likely key."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from cluster_assets.domain.errors import SpecError
from cluster_assets.spec.algorithm import Algorithm
from cluster_assets.spec.yaml.files import check_attributes

ATTRIBUTES: dict[str, Any] = {
    "name": "shops",
    "start_date": "2026-01-01",
    "raw": {"files": "x.csv", "time_column": "t"},
    "entity": "e",
    "features": {"vector": ["avg(x)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
    "algorithm": {"type": "dbscan", "min_samples": 5},
}
MODELS = {
    get_args(model.model_fields["type"].annotation)[0]: {
        field.alias or name for name, field in model.model_fields.items() if name != "type"
    }
    for model in get_args(get_args(Algorithm)[0])
}


def refusal(**changed: Any) -> str:
    with pytest.raises(SpecError) as caught:
        check_attributes(ATTRIBUTES | changed)
    return caught.value.what


@pytest.mark.parametrize("kind", MODELS)
def test_a_key_of_other_algorithms_names_them_and_the_keys_there_are(kind: str) -> None:
    for key in set().union(*MODELS.values()) - MODELS[kind]:
        said = next(
            part for part in refusal(algorithm={"type": kind, key: 1}).split("; algorithm.") if key in part
        )
        belongs, _, takes = said.partition("; ")
        owners = {name for name, keys in MODELS.items() if key in keys}
        assert set(re.findall(r"\w+", belongs.partition("belongs to")[2])) - {"and"} == owners
        assert set(re.findall(r"\w+", takes.partition("takes")[2])) - {"and", "no", "keys"} == MODELS[kind]
        assert "did you mean" not in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"algorithm": {"type": "dbscan", "min_sample": 3}}, "did you mean 'min_samples'?"),
        ({"min_samples": 3}, "min_samples belongs to algorithm"),
        ({"treshold": 3}, "did you mean 'threshold', which belongs to distance"),
        ({"raw": {"files": "x", "time_column": "t", "entity": "e"}}, "entity belongs to attributes"),
        ({"blocking": {"type": "cells", "tables": 3}}, "tables belongs to lsh; cells takes no keys"),
        ({"features": {"mixed": {"a": {"number": "avg(x)", "wieght": 2}}}}, "did you mean 'weight'?"),
        (
            {"features": {"vector": ["avg(x)"], "scale": {"type": "none", "day": 1}}},
            "takes type and reference",
        ),
    ],
)
def test_a_key_in_the_wrong_place_or_mistyped(changed: dict[str, Any], said: str) -> None:
    assert said in refusal(**changed)
