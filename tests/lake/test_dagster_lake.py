"""Assets of another project that read published days through the resource `ClusterLake`."""

# No `from __future__ import annotations` here: Dagster reads the annotations of asset functions.
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

import cluster_assets
from cluster_assets import ClusterLake
from cluster_assets.domain.errors import UpstreamMissingError
from docs.make_notebook import DAYS

DAILY = dg.DailyPartitionsDefinition("2013-03-04", end_date="2013-03-10")
WEEKLY = dg.WeeklyPartitionsDefinition("2013-03-03", end_date="2013-03-17")


@dg.asset(
    deps=[dg.AssetKey(["attackers", "clusters"])],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def cluster_sizes(context: dg.AssetExecutionContext, cluster_lake: ClusterLake) -> pd.DataFrame:
    clusters = cluster_lake.read_partitions(context, "attackers", "clusters").to_pandas()
    return clusters.groupby(["day", "cluster"], as_index=False).size()


@dg.asset(deps=[dg.AssetKey(["attackers", "members"])], partitions_def=WEEKLY)
def week(context: dg.AssetExecutionContext, cluster_lake: ClusterLake) -> int:
    return cluster_lake.read_partitions(context, "attackers", "members", missing="skip").rows


def sizes(days: tuple[str, str]) -> list[tuple[object, ...]]:
    query = "day, cluster, count(*) AS size"
    found = cluster_assets.open_lake().read("attackers", "clusters", days).to_duckdb()
    return found.aggregate(query).order("day, cluster").fetchall()


@pytest.mark.parametrize(("first", "last"), [(1, 1), (0, 2)])
def test_an_asset_takes_the_clusters_of_its_days(first: int, last: int, real_lake: Path) -> None:
    days = (DAYS[first].key, DAYS[last].key)
    partition = (
        {"partition_key": days[0]}
        if first == last
        else {
            "tags": {
                "dagster/asset_partition_range_start": days[0],
                "dagster/asset_partition_range_end": days[1],
            }
        }
    )
    done = dg.materialize(
        [cluster_sizes],
        resources={"cluster_lake": ClusterLake(), "io_manager": dg.mem_io_manager},
        **partition,
    )
    frame = done.output_for_node("cluster_sizes")
    rows = [(day.date(), cluster, size) for day, cluster, size in frame.itertuples(index=False)]
    assert rows == sizes(days)
    assert rows


def test_an_asset_with_weekly_partitions_takes_all_days_of_its_week(real_lake: Path) -> None:
    done = dg.materialize([week], resources={"cluster_lake": ClusterLake()}, partition_key="2013-03-03")
    lake = cluster_assets.open_lake()
    assert done.output_for_node("week") == sum(
        lake.read("attackers", "members", day.key).rows for day in DAYS
    )


def test_a_day_that_is_not_published_fails_the_run_with_its_name(real_lake: Path) -> None:
    with pytest.raises(UpstreamMissingError, match="2013-03-08"):
        dg.materialize([cluster_sizes], resources={"cluster_lake": ClusterLake()}, partition_key="2013-03-08")
