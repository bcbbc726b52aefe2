"""The demo pipelines published to every target in one run: each reader finds what `export` writes."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from cases import CASES, Setting, new_dynamodb_table
from readers import read_delta, read_dynamodb, read_json_file, read_sqlite

from cluster_assets.cli.demo import PIPELINES
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.exports import export_table
from cluster_assets.operations.runs import materialize_days
from cluster_assets.publish.days import publish_tables
from cluster_assets.publish.targets import open_target
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.publish import KeyValue, Publish
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from readers import Rows

    from cluster_assets.domain.days import Day

    Reader = Callable[[str, str, str], Rows | None]

FIRST = "2013-03-04"
TABLES = ["clusters", "lineage", "profiles"]


@pytest.mark.parametrize("last", [FIRST, pytest.param("2013-03-10", marks=pytest.mark.long)])
def test_every_target_shows_what_export_writes(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")  # the run sets it for the process
    snowflake = CASES["copied_to_snowflake"](setting)
    _, dynamodb, name = new_dynamodb_table(setting)
    settings = load_settings()
    days = tuple(days_between(parse_day(FIRST), parse_day(last)))
    write_sample(SampleConfig(output=settings.lake_dir, first_day=days[0], days=len(days)))
    publish = Publish.model_validate(
        {
            "json": {"tables": TABLES},
            "delta": {"tables": TABLES},
            "snowflake": {"tables": TABLES},
            "dynamodb": {"address": f"dynamodb://{name}"},
        }
    )
    folder = settings.home_dir / "published"
    all_days: dict[str, Reader] = {
        "json": partial(read_json_file, folder / "json"),
        "delta": lambda table, day, pipeline: read_delta(
            f"{folder}/delta/{pipeline}_{table}", None, table, day
        ),
        "snowflake": snowflake.read,
    }
    newest: dict[str, Reader] = {
        "dynamodb": partial(read_dynamodb, dynamodb, name),
        "sqlite": partial(read_sqlite, folder / "serving.sqlite"),
    }
    store, catalog = open_storage(settings)
    for pipeline in PIPELINES:
        spec = load_pipeline_named(pipeline, (PACKAGED_DEFS,)).model_copy(update={"publish": publish})
        materialize_days(spec, days, settings, force=False)
        ledger = Ledger(store, catalog, pipeline)
        # A pipeline has one store of items; the other one is filled here.
        publish_tables(open_target(KeyValue(), settings), ledger, store, ["clusters"], days[-1])
        for day in days:
            for table in TABLES:
                expected = exported(ledger, table, day, tmp_path / "rows.jsonl")
                assert expected or table == "lineage"
                for target, read in all_days.items():
                    assert rows_of(read(table, day.key, pipeline)) == expected, (target, pipeline, table)
        for target, read in newest.items():
            expected = exported(ledger, "clusters", days[-1], tmp_path / "rows.jsonl")
            assert rows_of(read("clusters", days[-1].key, pipeline)) == expected, (target, pipeline)


def exported(ledger: Ledger, table: str, day: Day, file: Path) -> list[str]:
    export_table(ledger, table, day, file, None)
    return rows_of([json.loads(line) for line in file.read_text().splitlines()])


def rows_of(rows: list[dict[str, Any]] | None) -> list[str]:
    """Rows as sorted texts, without columns that are null: items have none."""
    kept = [{name: value for name, value in row.items() if value is not None} for row in rows or ()]
    return sorted(json.dumps(row, sort_keys=True) for row in kept)
