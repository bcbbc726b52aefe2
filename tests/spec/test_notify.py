"""`notify` in the YAML: its forms, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pipeline_yaml import GOOD_YAML

from cluster_assets.domain.errors import SpecError
from cluster_assets.spec.notify import Growth, Notify
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.spec.yaml.files import check_attributes
from cluster_assets.spec.yaml.schema import document_schema

ATTRIBUTES: dict[str, Any] = yaml.safe_load(GOOD_YAML)["attributes"] | {"start_date": "2026-01-01"}
TYPE = "cluster_assets.components.ClusteringPipeline"


@pytest.mark.parametrize(
    "notify",
    [
        {"to": "slack", "born": True},
        {"to": ["webhook", "sns", "email"], "split": {"min_entities": 5}, "merged": False, "drift": True},
        {"to": ["email"], "grown": {"factor": 1.5}, "failed": True, "max_age_days": 0, "most": 1},
    ],
)
def test_forms_are_valid_for_the_schema_too_and_can_be_read_again(notify: dict[str, Any]) -> None:
    spec = check_attributes(ATTRIBUTES | {"notify": notify})
    assert PipelineSpec.model_validate(spec.model_dump(mode="json")) == spec
    document = {"type": TYPE, "attributes": ATTRIBUTES | {"notify": notify}}
    assert list(Draft202012Validator(document_schema()).iter_errors(document)) == []


def test_true_takes_the_defaults() -> None:
    notify = Notify.model_validate({"to": "slack", "grown": True, "born": False, "failed": True})
    assert (notify.grown, notify.born) == (Growth(), None)


@pytest.mark.parametrize(
    ("notify", "text"),
    [
        ({"to": "slack"}, "there is no event to report; name one of born, split"),
        ({"to": "slack", "born": False}, "there is no event to report"),
        ({"to": [], "born": True}, "at least 1 item"),
        ({"born": True}, "to"),
        ({"to": ["sns", "sns"], "born": True}, "names a recipient twice"),
        ({"to": ["slack", "webhook"], "born": True}, "two formats of one address"),
        ({"to": "pager", "born": True}, "pager"),
        ({"to": "slack", "grown": {"factor": 1}}, "greater than 1"),
        ({"to": "slack", "born": {"min_entities": 0}}, "greater than or equal to 1"),
        ({"to": "slack", "born": True, "url": "https://hooks.example"}, "url"),
    ],
)
def test_what_cannot_be_reported_is_refused(notify: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        check_attributes(ATTRIBUTES | {"notify": notify})
