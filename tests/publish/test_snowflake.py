"""Snowflake: files from a stage, Delta tables in place, and errors that name the connection."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cases import CASES, Setting
from snowflake_cases import SnowflakeReader

from cluster_assets.domain.errors import MissingPackageError, PublicationError, SpecError
from cluster_assets.domain.manifests import TableData
from cluster_assets.domain.tables import CLUSTERS, Column
from cluster_assets.publish.snowflake.columns import columns_of, missing_columns
from cluster_assets.publish.snowflake.copied import CopyTarget
from cluster_assets.publish.snowflake.session import Snowflake as Connection
from cluster_assets.publish.targets import open_target
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import Snowflake

if TYPE_CHECKING:
    from cases import Case

DAY = "2013-03-04"


def statements(setting: Setting) -> list[str]:
    return [json.loads(line) for line in setting.snowflake().statements.read_text().splitlines()]


def administer(case: Case, statement: str) -> None:
    reader = case.read.__self__  # type: ignore[attr-defined]
    assert isinstance(reader, SnowflakeReader)
    reader.run(statement)


def test_an_external_stage_loads_the_files_of_the_warehouse(setting: Setting) -> None:
    case = CASES["copied_to_snowflake"](setting)
    case.warehouse.commit(DAY, 30, cluster=1)
    table = case.table_day(DAY)
    file = Path(table.snapshot.uris[0])
    root = str(file).removesuffix(table.snapshot.data.files[0].key)
    administer(case, f"CREATE STAGE LAKE URL = 'file://{root}'")
    before = len(statements(setting))
    settings = load_settings()
    target = CopyTarget(Connection("cluster_assets", settings.snowflake_connections), "LAKE")
    assert target.publish(table).outcome == "written"
    assert target.count(table) == 30
    assert sorted(row["entity"] for row in case.read("clusters", DAY) or ()) == sorted(
        f"e{i}" for i in range(30)
    )
    mine = statements(setting)[before:]
    assert not any(text.startswith("PUT") for text in mine)
    (copied,) = [text for text in mine if text.startswith("COPY")]
    assert f"FILES = ('{file.name}')" in copied


def test_snowflake_reads_the_delta_table_of_the_warehouse(setting: Setting) -> None:
    """The emulator has no Iceberg tables: a plain one with the same rows takes its place."""
    snowflake = CASES["copied_to_snowflake"](setting)
    case = CASES["delta_in_the_warehouse"](setting)
    case.warehouse.commit(DAY, 3, cluster=1)
    table = case.table_day(DAY)
    administer(snowflake, "CREATE TABLE DEMO_CLUSTERS (ENTITY VARCHAR, DAY VARCHAR)")
    administer(
        snowflake, f"INSERT INTO DEMO_CLUSTERS VALUES ('e0', '{DAY}'), ('e1', '{DAY}'), ('e2', '{DAY}')"
    )
    before = len(statements(setting))
    target = open_target(Snowflake(mode="delta_direct"), load_settings())
    assert target.publish(table).outcome == "written"
    assert target.count(table) == 3
    assert len(case.read("clusters", DAY) or ()) == 3
    created, refreshed = [text for text in statements(setting)[before:] if " ICEBERG " in text]
    prefix = load_settings().aws_prefix
    assert created == (
        "CREATE ICEBERG TABLE IF NOT EXISTS \"DEMO_CLUSTERS\" EXTERNAL_VOLUME = 'cluster_warehouse' "
        f"CATALOG = 'cluster_delta' BASE_LOCATION = '{prefix}/demo/clusters/'"
    )
    assert refreshed == 'ALTER ICEBERG TABLE "DEMO_CLUSTERS" REFRESH'
    before = len(statements(setting))
    assert target.publish(table).outcome == "unchanged"
    assert not any(" ICEBERG " in text for text in statements(setting)[before:])


def test_files_of_this_machine_are_out_of_reach(home: Path) -> None:
    for options in (Snowflake(mode="delta_direct"), Snowflake(stage="LAKE")):
        with pytest.raises(SpecError, match="cannot reach the files of this machine"):
            open_target(options, load_settings())


def test_a_connection_that_is_not_there_is_named(setting: Setting) -> None:
    case = CASES["copied_to_snowflake"](setting)
    case.warehouse.commit(DAY, 3, cluster=1)
    target = open_target(Snowflake(connection="elsewhere"), load_settings())
    with pytest.raises(PublicationError, match="connection elsewhere") as caught:
        target.publish(case.table_day(DAY))
    assert "private_key_file" in str(caught.value.remedy)
    assert "connections.toml" in str(caught.value.where)


def test_a_missing_package_is_named(setting: Setting) -> None:
    case = CASES["copied_to_snowflake"](setting)
    case.warehouse.commit(DAY, 3, cluster=1)
    setting.patch.setitem(sys.modules, "snowflake.connector", None)
    with pytest.raises(MissingPackageError, match="snowflake is not installed") as caught:
        case.target().publish(case.table_day(DAY))
    assert "pip install 'cluster-assets[snowflake]'" in str(caught.value)


def test_a_column_may_come_later_but_keeps_its_type() -> None:
    columns = columns_of(TableData("clusters", CLUSTERS.columns, ()))
    assert missing_columns({}, columns, "here") == columns
    found = {"ENTITY": "TEXT", "POINT_ID": "NUMBER", "CLUSTER": "NUMBER"}
    assert [column.name for column in missing_columns(found, columns, "here")] == ["ROLE"]
    other = columns_of(TableData("clusters", (Column("cluster", "varchar"),), ()))
    with pytest.raises(PublicationError, match="CLUSTER is NUMBER in Snowflake, VARCHAR in the day"):
        missing_columns(found, other, "here")
