"""The Dagster resource with which assets of another project read published days."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from cluster_assets.lake import Lake, open_lake

if TYPE_CHECKING:
    from cluster_assets.lake import LakeTable
    from cluster_assets.lake.lake import Missing

_ONE_DAY = dt.timedelta(days=1)


class ClusterLake(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic only at type-check time
    """The lake that the `CLUSTER_*` settings name; each run sees one consistent state of it."""

    _lake: Lake = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Open the lake when a run starts."""
        self._lake = open_lake()

    @property
    def lake(self) -> Lake:
        """The opened lake; available only inside a run."""
        return self._lake

    def read_partitions(
        self,
        context: dg.AssetExecutionContext,
        pipeline: str,
        table: str,
        *,
        missing: Missing = "raise",
    ) -> LakeTable:
        """Return all days of the partitions that a run materializes, with the column `day`.

        The asset may have daily, weekly or monthly partitions in UTC, and a run may materialize a range of
        them.

        Raises:
            SpecError: As `Lake.read`.
            UpstreamMissingError: As `Lake.read`.
        """
        window = context.partition_time_window
        first, last = window.start.date(), (window.end - _ONE_DAY).date()
        return self._lake.read(pipeline, table, (first, last), missing=missing)
