"""Delta tables: no bytes are copied, columns may be added, and gc keeps what they refer to."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from cases import CASES, Setting
from deltalake import DeltaTable

from cluster_assets.domain.errors import MissingPackageError, PublicationError
from cluster_assets.domain.manifests import TableData
from cluster_assets.domain.tables import CLUSTERS, CLUSTERS_WITH_PROBABILITY, Column
from cluster_assets.opening import open_storage
from cluster_assets.publish.delta.kept import files_of_delta_tables
from cluster_assets.publish.delta.types import add_fields, table_fields
from cluster_assets.publish.targets import open_target
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import Delta
from cluster_assets.stages.ledger.garbage import collect

if TYPE_CHECKING:
    from cases import Case

DAY, LATER = "2013-03-04", "2013-03-05"


def test_files_are_linked_not_copied_and_outlive_gc(setting: Setting) -> None:
    case = CASES["delta_in_a_folder"](setting)
    case.warehouse.commit(DAY, 20, cluster=1)
    first = case.table_day(DAY)
    receipt = case.target().publish(first)
    table = DeltaTable(receipt.address)
    (path,) = table.file_uris()
    assert Path(path).stat().st_ino == Path(first.snapshot.uris[0]).stat().st_ino
    assert receipt.bytes == 0
    case.warehouse.commit(DAY, 30, cluster=2)
    collect_all(case)
    assert not Path(first.snapshot.uris[0]).exists()
    assert len(case.read("clusters", DAY) or ()) == 20


def test_duckdb_reads_the_files_of_the_snapshot(setting: Setting) -> None:
    case = CASES["delta_in_a_folder"](setting)
    for number, day in enumerate((DAY, LATER), start=1):
        case.warehouse.commit(day, 10 * number, cluster=number)
        root = case.target().publish(case.table_day(day)).address
    files = DeltaTable(root).file_uris()
    counted = (
        "SELECT cluster, count(*) FROM read_parquet($1, hive_partitioning = true) GROUP BY ALL ORDER BY ALL"
    )
    assert duckdb.execute(counted, [files]).fetchall() == [(1, 10), (2, 20)]


def test_pandas_reads_the_rows_of_a_day(setting: Setting) -> None:
    case = CASES["delta_in_a_folder"](setting)
    for number, day in enumerate((DAY, LATER), start=1):
        case.warehouse.commit(day, 10 * number, cluster=number)
        root = case.target().publish(case.table_day(day)).address
    frame = DeltaTable(root).to_pandas(filters=[("day", "=", LATER)])
    assert list(frame["entity"].sort_values()) == sorted(f"e{i}" for i in range(20))
    assert set(frame["cluster"]) == {2}


def test_gc_keeps_what_the_newest_snapshot_names(setting: Setting) -> None:
    case = CASES["delta_in_the_warehouse"](setting)
    case.warehouse.commit(DAY, 20, cluster=1)
    assert case.target().publish(case.table_day(DAY)).outcome == "written"
    case.warehouse.commit(DAY, 30, cluster=2)
    collect_all(case)
    assert [row["cluster"] for row in case.read("clusters", DAY) or ()] == [1] * 20
    kept = files_of_delta_tables(case.warehouse.store, load_settings())
    case.target().publish(case.table_day(DAY))
    collect_all(case)
    assert len(case.read("clusters", DAY) or ()) == 30
    left = {found.key for found in case.warehouse.store.list("demo/clusters/day=")}
    assert len(kept) == 1
    assert not kept & left


def collect_all(case: Case) -> None:
    """What gc does long after."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    settings = load_settings()
    kept = files_of_delta_tables(case.warehouse.store, settings)
    collect(*open_storage(settings), kept, retention=dt.timedelta(days=7), now=later)


def test_tables_that_share_a_folder_need_copies_on_s3(setting: Setting) -> None:
    case = CASES["delta_in_the_warehouse"](setting)
    case.warehouse.commit(DAY, 20, cluster=1)
    with pytest.raises(PublicationError, match="copy: true"):
        case.target().publish(case.table_day(DAY, "members"))


def test_a_column_may_come_later_but_keeps_its_type() -> None:
    known = table_fields(TableData("clusters", CLUSTERS.columns, ()), "day")
    more = table_fields(TableData("clusters", CLUSTERS_WITH_PROBABILITY.columns, ()), "day")
    assert [field["name"] for field in add_fields(known, more, "here")] == [
        *(column.name for column in CLUSTERS.columns), "day", "probability"
    ]  # fmt: skip
    assert add_fields(more, known, "here") == more
    other = table_fields(TableData("clusters", (Column("cluster", "varchar"),), ()), "day")
    with pytest.raises(PublicationError, match="cluster is long in the Delta table, string in the day"):
        add_fields(known, other, "here")


def test_a_missing_package_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingPackageError, match="deltalake is not installed") as caught:
        open_target(Delta(), load_settings())
    assert "pip install 'cluster-assets[delta]'" in str(caught.value)
