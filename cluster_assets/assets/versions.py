"""Versions that Dagster compares to show which days are stale, and the materializations that have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.domain.days import days_before
from cluster_assets.domain.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.stage import Stage

DATA_VERSION = "dagster/data_version"


@dataclass(frozen=True, slots=True)
class Materialized:
    """A materialization of a day.

    Attributes:
        storage_id: Increases with each event of the instance.
        run_id: The run that recorded it.
        timestamp: When, in seconds since 1970.
        data_version: None if the event has none.
    """

    storage_id: int
    run_id: str
    timestamp: float
    data_version: str | None

    @classmethod
    def of(cls, record: dg.EventLogRecord) -> Self:
        """Return what a record says."""
        event = record.asset_materialization
        version = (event.tags or {}).get(DATA_VERSION) if event else None
        return cls(record.storage_id, record.run_id, record.timestamp, version)


def newest_materialization(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str
) -> Materialized | None:
    """Return the newest materialization of a day; None if there is none."""
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
    records = instance.fetch_materializations(wanted, limit=1).records
    return Materialized.of(records[0]) if records else None


class NewestMaterializations:
    """The newest materializations that a run has seen, so that later stages need not ask Dagster again.

    A stage has read the days that its own run recorded, even if other runs have recorded newer ones since.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._known: dict[tuple[dg.AssetKey, str], Materialized] = {}

    def read(self, key: dg.AssetKey, partition: str) -> Materialized | None:
        """Ask Dagster, after the run has recorded the day; None if it was never materialized."""
        found = newest_materialization(self._instance, key, partition)
        if found is not None:
            self._known[key, partition] = found
        return found

    def get(self, key: dg.AssetKey, partition: str) -> Materialized | None:
        """Return what the run has read, else ask Dagster; None if the day was never materialized."""
        return self._known.get((key, partition)) or self.read(key, partition)


def code_version(stage: Stage, spec: PipelineSpec) -> str:
    """Return a digest of the YAML and the code that all days of a stage are computed from."""
    return digest_of(dict(stage.recipe(spec)))[:16]


def version_tags(
    context: dg.AssetExecutionContext, key: dg.AssetKey, manifest: Manifest, newest: NewestMaterializations
) -> Mapping[str, str]:
    """Return the tags that a step without outputs must set itself, as Dagster does for outputs.

    Without the version of each upstream asset, Dagster compares the times of materializations instead. It
    does so for `raw` with upstream assets of other code, whose partitions may differ.
    """
    tags = {DATA_VERSION: _data_version(manifest), "dagster/data_version_is_user_provided": "true"}
    (spec,) = (one for one in context.assets_def.specs if one.key == key)
    own = context.assets_def.keys
    if any(dep.asset_key not in own for dep in spec.deps):
        return tags
    for dep in spec.deps:
        records = [newest.get(dep.asset_key, day) for day in _days_of(dep, manifest)]
        upstream = records[0]
        if upstream is None:
            return tags  # published by a run that this instance does not know
        name = dep.asset_key.to_user_string()
        tags |= {
            f"dagster/input_data_version/{name}": upstream.data_version or "INITIAL",
            # Of a window Dagster compares each day with the newest of its days, by this number.
            f"dagster/input_event_pointer/{name}": str(max(one.storage_id for one in records if one)),
        }
    return tags | {"dagster/code_version": spec.code_version or ""}


def _data_version(manifest: Manifest) -> str:
    """Return the version of what later stages read: the content, or for `raw` the state of the source."""
    state = manifest.metrics.get("source_digest")
    return manifest.content_digest if state is None else digest_of({"source": state})


def _days_of(dep: dg.AssetDep, manifest: Manifest) -> list[str]:
    """Return the day of a manifest, followed by the days before it that the dependency is mapped to."""
    mapping = dep.partition_mapping
    first = mapping.start_offset if isinstance(mapping, dg.TimeWindowPartitionMapping) else 0
    return [days_before(manifest.day, back).key for back in range(1 - first)]
