"""`publish` in the YAML: its forms, and tables that follow those of `export`."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator
from pipeline_yaml import GOOD_YAML

from cluster_assets.domain.errors import SpecError
from cluster_assets.spec.publish import KeyedTable, Table, tables_of
from cluster_assets.spec.yaml.files import check_attributes
from cluster_assets.spec.yaml.schema import document_schema
from cluster_assets.stages.snapshots import TABLES

ATTRIBUTES: dict[str, Any] = yaml.safe_load(GOOD_YAML)["attributes"] | {"start_date": "2026-01-01"}


def targets(publish: Any) -> dict[str, tuple[str, ...]]:
    spec = check_attributes(ATTRIBUTES | {"publish": publish})
    return {name: tables_of(options) for name, options in spec.publish.targets.items()}


FORMS: list[tuple[Any, dict[str, tuple[str, ...]]]] = [
    ("json", {"json": ("clusters",)}),
    (["json", "dynamodb"], {"json": ("clusters",), "dynamodb": ("clusters",)}),
    ({"json": None, "delta": {"copy": True}}, {"json": ("clusters",), "delta": ("clusters",)}),
    ([{"json": {"tables": ["lineage"]}}, "delta"], {"json": ("lineage",), "delta": ("clusters",)}),
    ([{"dynamodb": {"table": "profiles", "keep_days": 30}}], {"dynamodb": ("profiles",)}),
    (["snowflake"], {"snowflake": ("clusters",)}),
    ([{"iceberg": {"database": "lakehouse", "tables": ["lineage"]}}], {"iceberg": ("lineage",)}),
    ({"snowflake": {"stage": "LAKE.PUBLIC.STAGE", "connection": "prod"}}, {"snowflake": ("clusters",)}),
    ({"snowflake": {"mode": "delta_direct", "external_volume": "v"}}, {"snowflake": ("clusters",)}),
    ([], {}),
]  # fmt: skip


@pytest.mark.parametrize(("publish", "found"), FORMS)
def test_targets_are_a_mapping_or_a_list_and_the_schema_takes_both(
    publish: Any, found: dict[str, tuple[str, ...]]
) -> None:
    assert targets(publish) == found
    document = {
        "type": "cluster_assets.components.ClusteringPipeline",
        "attributes": ATTRIBUTES | {"publish": publish},
    }
    assert Draft202012Validator(document_schema()).is_valid(document)


@pytest.mark.parametrize(
    ("publish", "said"),
    [
        (["json", {"json": {}}], "names the target json twice"),
        (["parquet"], "parquet"),
        ({"json": {"tables": ["raw"]}}, "raw"),
        ({"json": {"tables": []}}, "tables"),
        ({"json": {"tables": ["points", "points"]}}, "names a table twice"),
        ({"dynamodb": {"table": "candidates"}}, "candidates"),
        ({"dynamodb": {"keep_days": 0}}, "keep_days"),
        ({"delta": {"copies": True}}, "copies"),
        (["iceberg"], "database"),
        ({"iceberg": {"database": "a`b"}}, "database"),
        ({"snowflake": {"mode": "direct"}}, "mode"),
        ({"snowflake": {"stage": "x) FORCE = TRUE --"}}, "stage"),
        ({"snowflake": {"external_volume": "v'"}}, "external_volume"),
        ([3], "3"),
    ],
)
def test_what_cannot_be_published_is_refused(publish: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        targets(publish)


def test_tables_are_those_of_the_export_and_items_have_a_key_of_one_column() -> None:
    assert set(get_args(Table)) == set(TABLES)
    assert set(get_args(KeyedTable)) == {
        name for name, (contract, _) in TABLES.items() if len(contract.sort_by) == 1 and name != "scales"
    }
