"""Days that a target of `publish` lacks: Dagster's records of publications, compared with the warehouse.

Targets are not asked. Many of them charge for it, some may be unreachable, and a target that shows a later
day lacks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.publish.target import VERSIONS, Mark
from cluster_assets.spec.publish import asset_name, tables_of
from cluster_assets.stages.snapshots import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import dagster as dg

    from cluster_assets.domain.days import Day
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.spec.publish import TargetName
    from cluster_assets.stages.ledger.ledger import Ledger

_RECORDS_PER_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Publications:
    """The newest publications of a pipeline's days, as this Dagster instance recorded them.

    Attributes:
        spec: The pipeline.
        computed: Days whose clusters this instance recorded. It knows nothing of the other days.
        versions: The published version of each table, by target and day.
    """

    spec: PipelineSpec
    computed: frozenset[str]
    versions: Mapping[TargetName, Mapping[str, Mapping[str, str]]]

    def missing(self, ledger: Ledger, day: Day) -> tuple[str, ...]:
        """Return why each target lacks the newest version of a day; empty if none does."""
        if day.key not in self.computed:
            return ()
        return tuple(
            f"{asset_name(target)} lacks the newest version"
            for target, options in self.spec.publish.targets.items()
            if not self._has_newest(target, tables_of(options), ledger, day)
        )

    def _has_newest(self, target: TargetName, tables: Sequence[str], ledger: Ledger, day: Day) -> bool:
        published = self.versions[target].get(day.key, {})
        try:
            newest = {
                table: str(Mark.of(read_snapshot(ledger, table, day, verify=False))) for table in tables
            }
        except ClusterAssetsError:
            return False  # the run that publishes the day reports the error
        return newest.items() <= published.items()


def read_publications(spec: PipelineSpec, days: Sequence[Day], settings: Settings) -> Publications:
    """Read the records of days; pipelines without `publish` need no Dagster instance."""
    if not spec.publish.targets or not days:
        return Publications(spec, frozenset(), {})
    import dagster as dg  # takes a second, which other pipelines need not wait for

    from cluster_assets.operations.instances import has_instance, prepare_command

    if not has_instance(settings):
        return Publications(spec, frozenset(), {})
    prepare_command(settings)
    keys = [day.key for day in days]
    with dg.DagsterInstance.get() as instance:
        computed = _newest_records(instance, dg.AssetKey([spec.name, "clusters"]), keys)
        published = {
            target: _newest_records(instance, dg.AssetKey([spec.name, asset_name(target)]), keys)
            for target in spec.publish.targets
        }
    versions = {
        target: {day: metadata[VERSIONS] for day, metadata in records.items() if VERSIONS in metadata}
        for target, records in published.items()
    }
    return Publications(spec, frozenset(computed), versions)


def _newest_records(
    instance: dg.DagsterInstance, key: dg.AssetKey, days: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Return the metadata of the newest materialization of each day that has one."""
    import dagster as dg  # as above

    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=days)
    found: dict[str, Mapping[str, Any]] = {}
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(wanted, limit=_RECORDS_PER_PAGE, cursor=cursor)
        for record in page.records:  # the newest first
            event = record.asset_materialization
            if event is not None and event.partition is not None and event.partition not in found:
                found[event.partition] = {name: one.value for name, one in event.metadata.items()}
        if not page.has_more or len(found) == len(days):
            return found
        cursor = page.cursor
