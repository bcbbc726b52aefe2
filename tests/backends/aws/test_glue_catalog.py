"""Specific to the catalog in Glue: tables for users, races between processes, refusals."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from athena_lake import PATIENCE
from fault_proxy import Fault, FaultProxy, bad_line

from cluster_assets.backends.aws.catalog import GlueCatalog, GlueConfig
from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import CatalogError, IntegrityError
from cluster_assets.domain.manifests import DataFile, Manifest, TableData
from cluster_assets.domain.tables import Column
from cluster_assets.stages.ledger.ledger import Draft, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from athena_lake import Lake
    from fault_proxy import Call

    from cluster_assets.backends.aws.store import S3Store

DAY = parse_day("2013-03-03")
POINTS = (Column("point_id", "bigint"), Column("features", "array(varchar)"))
MEMBERS = (Column("entity", "varchar"), Column("point_id", "bigint"))


@pytest.fixture(scope="module")
def line(athena_servers: Lake) -> Iterator[tuple[FaultProxy, Any]]:
    with bad_line(athena_servers, "glue") as line:
        yield line


@pytest.fixture
def proxy(line: tuple[FaultProxy, Any]) -> FaultProxy:
    line[0].reset()
    return line[0]


@pytest.fixture
def store(athena_lake: Lake) -> S3Store:
    return athena_lake.store()


@pytest.fixture
def database(athena_lake: Lake) -> str:
    name = f"glue_{next(athena_lake.numbers):04d}"
    athena_lake.glue.create_database(DatabaseInput={"Name": name})
    return name


@pytest.fixture
def catalog(line: tuple[FaultProxy, Any], proxy: FaultProxy, store: S3Store, database: str) -> GlueCatalog:
    """Behind the bad line."""
    return GlueCatalog(line[1], store, GlueConfig(database, PATIENCE))


@pytest.fixture
def other(athena_lake: Lake, store: S3Store, database: str) -> GlueCatalog:
    """The same catalog in another process, as it were."""
    return athena_lake.catalog(store, database=database)


@pytest.fixture
def commit(store: S3Store, athena_lake: Lake, tmp_path: Path) -> Callable[..., Pointer]:
    """Stores the manifest of a version, with a file for each table whose query is given."""

    def put(version: int, day: str = DAY.key, columns: Any = POINTS, **queries: str) -> Pointer:
        tables = {"points": TableData("points", columns, ()), "members": TableData("members", MEMBERS, ())}
        for name, query in queries.items():
            key = f"attackers/points/day={day}/attempt-{version}/{name}/part-0.parquet"
            (uri,) = athena_lake.parquet(query, tmp_path, store.uri(key)).uris
            file = DataFile(key, 1, len(athena_lake.get(uri)), store.digest(key))
            tables[name] = TableData(name, tables[name].columns, (file,))
        key = f"attackers/points/_manifests/day={day}/{version:08d}.json"
        manifest = Manifest(
            "attackers", "points", parse_day(day), version, f"attempt-{version}", "x", {}, "1", "now", tables
        )
        assert store.put_if_absent(key, manifest.to_json())
        return Pointer(key, version)

    return put


def flip(catalog: GlueCatalog, pointer: Pointer, day: str = DAY.key) -> bool:
    return catalog.flip("attackers", "points", parse_day(day), pointer)


def current(catalog: GlueCatalog) -> Pointer | None:
    return catalog.current("attackers", "points", DAY)


def named(*targets: str) -> Callable[[Call], bool]:
    return lambda call: call.target in targets


def test_people_query_the_days(
    catalog: GlueCatalog, commit: Callable[..., Pointer], athena_lake: Lake, database: str
) -> None:
    flip(catalog, commit(1, points="SELECT 7::BIGINT AS point_id, ['a', 'b'] AS features"))
    flip(catalog, commit(1, "2013-03-04"), "2013-03-04")  # an empty day
    rows = athena_lake.run(f"SELECT point_id, features, day FROM {database}.attackers_points")
    assert rows == [("7", "[a, b]", "2013-03-03")]
    flip(catalog, commit(2, points="SELECT 8::BIGINT AS point_id, ['c'] AS features"))
    assert athena_lake.run(f"SELECT point_id FROM {database}.attackers_points") == [("8",)]
    assert athena_lake.run(f"SELECT entity FROM {database}.attackers_members") == []
    table = athena_lake.glue.get_table(DatabaseName=database, Name="attackers_points")["Table"]
    types = [(one["Name"], one["Type"]) for one in table["StorageDescriptor"]["Columns"]]
    assert types == [("point_id", "bigint"), ("features", "array<string>")]
    assert catalog.days("attackers", "points") == (DAY, DAY.next)


def test_a_table_whose_files_hold_the_day_has_it_once(
    catalog: GlueCatalog, commit: Callable[..., Pointer], athena_lake: Lake, database: str
) -> None:
    columns = (Column("day", "varchar"), Column("point_id", "bigint"))
    query = "SELECT '2013-03-03' AS day, 7::BIGINT AS point_id"
    flip(catalog, commit(1, columns=columns, points=query))
    rows = athena_lake.run(f"SELECT day, point_id FROM {database}.attackers_points")
    assert rows == [("2013-03-03", "7")]


def test_a_stage_without_a_table_has_days_too(catalog: GlueCatalog, store: S3Store) -> None:
    key = "attackers/raw/_manifests/day=2013-03-03/00000001.json"
    store.put_if_absent(key, Manifest("attackers", "raw", DAY, 1, "a", "x", {}, "1", "now").to_json())
    assert catalog.flip("attackers", "raw", DAY, Pointer(key, 1))
    assert catalog.current("attackers", "raw", DAY) == Pointer(key, 1)


def test_a_column_that_is_new_comes_last_and_old_days_read_null(
    catalog: GlueCatalog,
    other: GlueCatalog,
    commit: Callable[..., Pointer],
    athena_lake: Lake,
    database: str,
    proxy: FaultProxy,
) -> None:
    flip(catalog, commit(1, points="SELECT 7::BIGINT AS point_id, ['a'] AS features"))
    described = athena_lake.glue.get_table(DatabaseName=database, Name="attackers_points")["Table"]
    for name in ("DatabaseName", "CreateTime", "UpdateTime", "CatalogId", "VersionId", "CreatedBy"):
        described.pop(name, None)
    athena_lake.glue.update_table(
        DatabaseName=database, TableInput={**described, "Description": "written by a colleague"}
    )
    wider = (Column("weight", "bigint"), *POINTS)
    query = "SELECT 3::BIGINT AS weight, 8::BIGINT AS point_id, ['b'] AS features"
    flip(catalog, commit(1, "2013-03-04", columns=wider, points=query), "2013-03-04")
    rows = athena_lake.run(f"SELECT point_id, weight FROM {database}.attackers_points ORDER BY point_id")
    assert rows == [("7", None), ("8", "3")]
    table = athena_lake.glue.get_table(DatabaseName=database, Name="attackers_points")["Table"]
    assert [one["Name"] for one in table["StorageDescriptor"]["Columns"]] == [
        "point_id",
        "features",
        "weight",
    ]
    assert table["Description"] == "written by a colleague"
    # Another process that still writes the narrower table takes nothing away.
    flip(other, commit(1, "2013-03-05"), "2013-03-05")
    assert athena_lake.run(f"SELECT weight FROM {database}.attackers_points WHERE day = '2013-03-04'") == [
        ("3",)
    ]
    proxy.calls.clear()
    flip(catalog, commit(1, "2013-03-06", columns=wider), "2013-03-06")
    assert proxy.named("UpdateTable", "GetTable", "CreateTable") == 0  # it knows the table by now


def test_a_pointer_taken_back_is_put_right_by_who_took_it_back(
    catalog: GlueCatalog, other: GlueCatalog, commit: Callable[..., Pointer], proxy: FaultProxy
) -> None:
    flip(other, commit(1))
    second, seen = commit(2), []

    def overtake() -> None:
        assert flip(other, commit(3))

    look = lambda: seen.append(current(other))  # noqa: E731
    proxy.faults.append(Fault(named("BatchUpdatePartition"), before=overtake))
    proxy.faults.append(Fault(named("BatchUpdatePartition"), after=look))
    assert not flip(catalog, second)
    assert current(other) == current(catalog) == Pointer(second.manifest_key.replace("2.json", "3.json"), 3)
    assert [one.version for one in seen if one] == [2]  # what others may see for a moment, as documented


def test_a_process_killed_after_moving_a_pointer_back_is_repaired_by_the_next_run(
    catalog: GlueCatalog,
    other: GlueCatalog,
    store: S3Store,
    commit: Callable[..., Pointer],
    proxy: FaultProxy,
) -> None:
    ledger = Ledger(store, other, "attackers")
    drafts = []
    for number in range(3):
        attempt = ledger.start_attempt("points", DAY)
        drafts.append(Draft("points", DAY, attempt, f"inputs {number}", {}, {}, {}))
    first = ledger.commit(drafts[0])

    def overtake() -> None:
        ledger.commit(drafts[2])
        store.list = _die  # type: ignore[method-assign]

    def _die(_: str) -> Any:
        raise KeyboardInterrupt

    proxy.faults.append(Fault(named("BatchUpdatePartition"), before=overtake))
    with pytest.raises(KeyboardInterrupt):
        Ledger(store, catalog, "attackers").commit(drafts[1])
    del store.list  # type: ignore[method-assign]
    shown = ledger.current("points", DAY)
    assert shown is not None
    assert first.version < shown.version < 3
    found = ledger.find_reusable("points", DAY, "inputs 2")
    assert found is not None
    assert ledger.current("points", DAY) == found
    assert found.version == 3


def test_whatever_the_order_the_newest_manifest_stays(
    athena_lake: Lake, store: S3Store, database: str, commit: Callable[..., Pointer]
) -> None:
    def publish(catalog: GlueCatalog, versions: list[int]) -> None:
        for version in versions:
            flip(catalog, commit(version))

    order = [number * 7 % 25 for number in range(1, 25)]
    threads = [
        threading.Thread(target=publish, args=(athena_lake.catalog(store, database=database), order[n::4]))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = current(athena_lake.catalog(store, database=database))
    assert found is not None
    assert found.version == 24


@pytest.mark.parametrize("operation", ["CreateTable", "CreatePartition"])
def test_two_processes_make_the_same_thing(
    catalog: GlueCatalog,
    other: GlueCatalog,
    commit: Callable[..., Pointer],
    proxy: FaultProxy,
    operation: str,
) -> None:
    first, second = commit(1), commit(2)
    proxy.faults.append(Fault(named(operation), before=lambda: flip(other, first)))
    assert flip(catalog, second)
    assert current(other) == second


def test_a_lost_answer_and_a_storm_pass(
    catalog: GlueCatalog, commit: Callable[..., Pointer], proxy: FaultProxy
) -> None:
    targets = ("GetPartition", "CreateTable", "BatchUpdatePartition", "CreatePartition")
    proxy.faults.extend(Fault(named(target), lose=True) for target in targets)
    for target in targets:
        proxy.refuse(named(target), "ThrottlingException", 400, times=2)
    assert flip(catalog, commit(1))
    proxy.refuse(named("GetPartitions"), "InternalServiceException", 500, times=3)
    assert catalog.days("attackers", "points") == (DAY,)
    proxy.calls.clear()
    proxy.refuse(named("GetPartition"), "ThrottlingException", 400, times=1000)
    with pytest.raises(CatalogError, match="over 10 attempts"):
        current(catalog)
    assert len(proxy.calls) == PATIENCE.attempts


def test_a_partition_that_could_not_be_changed_is_tried_again(
    catalog: GlueCatalog, commit: Callable[..., Pointer], proxy: FaultProxy
) -> None:
    flip(catalog, commit(1))
    detail = '{"ErrorDetail": {"ErrorCode": "InternalServiceException", "ErrorMessage": "again"}}'
    proxy.faults.append(
        Fault(named("BatchUpdatePartition"), times=2, answer=(200, f'{{"Errors": [{detail}]}}'))
    )
    second = commit(2)
    assert flip(catalog, second)
    assert current(catalog) == second
    proxy.faults.append(
        Fault(
            named("BatchUpdatePartition"),
            answer=(200, f'{{"Errors": [{detail.replace("InternalService", "InvalidInput")}]}}'),
        )
    )
    with pytest.raises(CatalogError, match="InvalidInputException"):
        flip(catalog, commit(3))
    assert current(catalog) == second


def test_days_have_many_pages_and_strangers_among_them(
    catalog: GlueCatalog, commit: Callable[..., Pointer], proxy: FaultProxy
) -> None:
    flip(catalog, commit(1))
    page = '{"Partitions": [{"Values": ["2013-03-01"]}, {"Values": ["someday"]}], "NextToken": "more"}'
    proxy.faults.append(Fault(named("GetPartitions"), answer=(200, page)))
    assert catalog.days("attackers", "points") == (parse_day("2013-03-01"), DAY)
    assert b'"NextToken": "more"' in proxy.calls[-1].body


def test_a_missing_database_is_reported_when_something_shall_be_published(
    line: tuple[FaultProxy, Any], store: S3Store, commit: Callable[..., Pointer]
) -> None:
    nowhere = GlueCatalog(line[1], store, GlueConfig("nowhere", PATIENCE))
    assert current(nowhere) is None
    with pytest.raises(CatalogError, match="CLUSTER_AWS_DATABASE"):
        flip(nowhere, commit(1))


def test_a_table_of_somebody_else_is_left_alone(
    catalog: GlueCatalog, commit: Callable[..., Pointer], athena_lake: Lake, database: str
) -> None:
    columns = {"Columns": [{"Name": "x", "Type": "int"}], "Location": "s3://theirs/"}
    theirs = {"Name": "attackers_points", "StorageDescriptor": columns}
    athena_lake.glue.create_table(DatabaseName=database, TableInput=theirs)
    with pytest.raises(CatalogError, match="not belong to this pipeline"):
        flip(catalog, commit(1))
    table = athena_lake.glue.get_table(DatabaseName=database, Name="attackers_points")["Table"]
    assert table["StorageDescriptor"]["Columns"] == columns["Columns"]


def test_a_partition_of_somebody_else_is_reported(
    catalog: GlueCatalog, commit: Callable[..., Pointer], athena_lake: Lake, database: str
) -> None:
    flip(catalog, commit(1))
    athena_lake.glue.update_partition(
        DatabaseName=database,
        TableName="attackers_points",
        PartitionValueList=[DAY.key],
        PartitionInput={"Values": [DAY.key], "Parameters": {}},
    )
    with pytest.raises(IntegrityError, match="not a published pointer"):
        current(catalog)


def test_an_uncommitted_manifest_is_not_published(catalog: GlueCatalog, proxy: FaultProxy) -> None:
    with pytest.raises(IntegrityError, match="missing"):
        flip(catalog, Pointer("attackers/points/_manifests/day=2013-03-03/00000009.json", 9))
    assert current(catalog) is None
    assert proxy.named("CreateTable", "BatchUpdatePartition", "CreatePartition") == 0


def test_a_refusal_is_reported_and_not_repeated(
    catalog: GlueCatalog, commit: Callable[..., Pointer], proxy: FaultProxy
) -> None:
    proxy.refuse(named("CreateTable"), "AccessDeniedException", 400, times=9)
    with pytest.raises(CatalogError, match="Lake Formation"):
        flip(catalog, commit(1))
    assert proxy.named("CreateTable") == 1
