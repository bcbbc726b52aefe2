"""What every target of `publish` promises, whatever happens to a publication."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from fault_proxy import Fault, FaultProxy
from ports import free_port

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import ClusterAssetsError, PublicationError, TargetUnavailableError
from cluster_assets.operations.exports import export_table
from cluster_assets.publish.days import publish_tables
from cluster_assets.publish.targets import delta_options
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import tables_of

if TYPE_CHECKING:
    from pathlib import Path

    from cases import Case
    from fault_proxy import Call

    from cluster_assets.publish.target import Receipt

DAY, LATER = "2013-03-04", "2013-03-05"


def publish(case: Case, day: str = DAY) -> list[Receipt]:
    warehouse = case.warehouse
    done = publish_tables(
        case.target(), warehouse.ledger, warehouse.store, tables_of(case.options), parse_day(day)
    )
    for table, receipt in done:
        if receipt.outcome != "superseded":
            assert case.target().count(table) == table.rows
    return [receipt for _, receipt in done]


def outcomes(case: Case, day: str = DAY) -> set[str]:
    return {receipt.outcome for receipt in publish(case, day)}


def exported(case: Case, table: str, day: str, folder: Path) -> list[dict[str, Any]]:
    file = folder / f"{table}.jsonl"
    export_table(case.warehouse.ledger, table, parse_day(day), file, case.warehouse.store)
    return [json.loads(line) for line in file.read_text().splitlines()]


def read(case: Case, day: str = DAY, table: str = "clusters") -> list[dict[str, Any]] | None:
    rows = case.read(table, day)
    return (
        None if rows is None else sorted(rows, key=lambda row: str(row.get("entity", row.get("stable_id"))))
    )


def clusters_of(case: Case, day: str = DAY) -> set[int] | None:
    rows = read(case, day)
    return None if rows is None else {row["cluster"] for row in rows}


def test_contents_equal_the_export_and_once_is_enough(case: Case, tmp_path: Path) -> None:
    assert case.warehouse.commit(DAY, 60, cluster=1) == 1
    assert {receipt.outcome for receipt in publish(case)} == {"written"}
    for table in tables_of(case.options):
        expected = sorted(exported(case, table, DAY, tmp_path), key=lambda row: str(row.get("entity")))
        found = read(case, table=table)
        if not case.shows_days:  # an item has no attribute for a null
            expected = [{k: v for k, v in row.items() if v is not None} for row in expected]
        assert found == expected
    again = publish(case)
    assert {(receipt.outcome, receipt.bytes) for receipt in again} == {("unchanged", 0)}
    assert {receipt.address for receipt in again} <= {receipt.address for receipt in publish(case)}


def test_a_changed_day_replaces_itself_and_no_other(case: Case) -> None:
    case.warehouse.commit(DAY, 30, cluster=1)
    case.warehouse.commit(LATER, 40, cluster=5)
    assert outcomes(case) == {"written"}
    assert outcomes(case, LATER) == {"written"}
    assert case.warehouse.commit(DAY, 20, cluster=2) == 2
    assert outcomes(case) == ({"written"} if case.shows_days else {"superseded"})
    assert len(read(case, LATER) or ()) == 40
    if case.shows_days:
        assert clusters_of(case) == {2}
        assert len(read(case) or ()) == 20
    else:
        assert read(case) is None


def test_an_empty_day_empties_the_target(case: Case) -> None:
    case.warehouse.commit(DAY, 30, cluster=1)
    publish(case)
    case.warehouse.commit(DAY, 0, cluster=2)
    assert outcomes(case) == {"written"}
    assert read(case) == []
    case.warehouse.commit(LATER, 0, cluster=2)
    assert outcomes(case, LATER) == {"written" if case.records_empty_days else "unchanged"}
    assert outcomes(case, LATER) == {"unchanged"}


def test_an_older_version_that_comes_late_changes_nothing(case: Case) -> None:
    warehouse = case.warehouse
    warehouse.commit(DAY, 30, cluster=1)
    late = case.table_day(DAY)
    warehouse.commit(DAY, 20, cluster=2)
    publish(case)
    receipt = case.target().publish(late)
    assert (receipt.outcome, receipt.newer) == ("superseded", 2)
    assert case.target().count(late) is None
    assert clusters_of(case) == {2}


def test_a_rebuilt_warehouse_is_not_taken_for_an_older_version(case: Case) -> None:
    """Its versions begin again at 1, and must not look published."""
    for cluster in (1, 2):
        case.warehouse.commit(DAY, 20, cluster)
    publish(case)
    for version in case.warehouse.ledger.history("clusters", parse_day(DAY)):
        manifest = f"demo/clusters/_manifests/day={DAY}/{version.version:08d}.json"
        case.warehouse.store.delete([manifest])
    forget(case)
    for _ in ("an older version", "the same version"):
        case.warehouse.commit(DAY, 20, cluster=7)
        with pytest.raises(PublicationError, match="was the warehouse rebuilt"):
            publish(case)
    assert clusters_of(case) == {2}


def forget(case: Case) -> None:
    """Move the pointer of the day back to nothing, as a new catalog has it."""
    settings = load_settings()
    if settings.target == "aws":
        boto3.Session().client("glue").delete_partition(
            DatabaseName=settings.aws_database, TableName="demo_clusters", PartitionValues=[DAY]
        )
        return
    (settings.catalog_dir / "demo" / "clusters" / f"day={DAY}.json").unlink()


def test_publishers_at_once_leave_the_newest_version(case: Case) -> None:
    """Four publishers, of two versions; readers meanwhile see one of them, whole."""
    sizes = {1: 30, 2: 20, 3: 25}
    case.warehouse.commit(DAY, sizes[1], cluster=1)
    publish(case)
    tables = []
    for version in (2, 3):
        case.warehouse.commit(DAY, sizes[version], version)
        tables.append(case.table_day(DAY))
    seen: list[list[int]] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.wait(0.01):
            seen.append([row["cluster"] for row in case.read("clusters", DAY) or ()])

    with ThreadPoolExecutor(5) as pool:
        reader = pool.submit(poll)
        found = [pool.submit(case.target().publish, table) for table in (*tables, *tables)]
        done = [future.result().outcome for future in found]
        stop.set()
        reader.result()
    assert clusters_of(case) == {3}
    assert "written" in done
    # Reading a snapshot of items takes several calls; what `_rows` asserts is that none is torn.
    assert {(len(rows), *set(rows)) for rows in seen} <= {(size, version) for version, size in sizes.items()}


def test_throttling_is_waited_out(remote: Case, no_pauses: None, monkeypatch: pytest.MonkeyPatch) -> None:
    case = remote
    case.warehouse.commit(DAY, 60, cluster=1)
    with FaultProxy(case.endpoint) as proxy:
        case.redirect(proxy.url)
        monkeypatch.setattr("cluster_assets.publish.targets.delta_options", delta_options)
        proxy.refuse(_is_write, "SlowDown", 503, times=2)
        proxy.faults[-1].answer = (400, '{"__type": "ProvisionedThroughputExceededException"}')
        proxy.faults.append(unprocessed_batch())
        assert outcomes(case) == {"written"}
        assert sum(fault.times for fault in proxy.faults) < 4
    case.redirect(case.endpoint)
    assert len(read(case) or ()) == 60


def _is_write(call: Call) -> bool:
    return (
        call.method == "PUT"
        or call.target in ("PutItem", "BatchWriteItem", "StartQueryExecution")
        or "/queries/" in call.path
    )


def unprocessed_batch() -> Fault:
    """The answer by which DynamoDB takes nothing of a batch."""

    def matches(call: Call) -> bool:
        if call.target != "BatchWriteItem":
            return False
        fault.answer = (200, json.dumps({"UnprocessedItems": json.loads(call.body)["RequestItems"]}))
        return True

    fault = Fault(matches)
    return fault


def test_an_unreachable_target_keeps_what_it_showed(
    case: Case, home: Path, no_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.warehouse.commit(DAY, 30, cluster=1)
    publish(case)
    case.warehouse.commit(DAY, 20, cluster=2)
    monkeypatch.setattr("cluster_assets.publish.snowflake.session.RETRY_S", 2)
    if case.endpoint:
        # The warehouse's own calls still reach it.
        changed = case.table_day(DAY)
        case.redirect(f"http://127.0.0.1:{free_port()}")
        with pytest.raises(PublicationError) as caught:
            case.target().publish(changed)
        case.redirect(case.endpoint)
    else:
        folder = home / "published"
        folder.rename(home / "away")
        folder.write_text("not a folder")
        with pytest.raises(PublicationError) as caught:
            publish(case)
        folder.unlink()
        (home / "away").rename(folder)
    assert isinstance(caught.value, TargetUnavailableError) == bool(case.endpoint)
    assert caught.value.where
    assert caught.value.remedy
    assert clusters_of(case) == {1}
    assert outcomes(case) == {"written"}
    assert clusters_of(case) == {2}


def test_missing_credentials_are_named(remote: Case) -> None:
    case = remote
    case.warehouse.commit(DAY, 30, cluster=1)
    publish(case)
    case.warehouse.commit(DAY, 20, cluster=2)
    case.lose_credentials()
    with pytest.raises(ClusterAssetsError, match="credentials"):
        publish(case)
    assert clusters_of(case) == {1}
