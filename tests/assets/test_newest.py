"""A run knows what it recorded itself, and asks Dagster for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from cluster_assets.assets.versions import DATA_VERSION, NewestMaterializations

if TYPE_CHECKING:
    from collections.abc import Iterator

POINTS, RAW = dg.AssetKey(["demo", "points"]), dg.AssetKey(["demo", "raw"])
DAY = "2026-01-01"


@pytest.fixture
def ephemeral() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def record(instance: dg.DagsterInstance, version: str) -> None:
    tags = {DATA_VERSION: version}
    instance.report_runless_asset_event(dg.AssetMaterialization(POINTS, partition=DAY, tags=tags))


def version(newest: NewestMaterializations) -> str | None:
    found = newest.get(POINTS, DAY)
    assert found is not None
    return found.data_version


def test_a_run_keeps_to_the_version_that_its_stages_read(ephemeral: dg.DagsterInstance) -> None:
    record(ephemeral, "a")
    newest = NewestMaterializations(ephemeral)
    assert version(newest) == "a"
    record(ephemeral, "b")  # another run
    assert version(newest) == "a"
    own = newest.read(POINTS, DAY)  # after the run recorded the day itself
    assert own is not None
    assert own.data_version == version(newest) == "b"


def test_what_was_never_materialized_is_asked_for_again(ephemeral: dg.DagsterInstance) -> None:
    newest = NewestMaterializations(ephemeral)
    assert newest.get(POINTS, DAY) is None
    record(ephemeral, "a")
    assert version(newest) == "a"
    assert newest.get(POINTS, "2026-01-02") is None
    assert newest.get(RAW, DAY) is None
