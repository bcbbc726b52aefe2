"""A program: the first two stages of a day, as the settings of its environment say. Somebody kills it."""

from __future__ import annotations

import sys
from pathlib import Path

from cluster_assets.composition import open_backend
from cluster_assets.domain.partitions import parse_day
from cluster_assets.pipeline_files import load_pipeline
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Ledger
from cluster_assets.stages.stage import DayJob, run_day
from cluster_assets.stages.way import STAGES


def run_two_stages(path: Path, day: str) -> None:
    spec = load_pipeline(path)
    with open_backend(load_settings()) as backend:
        job = DayJob(spec, backend, Ledger(backend.store, backend.catalog, spec.name), parse_day(day))
        for stage in STAGES[:2]:
            run_day(stage, job)


if __name__ == "__main__":
    run_two_stages(Path(sys.argv[1]), sys.argv[2])
