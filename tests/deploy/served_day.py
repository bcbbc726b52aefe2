"""A day with an index, as files in a bucket and pointers in Glue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.index.documents import STAGE
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.ledger.recovery import find_lost_days, restore_day
from cluster_assets.stages.sequence import stages_of

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.backends.ports import Catalog, ObjectStore

PIPELINE, DAY = "places", "2026-01-05"
NAMES = tuple(f"e{number}" for number in range(12))


def compute_day(folder: Path) -> Path:
    """Compute a day of two clusters in CLUSTER_HOME; return its warehouse."""
    rows = [
        [f"{DAY} 01:00:00", name, 10.0 * (number % 2) + number / 100] for number, name in enumerate(NAMES)
    ]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (event_time TIMESTAMP, id VARCHAR, x DOUBLE)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.execute(f"COPY t TO '{folder / 'rows.parquet'}' (FORMAT parquet)")
    spec = PipelineSpec.model_validate(
        {
            "name": PIPELINE,
            "start_date": DAY,
            "entity": "id",
            "raw": {"files": str(folder / "rows.parquet"), "time_column": "event_time"},
            "features": {"vector": ["max(x)"]},
            "distance": {"metric": "euclidean", "threshold": 1.0},
            "algorithm": {"type": "dbscan", "min_samples": 3},
            "serve": {},
        }
    )
    settings = load_settings()
    with open_backend(settings) as backend:
        job = DayJob(spec, backend, Ledger(backend.store, backend.catalog, spec.name), parse_day(DAY))
        for stage in stages_of(spec):
            run_day(stage, job)
            if stage.name == STAGE:
                break
    return settings.warehouse_dir


def publish_day(warehouse: Path, store: ObjectStore, catalog: Catalog) -> None:
    """Copy the files of a warehouse to a store, and publish its days as `cluster-assets restore` does."""
    for file in sorted(warehouse.rglob("*")):
        if file.is_file():
            store.put_if_absent(file.relative_to(warehouse).as_posix(), file.read_bytes())
    for lost in find_lost_days(store, catalog):
        assert restore_day(catalog, lost), lost.problem
