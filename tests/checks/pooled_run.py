"""A program: one Dagster run of one asset whose work is to wait for another run, or to look out for it.

Usage: pooled_run.py FOLDER NAME wait|look
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from cluster_assets.assets.daily import AssetShape, daily_asset, daily_policy
from cluster_assets.assets.resource import BackendResource
from cluster_assets.domain.manifests import Manifest
from cluster_assets.pipeline_spec import PipelineSpec
from cluster_assets.stages.stage import DayResult
from cluster_assets.stages.way import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.stages.stage import DayJob, Stage

LONGEST_WAIT_S = 120
LOOK_S = 5
DAY = "2026-01-01"


def pipeline(name: str) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": name,
            "start_date": DAY,
            "raw": {"files": "none", "time_column": "t"},
            "entity": "id",
            "features": {"vector": ["count(*)"]},
            "distance": {"metric": "euclidean", "threshold": 1},
            "algorithm": {"type": "dbscan", "min_samples": 2},
        }
    )


def meet(folder: Path, name: str, how: str) -> None:
    """Be seen in the folder while another run may be; `wait` until it is, or only `look`."""
    (folder / name).touch()
    if how == "look":  # once the other one has begun, it is at its step in no time
        _until(LONGEST_WAIT_S, lambda: len(list(folder.parent.glob("begun_*"))) > 1)
    met = _until(LONGEST_WAIT_S if how == "wait" else LOOK_S, lambda: len(list(folder.iterdir())) > 1)
    print("met" if met else "alone", flush=True)
    if how == "look":
        (folder / name).unlink()


def _until(seconds: float, is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not is_so():
        time.sleep(0.05)
    return is_so()


def run(folder: Path, name: str, how: str) -> None:
    spec = pipeline(name)

    def publish(stage: Stage, job: DayJob) -> DayResult:
        meet(folder, name, how)
        manifest = Manifest(
            pipeline=name, stage=stage.name, day=job.day, version=1, attempt="a", input_digest="", inputs={},
            code_version="", created_at="", metrics={"rows": 0},
        )  # fmt: skip
        return DayResult(manifest, reused=False, seconds=0.0)

    options: dict[str, Any] = {"publish": publish}
    shape = AssetShape(STAGES[0], "waits", frozenset(), (), (), **options)
    asset = daily_asset(spec, shape, daily_policy(spec, 1))
    with dg.DagsterInstance.get() as instance:
        (folder.parent / f"begun_{name}").touch()
        done = dg.materialize(
            [asset],
            instance=instance,
            partition_key=DAY,
            resources={"backend": BackendResource()},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    assert done.success


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
