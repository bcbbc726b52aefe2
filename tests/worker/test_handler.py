"""The handler: small days, replies to bad events and bad files, and what it must not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from lambda_worker.contract import VERSION, ClusterReply
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable

DBSCAN = {"type": "dbscan", "min_samples": 2}
COMPONENTS = {"type": "connected_components"}
MISSING = object()


def ask(event: dict[str, Any]) -> ClusterReply:
    return ClusterReply.from_json(handler(event, None))


def rows(sql: str) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def refused(event: dict[str, Any]) -> ClusterReply:
    reply = ask(event)
    assert not reply.ok
    assert not Path(event["output"]).exists()
    return reply


@pytest.fixture
def day(new_day: Callable[[], Any]) -> Any:
    day = new_day()
    day.add_points([0, 1, 2], [1, 1, 1])
    day.add_pairs([(0, 1)])
    return day


@pytest.mark.parametrize("algorithm", [DBSCAN, COMPONENTS])
def test_an_empty_day_writes_an_empty_table(new_day: Callable[[], Any], algorithm: dict[str, Any]) -> None:
    day = new_day()
    reply = ask(day.event(**algorithm))
    assert reply.ok
    assert (reply.rows, reply.pairs, reply.clusters, reply.noise_entities) == (0, 0, 0, 0)
    columns = rows(f"describe select * from '{day.output}'")
    assert [column[:2] for column in columns] == [
        ("point_id", "BIGINT"),
        ("cluster", "BIGINT"),
        ("role", "VARCHAR"),
    ]
    assert rows(f"select count(*) from '{day.output}'") == [(0,)]


def test_an_empty_day_may_have_empty_files(new_day: Callable[[], Any]) -> None:
    day = new_day()
    day.add_points([], [])
    day.add_pairs([])
    assert ask(day.event(**DBSCAN)).rows == 0


@pytest.mark.parametrize(
    ("weight", "label"), [(1, (0, -1, "noise")), (2, (0, 0, "core")), (10**6, (0, 0, "core"))]
)
def test_one_point_is_core_by_its_own_weight(new_day: Callable[[], Any], weight: int, label: Any) -> None:
    # "All entities of the day are identical" is one point with all their weight.
    day = new_day()
    day.add_points([0], [weight])
    reply = ask(day.event(**DBSCAN))
    assert rows(f"from '{day.output}'") == [label]
    assert reply.noise_entities == (weight if label[1] == -1 else 0)


def test_files_written_by_the_sql_engine_are_read(tmp_path: Path) -> None:
    rows(
        f"""copy (select range as point_id, range % 3 + 1 as weight, ['a', 'b'] as tokens
                  from range(300000)) to '{tmp_path}/p.parquet' (format parquet, compression zstd)"""
    )
    rows(
        f"""copy (select range as point_a, range + 1 as point_b, 0.5 as distance
                  from range(299999) where range % 1000 <> 0) to '{tmp_path}/c.parquet'
                  (format parquet, compression zstd)"""
    )
    event = {
        "operation": "cluster",
        "version": VERSION,
        "points": [f"file://{tmp_path}/p.parquet"],
        "candidates": [f"{tmp_path}/c.parquet"],
        "point_count": 300_000,
        "output": f"file://{tmp_path}/new%20folder/labels.parquet",
        "algorithm": COMPONENTS,
    }
    reply = ask(event)
    output = tmp_path / "new folder" / "labels.parquet"
    assert (reply.ok, reply.rows, reply.clusters) == (True, 300_000, 301)
    assert reply.bytes == output.stat().st_size
    assert reply.seconds > 0
    assert reply.peak_memory_mb > 10
    wrong = f"select count(*) from '{output}' where cluster <> (point_id + 999) // 1000 or role <> 'member'"
    assert rows(wrong) == [(0,)]
    unordered = f"select count(*) from (select point_id, row_number() over () - 1 as row from '{output}')"
    assert rows(f"{unordered} where point_id <> row") == [(0,)]


def test_a_refusal_says_which_event_which_field_and_what_was_expected(day: Any) -> None:
    texts = {
        "the event cluster, point_count: Expected `int` >= 0": {"point_count": -1},
        "the event cluster, candidates[1]: Expected `str`, got `int`": {"candidates": ["/a.parquet", 1]},
        "the event cluster: Object contains unknown field `radius`": {"radius": 2.0},
        "the algorithm dbscan, min_samples: Expected `int`, got `str`": {
            "algorithm": {"type": "dbscan", "min_samples": "5"}
        },
        "the event forest, kind: Invalid enum value 'widest'; expected spanning or minimum": {
            "operation": "forest", "kind": "widest", "points": MISSING, "algorithm": MISSING,
        },
    }  # fmt: skip
    for text, change in texts.items():
        event = {
            name: value for name, value in (day.event(**DBSCAN) | change).items() if value is not MISSING
        }
        assert refused(event).error == text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": VERSION + 1}, f"version {VERSION + 1}"),
        ({"version": None}, "version None"),
        ({"operation": None}, "operation None"),
        ({"points": "a.parquet"}, "points"),
        ({"candidates": [1]}, "candidates"),
        ({"point_count": -1}, "point_count"),
        ({"point_count": True}, "point_count"),
        ({"point_count": 2.0}, "point_count"),
        ({"algorithm": "dbscan"}, "algorithm"),
        ({"algorithm": {}}, "algorithm type None"),
        ({"algorithm": {"type": "kmeans"}}, "connected_components, dbscan"),
        ({"algorithm": {"type": ["dbscan"]}}, "algorithm type"),
        ({"algorithm": {"type": "dbscan"}}, "min_samples"),
        ({"algorithm": {"type": "dbscan", "min_samples": 0}}, "min_samples"),
        ({"algorithm": {"type": "dbscan", "min_samples": 2.0}}, "min_samples"),
        ({"algorithm": {"type": "dbscan", "min_samples": True}}, "min_samples"),
        ({"algorithm": {"type": "dbscan", "min_samples": 2, "eps": 1}}, "eps"),
        ({"algorithm": {"type": "connected_components", "min_samples": 2}}, "min_samples"),
        ({"points": ["relative.parquet"]}, "relative.parquet"),
        ({"points": ["http://host/x"]}, "http://host/x"),
        ({"points": ["s3://bucket-only"]}, "s3://bucket-only"),
        ({"points": ["/nowhere/points.parquet"]}, "no file /nowhere/points.parquet"),
        ({"points": ["/"]}, "no file /"),
    ],
)
def test_a_bad_event_is_refused_with_its_field(day: Any, change: dict[str, Any], says: str) -> None:
    reply = refused(day.event(**DBSCAN) | change)
    assert says in reply.error
    assert reply.error_type in {"ContractError", "InputError"}


@pytest.mark.parametrize(
    "field", ["operation", "version", "points", "candidates", "point_count", "output", "algorithm"]
)
def test_a_missing_field_is_named(day: Any, field: str) -> None:
    event = day.event(**DBSCAN)
    del event[field]
    reply = ask(event)
    assert not reply.ok
    assert field in reply.error


@pytest.mark.parametrize("event", [None, [], "text", 3])
def test_an_event_that_is_no_object_is_refused(event: Any) -> None:
    assert ask(event).error_type == "ContractError"


def test_an_output_address_must_be_absolute(day: Any) -> None:
    reply = ask(day.event(**DBSCAN) | {"output": "labels.parquet"})
    assert (reply.ok, reply.error_type) == (False, "ContractError")
    assert not Path("labels.parquet").exists()


@pytest.mark.parametrize(
    ("ids", "weights", "count", "says"),
    [
        ([0, 1, 3], [1, 1, 1], 3, "point id 3 is not in 0..2"),
        ([0, 1, -1], [1, 1, 1], 3, "point id -1"),
        ([0, 1, 1], [1, 1, 1], 3, "2 is missing"),
        ([0, 1, 2], [1, 0, 1], 3, "point 1 has weight 0"),
        ([0, 1, 2], [1, 1, -5], 3, "point 2 has weight -5"),
        ([0, 1, 2], [1, 1, 1], 4, "promises 4 points, the files hold 3"),
        ([0, 1, 2], [1, 1, 1], 2, "point id 2 is not in 0..1"),
        ([0, 1, 2], [2**62, 2**62, 1], 3, "add up to more than"),
        ([0], [1], 0, "point id 0"),
    ],
)
def test_bad_points_are_refused(
    new_day: Callable[[], Any], ids: list[int], weights: list[int], count: int, says: str
) -> None:
    day = new_day()
    day.add_points(ids, weights)
    reply = refused(day.event(**DBSCAN) | {"point_count": count})
    assert reply.error_type == "InputError"
    assert says in reply.error


@pytest.mark.parametrize("pair", [(1, 1), (2, 1), (-1, 1), (1, 3), (0, 2**40)])
@pytest.mark.parametrize("algorithm", [DBSCAN, COMPONENTS])
def test_a_bad_pair_is_refused_with_its_row(
    day: Any, pair: tuple[int, int], algorithm: dict[str, Any]
) -> None:
    day.add_pairs([(0, 1), (0, 2), pair])
    reply = refused(day.event(**algorithm))
    assert f"row 2: ({pair[0]}, {pair[1]})" in reply.error
    assert "candidates-1.parquet" in reply.error


@pytest.mark.parametrize(
    "sql",
    [
        "select 0::bigint as point_id",
        "select 0::integer as point_id, 1::bigint as weight",
        "select 0::bigint as point_id, 1.0::double as weight",
        "select 0::bigint as point_id, null::bigint as weight",
        "select 0::bigint as point_id, 'x' as weight",
    ],
)
def test_columns_of_another_kind_are_refused(new_day: Callable[[], Any], sql: str) -> None:
    day = new_day()
    path = day.folder / "points.parquet"
    rows(f"copy ({sql}) to '{path}' (format parquet)")
    reply = refused(day.event(**DBSCAN) | {"points": [str(path)], "point_count": 1})
    assert reply.error_type == "InputError"
    assert "weight" in reply.error or "point_id" in reply.error
    assert str(path) in reply.error


def test_broken_files_are_refused_by_name_and_never_crash(day: Any) -> None:
    whole = Path(day.candidates[0]).read_bytes()
    broken = day.folder / "broken.parquet"
    rng = np.random.default_rng(3)
    variants = [b"", b"PAR1", b"text, not Parquet", whole[:-1], whole[: len(whole) // 2], b"PAR1" * 5]
    for _ in range(40):
        flipped = bytearray(whole)
        flipped[int(rng.integers(len(whole) - 200, len(whole) - 8))] ^= 0xFF
        variants.append(bytes(flipped))
    refusals = 0
    for body in variants:
        broken.write_bytes(body)
        reply = ask(day.event(**DBSCAN) | {"candidates": [str(broken)]})
        if not reply.ok:
            refusals += 1
            assert reply.error_type == "InputError"
            assert "broken.parquet" in reply.error
    assert refusals >= 6


def test_a_failure_that_is_not_the_callers_is_raised_and_leaves_nothing(day: Any) -> None:
    day.output.mkdir()  # a folder where the file should go
    with pytest.raises(OSError, match="labels"):
        handler(day.event(**DBSCAN), None)
    assert list(day.folder.glob(".*")) == []


def test_the_way_through_dbscan_imports_nothing_heavy(day: Any) -> None:
    program = """
import json, sys
from lambda_worker.handler import handler
reply = handler(json.loads(sys.argv[1]), None)
heavy = {"scipy", "sklearn", "pandas", "pyarrow", "duckdb", "dagster", "boto3", "cluster_assets", "joblib"}
print(json.dumps([reply["ok"], sorted(heavy & {name.partition(".")[0] for name in sys.modules})]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", program, json.dumps(day.event(**DBSCAN))],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert json.loads(answer.stdout) == [True, []]
