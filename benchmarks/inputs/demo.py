"""Days of a demo pipeline, from generated source rows."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster_assets.domain.days import Day
from cluster_assets.opening import open_backend
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DAY = Day(dt.date(2013, 3, 4))


def write_lake(folder: Path, entities: int) -> str:
    """Write the source rows of `DAY` and return the pattern of their files."""
    write_sample(SampleConfig(folder, DAY, days=1, entities=entities))
    return f"{folder}/honeypot_*.parquet"


@contextmanager
def demo_days(name: str, sources: Sequence[str], home: Path) -> Iterator[tuple[DayJob, ...]]:
    """Jobs of `DAY` for several sources, each of a pipeline of its own.

    Args:
        name: A pipeline of the demo.
        sources: Patterns of files, see `write_lake`.
        home: An empty folder.
    """
    # One worker, so that the seconds are those of all invocations in sequence.
    settings = load_settings().model_copy(update={"home": home, "worker_slots": 1})
    named = load_pipeline_named(name, settings.defs_dirs)
    with open_backend(settings) as backend:
        jobs = []
        for number, files in enumerate(sources):
            raw = named.raw.model_copy(update={"files": files})
            spec = named.model_copy(update={"name": f"{name}_{number}", "raw": raw})
            jobs.append(DayJob(spec, backend, Ledger(backend.store, backend.catalog, spec.name), DAY))
        yield tuple(jobs)
