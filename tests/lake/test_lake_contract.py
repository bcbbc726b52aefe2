"""What every lake promises on each target: rows as written, types, one state of a day, clear errors."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import cluster_assets
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import (
    EngineError,
    IntegrityError,
    MissingPackageError,
    SpecError,
    UpstreamMissingError,
)
from cluster_assets.domain.tables import (
    CLUSTERS,
    CLUSTERS_WITH_PROBABILITY,
    LINEAGE,
    PROFILES,
    TableContract,
    points_contract,
)
from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.garbage import collect

if TYPE_CHECKING:
    from conftest import MakeWriter

FIRST, SECOND, THIRD, FOURTH = (parse_day(f"2013-03-0{number}") for number in (4, 5, 6, 7))
LARGE = 2**53 + 1  # no double holds it


def clusters_of(*rows: tuple[str, int, int, str]) -> tuple[TableContract, str]:
    values = ", ".join(str(row) for row in rows)
    return CLUSTERS, f"SELECT * FROM (VALUES {values}) AS t(entity, point_id, cluster, role)"


FIRST_ROWS = [("a", 0, 0, "core"), ("b", LARGE, -1, "noise")]
SECOND_ROWS = [("a", 1, 3, "border")]


@pytest.fixture
def lake(target: str, write_days: MakeWriter) -> cluster_assets.Lake:
    """Two days with clusters and an empty one."""
    writer = write_days("attackers")
    writer.publish(FIRST, clusters=clusters_of(*reversed(FIRST_ROWS)))
    writer.publish(SECOND, clusters=clusters_of(*SECOND_ROWS))
    writer.publish(THIRD)
    return cluster_assets.open_lake()


def test_a_day_is_read_as_it_was_written(lake: cluster_assets.Lake) -> None:
    assert lake.pipelines() == ["attackers"]
    assert lake.days("attackers") == [FIRST.key, SECOND.key, THIRD.key]
    table = lake.read("attackers", "clusters", FIRST.key)
    assert (table.days, table.rows) == ((FIRST.key,), 2)
    assert [column.name for column in table.columns] == [column.name for column in CLUSTERS.columns]
    assert list(table.to_pandas().itertuples(index=False, name=None)) == FIRST_ROWS
    assert table.to_arrow().to_pylist() == [
        dict(zip(table.to_arrow().column_names, row, strict=True)) for row in FIRST_ROWS
    ]
    assert table.to_polars().rows() == FIRST_ROWS
    assert table.to_duckdb().fetchall() == FIRST_ROWS
    assert lake.read("attackers", "clusters", FIRST.date).to_duckdb().fetchall() == FIRST_ROWS


def test_a_range_has_its_days_and_an_empty_day_has_none(lake: cluster_assets.Lake) -> None:
    table = lake.read("attackers", "clusters", (FIRST.key, THIRD.key))
    assert table.days == (FIRST.key, SECOND.key, THIRD.key)
    rows = [(*row, FIRST.date) for row in FIRST_ROWS] + [(*row, SECOND.date) for row in SECOND_ROWS]
    assert table.to_polars().rows() == rows
    assert table.to_duckdb().fetchall() == rows
    assert table.to_arrow().schema.field("day").type == pa.date32()
    assert table.to_polars().schema["day"] == pl.Date
    assert table.to_pandas()["day"].tolist() == [pd.Timestamp(row[-1]) for row in rows]
    empty = lake.read("attackers", "clusters", (THIRD.key, THIRD.key))
    assert empty.to_arrow().schema == table.to_arrow().schema
    assert empty.to_arrow().num_rows == lake.read("attackers", "clusters", THIRD.key).to_arrow().num_rows == 0


def test_relations_of_one_lake_can_be_joined_and_move_to_another_connection(
    lake: cluster_assets.Lake,
) -> None:
    before = lake.read("attackers", "clusters", FIRST.key).to_duckdb().set_alias("before")
    after = lake.read("attackers", "clusters", SECOND.key).to_duckdb().set_alias("after")
    joined = before.join(after, "before.entity = after.entity")
    assert joined.project("before.entity, before.cluster, after.cluster").fetchall() == [("a", 0, 3)]
    with duckdb.connect() as connection:
        moved = lake.read("attackers", "clusters", (FIRST.key, SECOND.key)).to_duckdb(connection)
        assert connection.sql("SELECT count(*) FROM moved").fetchall() == [(3,)]
        assert len(moved.fetchall()) == 3


def test_a_lake_shows_one_state_of_a_day_until_it_is_opened_again(
    lake: cluster_assets.Lake, write_days: MakeWriter
) -> None:
    old = lake.read("attackers", "clusters", FIRST.key)
    contract = points_contract(())
    changed = {"points": (contract, "SELECT 5::BIGINT AS point_id, 1::BIGINT AS weight")}
    write_days("attackers").publish(FIRST, clusters=clusters_of(("z", 5, 0, "core")), **changed)
    assert old.to_polars().rows() == FIRST_ROWS
    assert lake.read("attackers", "clusters", FIRST.key).to_polars().rows() == FIRST_ROWS
    assert lake.read("attackers", "points", FIRST.key).rows == 0
    again = cluster_assets.open_lake()
    assert again.read("attackers", "clusters", FIRST.key).to_polars().rows() == [("z", 5, 0, "core")]
    assert again.read("attackers", "points", FIRST.key).to_polars().rows() == [(5, 1)]


def test_days_with_different_columns_make_one_range(target: str, write_days: MakeWriter) -> None:
    writer = write_days("attackers")
    writer.publish(FIRST, clusters=clusters_of(*SECOND_ROWS))
    query = f"SELECT *, 0.5::DOUBLE AS probability FROM ({clusters_of(*SECOND_ROWS)[1]})"
    writer.publish(SECOND, clusters=(CLUSTERS_WITH_PROBABILITY, query))
    table = cluster_assets.open_lake().read("attackers", "clusters", (FIRST.key, SECOND.key))
    (row,) = SECOND_ROWS
    assert table.to_polars().rows() == [(*row, None, FIRST.date), (*row, 0.5, SECOND.date)]
    assert [column.name for column in table.columns][-2:] == ["probability", "day"]


def test_types_are_those_of_the_table(target: str, write_days: MakeWriter) -> None:
    writer = write_days("attackers")
    clusters = writer.publish(FIRST, clusters=clusters_of(*FIRST_ROWS))
    # A list, integers with a null among them that no double holds, and a column `day` of the table's own.
    profiles = ", ".join(
        f"{value} AS {column.name}"
        for column in PROFILES.columns
        for value in [
            {"varchar": "NULL::VARCHAR", "bigint": f"{LARGE}", "double": "0.25::DOUBLE"}.get(
                column.type, "['p', NULL]"
            )
        ]
    )
    lineage = ", ".join(
        "'2013-03-04' AS day"
        if column.name == "day"
        else f"NULL::{column.type.replace('bigint', 'BIGINT')} AS {column.name}"
        for column in LINEAGE.columns
    )
    inputs = {"clusters": clusters.content_digest}
    rows = f"SELECT {profiles} UNION ALL SELECT * REPLACE (NULL AS medoid_point) FROM (SELECT {profiles})"
    writer.stage("profiles", FIRST, {"profiles": (PROFILES, rows)}, inputs)
    writer.stage("lineage", FIRST, {"lineage": (LINEAGE, f"SELECT {lineage}")}, inputs)
    lake = cluster_assets.open_lake()

    table = lake.read("attackers", "profiles", FIRST.key)
    kinds = {"bigint": pa.int64(), "double": pa.float64(), "varchar": pa.string()}
    for column in PROFILES.columns:
        found = table.to_arrow().schema.field(column.name).type
        if column.type == "array(varchar)":
            assert found.value_type == pa.string()
            assert table.to_polars().schema[column.name] == pl.List(pl.String)
        else:
            assert found == kinds[column.type]
    frame = table.to_pandas()
    assert (frame["entities"].dtype, frame["medoid_point"].dtype) == ("int64", "Int64")
    assert frame["share"].dtype == "float64"
    assert frame["medoid_point"].dropna().tolist() == [LARGE]
    assert [list(value) for value in table.to_arrow().column("exemplars").to_pylist()] == [["p", None]] * 2

    day = lake.read("attackers", "lineage", FIRST.key).to_arrow()
    assert day.column("day").to_pylist() == ["2013-03-04"]
    days = lake.read("attackers", "lineage", (FIRST.key, FIRST.key)).to_arrow()
    assert days.column("day").to_pylist() == [FIRST.date]
    assert days.column_names.count("day") == 1


def test_what_does_not_exist_is_named_with_what_does(lake: cluster_assets.Lake) -> None:
    with pytest.raises(SpecError, match=r"pipeline 'atackers'[\s\S]*choose one of: attackers"):
        lake.read("atackers", "clusters", FIRST.key)
    with pytest.raises(SpecError, match=r"table 'cluster'[\s\S]*choose one of: points, .*clusters"):
        lake.read("attackers", "cluster", FIRST.key)
    with pytest.raises(SpecError, match="write it as YYYY-MM-DD"):
        lake.read("attackers", "clusters", "2013-3-4")
    with pytest.raises(SpecError, match="is not a day"):
        lake.read("attackers", "clusters", dt.datetime(2013, 3, 4, 12, tzinfo=dt.UTC))
    with pytest.raises(UpstreamMissingError, match=r"2013-03-07[\s\S]*3 days are published, 2013-03-04 to"):
        lake.read("attackers", "clusters", FOURTH.key)
    with pytest.raises(UpstreamMissingError, match="1 day has no published profiles: 2013-03-04"):
        lake.read("attackers", "profiles", FIRST.key)
    with pytest.raises(SpecError, match=r"a range is its first and its last day, not 3 days"):
        lake.read("attackers", "clusters", [FIRST.key, SECOND.key, THIRD.key])
    # A table that the pipeline does not make is not the same as a day that can be computed.
    for missing in ("raise", "skip"):
        with pytest.raises(SpecError, match=r"has no table dendrogram[\s\S]*single_linkage"):
            lake.read("attackers", "dendrogram", ("2013-03-01", FOURTH.key), missing=missing)
        with pytest.raises(SpecError, match="there is no table 'cluster'"):
            lake.read("attackers", "cluster", "2013-03-01", missing=missing)


def test_versions_that_gc_removed_are_an_error_that_says_so(
    lake: cluster_assets.Lake, write_days: MakeWriter
) -> None:
    table = lake.read("attackers", "clusters", (FIRST.key, SECOND.key))
    changed = {"points": (points_contract(()), "SELECT 5::BIGINT AS point_id, 1::BIGINT AS weight")}
    write_days("attackers").publish(FIRST, clusters=clusters_of(("z", 5, 0, "core")), **changed)
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    collect(*open_storage(load_settings()), retention=dt.timedelta(0), now=tomorrow)
    for read in (table.to_pandas, table.to_arrow, table.to_polars, table.to_duckdb):
        with pytest.raises(EngineError, match=r"attackers.clusters[\s\S]*open the lake again: gc"):
            read()
    with pytest.raises(IntegrityError, match=r"points .* no longer exist[\s\S]*open the lake again: gc"):
        lake.read("attackers", "points", FIRST.key)
    again = cluster_assets.open_lake().read("attackers", "points", FIRST.key)
    assert again.to_polars().rows() == [(5, 1)]
    assert repr(again) == "<attackers.points: 1 row, 1 day>"


def test_missing_days_of_a_range_are_refused_or_skipped(lake: cluster_assets.Lake) -> None:
    days = ("2013-03-01", FOURTH.key)
    with pytest.raises(
        UpstreamMissingError, match=r"4 days have no published clusters: 2013-03-01, .*-02, .*-03, 2013-03-07"
    ):
        lake.read("attackers", "clusters", days)
    table = lake.read("attackers", "clusters", days, missing="skip")
    assert table.days == (FIRST.key, SECOND.key, THIRD.key)
    assert table.rows == table.to_arrow().num_rows == 3
    with pytest.raises(UpstreamMissingError, match="4 days have"):
        lake.read("attackers", "clusters", days, missing="skpi")
    with pytest.raises(UpstreamMissingError, match="have no published clusters"):
        lake.read("attackers", "clusters", ("2013-02-01", "2013-02-28"), missing="skip")


def test_an_empty_lake_says_how_to_fill_it(target: str) -> None:
    lake = cluster_assets.open_lake()
    assert lake.pipelines() == []
    with pytest.raises(SpecError, match="cluster-assets run"):
        lake.days("attackers")


def test_an_absent_package_is_named_with_its_extra(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    from cluster_assets.backends.packages import require

    for package, extra in (("polars", "polars"), ("pyarrow", "arrow")):
        with pytest.raises(
            MissingPackageError, match=rf"{package} is not installed[\s\S]*\[{extra}\]"
        ) as found:
            require(package, extra=extra)
        assert isinstance(found.value, ImportError)


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys, cluster_assets; print([n for n in ('duckdb', 'dagster', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert "Lake" in cluster_assets.__all__
    with pytest.raises(AttributeError, match="open_lakes"):
        cluster_assets.open_lakes  # noqa: B018
