"""Runs one stage of a pipeline over points that a benchmark made, as a day on one laptop would."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from benchmarks.measure.processes import Clock
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.tables import MEMBERS, points_contract
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Draft, Ledger
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.points.stage import inputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measure.processes import Spent
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.day.stage import Stage


def pipeline(**attributes: Any) -> PipelineSpec:
    """A pipeline whose raw rows are never read: its points are made by the benchmark."""
    base: dict[str, Any] = {
        "name": "bench",
        "start_date": "2026-01-01",
        "raw": {"files": "none.parquet", "time_column": "t"},
        "entity": "e",
        "algorithm": {"type": "dbscan", "min_samples": 10},
    }
    return PipelineSpec.model_validate(base | attributes)


@contextmanager
def days_of_points(spec: PipelineSpec, files: Sequence[Path], home: Path) -> Iterator[tuple[DayJob, ...]]:
    """Days whose points are published: each its own entity.

    Args:
        spec: The pipeline.
        files: For each day a Parquet file of the table `points`.
        home: An empty folder.
    """
    # One worker, so that the seconds are those of all invocations in sequence.
    settings = load_settings().model_copy(update={"home": home, "worker_slots": 1})
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        days = [parse_day(f"2026-01-{number:02}") for number in range(1, len(files) + 1)]
        for day, points in zip(days, files, strict=True):
            _publish(spec, ledger, day, points)
        yield tuple(DayJob(spec, backend, ledger, day) for day in days)


def _publish(spec: PipelineSpec, ledger: Ledger, day: Day, points: Path) -> None:
    attempt = ledger.start_attempt("points", day)
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
    numbers = {"rows": rows, "entities": rows}
    ledger.commit(Draft("points", day, attempt, "made", inputs_of(spec), tables, numbers))


def write_points(path: Path, **columns: Any) -> None:
    """Write a table `points`, each of which is its own entity.

    Args:
        path: Parquet file.
        columns: Of the features: an array of numbers, or a list of texts or lists.
    """
    import pandas as pd

    frame = pd.DataFrame(
        {name: column if isinstance(column, np.ndarray) else list(column) for name, column in columns.items()}
    )
    frame.insert(0, "point_id", np.arange(len(frame), dtype=np.int64))
    frame.insert(1, "weight", np.ones(len(frame), np.int64))
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"COPY frame TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def take_stages(stages: Sequence[Stage], warm: DayJob, job: DayJob) -> tuple[Spent, tuple[Manifest, ...]]:
    """Run stages of a day after those of a small day, which imports modules and starts workers."""
    for stage in stages:
        run_day(stage, warm)
    with Clock() as clock:
        manifests = tuple(run_day(stage, job).manifest for stage in stages)
    return clock.spent, manifests
