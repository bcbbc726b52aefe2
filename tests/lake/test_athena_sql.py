"""`cluster-assets sql` on target aws: the query goes to Athena, over the Glue tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from athena_lake import BUCKET
from lakes import aws_variables, set_environment

from cluster_assets.domain.errors import ClusterAssetsError, EngineError, SpecError
from cluster_assets.domain.tables import CLUSTERS, MEMBERS
from cluster_assets.lake import open_lake
from cluster_assets.lake.sql import describe_tables, open_sql
from docs.make_notebook import DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from athena_lake import Lake
    from conftest import MakeWriter

    from cluster_assets.lake.sql import SqlSession


@pytest.fixture
def session(
    athena_lake: Lake, home: Path, write_days: MakeWriter, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SqlSession]:
    variables = aws_variables(BUCKET)
    scratch = f"{variables['CLUSTER_AWS_DATABASE']}_scratch"
    set_environment(
        athena_lake.environment | variables | {"CLUSTER_AWS_SCRATCH_DATABASE": scratch}, monkeypatch
    )
    for name in (variables["CLUSTER_AWS_DATABASE"], scratch):
        athena_lake.glue.create_database(DatabaseInput={"Name": name})
    for number, day in enumerate(DAYS):
        columns = "'e' || i AS entity, i AS point_id, i % 3 AS cluster, 'core' AS role"
        rows = f"SELECT {columns} FROM range({number + 4}) AS t(i)"
        write_days("attackers").publish(
            day, clusters=(CLUSTERS, rows), members=(MEMBERS, f"SELECT entity, point_id FROM ({rows})")
        )
    with open_sql() as opened:
        yield opened


def test_the_same_query_is_answered_by_athena(session: SqlSession, athena_lake: Lake) -> None:
    query = (
        "WITH sizes AS (SELECT day, cluster, count(*) AS n FROM attackers.clusters "
        f"WHERE day BETWEEN '{DAYS[1]}' AND '{DAYS[2]}' GROUP BY day, cluster) "
        "SELECT day, max(n) AS largest FROM sizes GROUP BY day ORDER BY day"
    )
    found = session.run(query)
    assert athena_lake.wire.calls["StartQueryExecution"] == 1
    assert found.columns == ("day", "largest")
    assert [(str(day), largest) for day, largest in found.rows] == [(DAYS[1].key, 2), (DAYS[2].key, 2)]
    joined = (
        "SELECT count(*) AS n FROM attackers.clusters JOIN attackers.members AS m "
        "ON clusters.entity = m.entity AND attackers.clusters.day = m.day"
    )
    assert session.run(joined + ";").rows == [(4 + 5 + 6,)]
    none = session.run("SELECT entity, cluster FROM attackers.clusters WHERE day = '1999-01-01'")
    assert (none.columns, list(none.rows)) == (("entity", "cluster"), [])
    assert "attackers.clusters(entity, point_id, cluster, role, day)" in describe_tables(open_lake())


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE attackers.clusters",
        "INSERT INTO attackers.clusters SELECT * FROM attackers.clusters",
        "UNLOAD (SELECT * FROM attackers.clusters) TO 's3://mine/x' WITH (format = 'PARQUET')",
        "SELECT 1; SELECT 2",
        "SELECT * FROM default.other",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM AwsDataCatalog.attackers.clusters",
        "SELECT * FROM attackers.clustres",
        "SELECT * FROM clusters",
        "SELECT FROM WHERE",
        "",
    ],
)
def test_what_is_no_query_of_published_tables_never_reaches_athena(
    query: str, session: SqlSession, athena_lake: Lake
) -> None:
    with pytest.raises(ClusterAssetsError) as found:
        session.run(query)
    assert isinstance(found.value, SpecError | EngineError)
    assert athena_lake.wire.calls["StartQueryExecution"] == 0


def test_errors_of_an_answer_say_what_to_write(session: SqlSession) -> None:
    with pytest.raises(SpecError, match=r"equal names: entity, entity[\s\S]*AS first"):
        session.run(
            "SELECT a.entity, b.entity FROM attackers.clusters a JOIN attackers.clusters b USING (day)"
        )
    with pytest.raises(EngineError, match=r"nested values in list[\s\S]*json_format"):
        session.run("SELECT array_agg(entity) AS list FROM attackers.clusters")
