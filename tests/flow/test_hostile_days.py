"""Days of hostile names and files, and the same day in another order and with other threads."""

from __future__ import annotations

import gzip
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster_assets.lake import open_lake
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.flow.conftest import Runner

DAY = "2026-01-05"
NEAR = {"metric": "euclidean", "threshold": 1.0}
ONE_NUMBER = {"features": {"vector": ["max(x)"]}, "distance": NEAR}
NAMES = (
    "NFC \u00e9",
    "NFD e\u0301",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202ereversed",
    "\U0001f600",
    "nul\x00inside",
    "007",
    "7",
    "7.0",
    "NULL",
    "null",
    " a ",
    "a",
    "A",
    "'",
    '"',
    "\\",
    "a/b?c#d%2F",
    "line\nbreak",
    "x" * 100_000,
    "x" * 100_001,
)


def write(path: Path, rows: list[tuple[str, float]]) -> dict[str, Any]:
    """Write rows of the day; return the source."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (id VARCHAR, x DOUBLE)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.execute(
            f"COPY (SELECT *, TIMESTAMP '{DAY}' AS event_time FROM t) TO '{path}' (FORMAT parquet)"
        )
    return source(path)


def source(path: Path) -> dict[str, Any]:
    return {"files": str(path), "time_column": "event_time"}


def test_every_text_is_an_entity_of_its_own_through_the_whole_day(
    runner: Callable[..., Runner], tmp_path: Path
) -> None:
    raw = write(tmp_path / "rows.parquet", [(name, float(place)) for place, name in enumerate(NAMES)])
    day = runner(raw=raw, **ONE_NUMBER)
    day.run(DAY)
    assert sorted(day.table("clusters", DAY)["entity"]) == sorted(NAMES)
    read = open_lake().read("demo", "clusters", DAY).to_arrow()
    assert sorted(read.column("entity").to_pylist()) == sorted(NAMES)
    assert set(read.column("cluster").to_pylist()) == {0}, "a chain of places one apart"


def test_neither_the_order_of_rows_nor_threads_change_a_byte(
    home: Path, warm_workers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster_assets.spec.pipeline import PipelineSpec
    from tests.flow.conftest import Runner  # not at import: its fixtures are registered there

    chance = random.Random(5)
    rows = [(f"e{place % 1500}", chance.gauss(place % 7 * 10, 1.0)) for place in range(6000)]
    digests = []
    for number, threads in enumerate(("1", "4", "4")):
        raw = write(tmp_path / str(number) / "rows.parquet", rows)
        chance.shuffle(rows)
        monkeypatch.setenv("CLUSTER_SQL_THREADS", threads)
        spec = PipelineSpec.model_validate(
            {
                "name": f"demo{number}",
                "start_date": DAY,
                "entity": "id",
                "raw": raw,
                "algorithm": {"type": "dbscan", "min_samples": 3},
                **ONE_NUMBER,
                "distance": NEAR | {"threshold": 0.05},
            }
        )
        with open_backend(load_settings()) as opened:
            day = Runner(replace(opened, invoker_for=warm_workers), spec, "clusters")
            results = day.run(DAY)
        digests.append(
            {
                name: table.content_digest
                for stage in ("points", "candidates", "clusters")
                for name, table in results[stage].manifest.tables.items()
            }
        )
    assert len(digests[0]) >= 4
    assert digests[0] == digests[1] == digests[2]


def bombs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Small files whose rows take much memory when all are read at once."""
    text = folder / "text.parquet"
    rows = f"SELECT 'e' || (i % 50) AS id, (i % 7)::DOUBLE AS x, TIMESTAMP '{DAY}' AS event_time"
    duckdb.execute(
        f"COPY ({rows}, repeat('x', 100_000) AS note FROM range(2_800) t(i)) TO '{text}' (FORMAT parquet)"
    )
    yield "280 MB of text", text
    wide = folder / "wide.parquet"
    columns = ", ".join(f"{number} AS c{number}" for number in range(2_000))
    duckdb.execute(f"COPY ({rows}, {columns} FROM range(50) t(i)) TO '{wide}' (FORMAT parquet)")
    yield "2,000 columns", wide
    groups = folder / "groups.parquet"
    table = pa.table(duckdb.sql(f"{rows} FROM range(2_000) t(i)").to_arrow_table())
    pq.write_table(table, groups, row_group_size=1)
    yield "2,000 row groups", groups
    zipped = folder / "rows.csv.gz"
    with gzip.open(zipped, "wb", compresslevel=1) as file:
        file.write(b"event_time,id,x,note\n")
        for place in range(145):  # a line may have at most 2 MB
            file.write(f"{DAY} 00:00:00,e{place % 50},{place % 7},".encode() + b"x" * 1_900_000 + b"\n")
    yield "275 MB of CSV", zipped


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process took at most")
def test_a_small_file_that_unpacks_to_a_huge_one_is_read_in_little_memory(
    runner: Callable[..., Runner], tmp_path: Path
) -> None:
    for number, (kind, path) in enumerate(bombs(tmp_path)):
        Path("/proc/self/clear_refs").write_text("5")  # the most that was taken is what is taken now
        before = taken("VmRSS")
        day = runner(name=f"demo{number}", raw=source(path), **ONE_NUMBER)
        day.run(DAY)
        assert len(day.table("clusters", DAY)) == 50, kind
        assert taken("VmHWM") - before < 250, kind


def taken(name: str) -> float:
    """Memory of this process in MB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) / 1024
