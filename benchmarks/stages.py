"""Runs one stage of a pipeline over points that a benchmark made, as a day on one laptop would."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from cluster_assets import features
from cluster_assets.composition import open_backend
from cluster_assets.domain.partitions import parse_day
from cluster_assets.domain.tables import MEMBERS, points_contract
from cluster_assets.pipeline_spec import PipelineSpec
from cluster_assets.ports import WrittenFile
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Draft, Ledger
from cluster_assets.stages.stage import DayJob, run_day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.stage import Stage

DAY = parse_day("2026-01-01")


def pipeline(**attributes: Any) -> PipelineSpec:
    """A pipeline whose raw rows are never read: its points are made by the benchmark."""
    base: dict[str, Any] = {
        "name": "bench",
        "start_date": DAY.key,
        "raw": {"files": "none.parquet", "time_column": "t"},
        "entity": "e",
        "algorithm": {"type": "dbscan", "min_samples": 10},
    }
    return PipelineSpec.model_validate(base | attributes)


@contextmanager
def day_of_points(spec: PipelineSpec, points: Path, home: Path) -> Iterator[DayJob]:
    """A day whose points are published: each its own entity.

    Args:
        spec: The pipeline.
        points: Parquet file of the table `points`.
        home: An empty folder.
    """
    os.environ["CLUSTER_HOME"] = str(home)
    with open_backend(load_settings()) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        attempt = ledger.start_attempt("points", DAY)
        target = Path(attempt.prefix_uri("points")) / "part-00000.parquet"
        target.parent.mkdir(parents=True)
        os.link(points, target)
        members = Path(attempt.prefix_uri("members")) / "part-00000.parquet"
        members.parent.mkdir(parents=True)
        duckdb.sql(
            f"COPY (SELECT lpad(point_id::VARCHAR, 12, '0') AS entity, point_id FROM '{points}' ORDER BY 1) "
            f"TO '{members}' (FORMAT parquet)"
        )
        rows = duckdb.sql(f"SELECT count(*) FROM '{points}'").fetchall()[0][0]
        contract = points_contract(features.columns_of(spec.features))
        tables = {
            "points": (contract, (WrittenFile(str(target), rows, target.stat().st_size),)),
            "members": (MEMBERS, (WrittenFile(str(members), rows, members.stat().st_size),)),
        }
        ledger.commit(Draft("points", DAY, attempt, "made", {}, tables, {"rows": rows, "entities": rows}))
        yield DayJob(spec, backend, ledger, DAY)


def timed(stage: Stage, job: DayJob) -> tuple[float, Manifest]:
    """Seconds of wall time, and what was published."""
    started = time.perf_counter()
    result = run_day(stage, job)
    return time.perf_counter() - started, result.manifest
