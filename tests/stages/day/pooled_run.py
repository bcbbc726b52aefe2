"""A program: one Dagster run of one asset whose work is to wait for another run, or to look out for it.

Usage: pooled_run.py FOLDER NAME wait|look
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import dagster as dg

from cluster_assets.assets import days
from cluster_assets.assets.daily import daily_assets, daily_policy
from cluster_assets.assets.resource import RESOURCES
from cluster_assets.domain.manifests import Manifest
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayResult
from cluster_assets.stages.sequence import STAGES

sys.path.insert(0, str(Path(__file__).parents[2] / "processes"))
from waiting import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.day.stage import Stage

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
        _until(LONGEST_S, lambda: len(list(folder.parent.glob("begun_*"))) > 1)
    met = _until(LONGEST_S if how == "wait" else LOOK_S, lambda: len(list(folder.iterdir())) > 1)
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

    asset = daily_assets(spec, STAGES[:1], daily_policy(spec, load_settings()))
    with patch.object(days, "publish_day", publish), dg.DagsterInstance.get() as instance:
        (folder.parent / f"begun_{name}").touch()
        done = dg.materialize(
            [asset],
            instance=instance,
            partition_key=DAY,
            resources=RESOURCES,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    assert done.success


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
