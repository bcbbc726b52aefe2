"""`serve.enrich` of the YAML: what it accepts, what it publishes, and which stages it makes stale."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster_assets.settings import PACKAGED_DEFS
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.spec.serve import Serve
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.spec.yaml.schema import schema_text
from cluster_assets.stages.sequence import stages_of

URL = "https://api.example.com/v1/{entity}"


def test_a_source_has_defaults() -> None:
    (one,) = Serve.model_validate({"enrich": {"owner": {"url": URL}}}).enrich.values()
    assert (one.timeout_s, one.on_failure, one.cache_s, one.cache_entries) == (1, "omit", 300, 1_000)


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("A", {"url": URL}, "pattern"),
        ("a", {}, "url"),
        ("a", {"url": URL, "timeout_s": 60}, "less than or equal to 10"),
        ("a", {"url": "http://api.example.com/{entity}"}, "https"),
        ("a", {"url": "https:///{entity}"}, "https"),
        ("a", {"url": "https://me:pw@api.example.com/{entity}"}, "credentials"),
        ("a", {"url": "https://api.example.com/{entity}#a"}, "https"),
        ("a", {"url": "https://api.example.com:99999/{entity}"}, "not an address"),
        ("a", {"url": "https://[api/{entity}"}, "not an address"),
        ("a", {"url": "https://api.example.com/x"}, "the entity belongs in path or query"),
        ("a", {"url": "https://{entity}.example.com/x"}, "the entity belongs in path or query"),
        ("a", {"url": "https://{entity}.example.com/{entity}"}, "the entity belongs in path or query"),
        ("a", {"url": "https://api.example.com/{entity}/{day}"}, "the entity belongs in path or query"),
        ("a", {"url": "https://api.example.com/{entity}\r\nx: y"}, "pattern"),
        ("a", {"url": URL, "headers": {"x": "AWS_SECRET_ACCESS_KEY"}}, "CLUSTER_ENRICH_"),
        ("a", {"url": URL, "headers": {"x: y": "CLUSTER_ENRICH_KEY"}}, "pattern"),
        ("a", {"url": URL, "key": "secret"}, "key"),
    ],
)
def test_other_sources_are_refused(name: str, source: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Serve.model_validate({"enrich": {name: source}})


def test_the_schema_describes_the_keys_of_a_source() -> None:
    text = schema_text()
    assert "CLUSTER_ENRICH_" in text
    assert "Servers whose answers are added to those about an entity" in text


def recipes(enrich: dict[str, Any]) -> dict[str, dict[str, str]]:
    plain = load_pipeline(PACKAGED_DEFS / "attackers" / "defs.yaml").model_dump()
    spec = PipelineSpec.model_validate({**plain, "serve": {"enrich": enrich}})
    return {stage.name: dict(stage.recipe(spec)) for stage in stages_of(spec)}


def test_a_change_makes_the_index_stale_and_nothing_else() -> None:
    without, one, other = (
        recipes(enrich) for enrich in ({}, {"a": {"url": URL}}, {"a": {"url": URL, "timeout_s": 2}})
    )
    assert len({recipe["index"]["spec"] for recipe in (without, one, other)}) == 3
    for recipe in (without, one, other):
        del recipe["index"]
    assert without == one == other
    assert "clusters" in without
