"""A pipeline with many published days, most of which are copies of one."""

from __future__ import annotations

import datetime as dt
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import Day
from cluster_assets.domain.tables import TableContract
from cluster_assets.opening import open_backend
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Draft, Ledger
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.domain.manifests import Manifest

PIPELINE = "attackers"
LAST = Day(dt.date(2013, 9, 6))
ENTITIES = 1_200


@dataclass(frozen=True)
class History:
    """The last day of a history, not yet computed, and the environment of commands about it."""

    job: DayJob
    environment: dict[str, str]


@contextmanager
def history_of(days: int, entities: int, folder: Path) -> Iterator[History]:
    """Publish so many days before the last one.

    The two days before the last are computed. Those before them are copies of the first of the two, so that
    the last day has the same input whatever their number.

    Args:
        days: At least 2; the sample has a file for each of the last three days only.
        entities: Of each day.
        folder: Empty.
    """
    lake, home = folder / "lake", folder / "home"
    first = _days_before(2)
    write_sample(SampleConfig(lake, first, days=3, entities=entities))
    environment = os.environ | {"CLUSTER_HOME": str(home), "CLUSTER_REAL_DATA": str(lake)}
    settings = load_settings().model_copy(update={"home": home})
    named = load_pipeline_named(PIPELINE, settings.defs_dirs)
    raw = named.raw.model_copy(update={"files": f"{lake}/honeypot_*.parquet"})
    spec = named.model_copy(update={"raw": raw})
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        for stage in STAGES:
            run_day(stage, DayJob(spec, backend, ledger, first))
        for number in range(3, days + 1):
            for stage in STAGES:
                manifest = ledger.require(stage.name, first)
                _copy(ledger, manifest, _days_before(number))
        for stage in STAGES:
            run_day(stage, DayJob(spec, backend, ledger, _days_before(1)))
        yield History(DayJob(spec, backend, ledger, LAST), environment)


def _days_before(count: int) -> Day:
    return Day(LAST.date - dt.timedelta(days=count))


def _copy(ledger: Ledger, manifest: Manifest, day: Day) -> None:
    """Publish the tables and documents of a day for another one; the files are links."""
    attempt = ledger.start_attempt(manifest.stage, day)
    tables = {}
    for name, table in manifest.tables.items():
        files = []
        for number, source in enumerate(ledger.files(manifest, name)):
            files.append(_link(source, Path(attempt.prefix_uri(name)) / f"part-{number:05}.parquet"))
        tables[name] = (TableContract(name, table.columns, ()), tuple(files))
    documents = {name: ledger.read_document(manifest, name) for name in manifest.documents}
    ledger.commit(
        Draft(
            manifest.stage,
            day,
            attempt,
            manifest.input_digest,
            manifest.inputs,
            tables,
            manifest.metrics,
            documents,
        )
    )


def _link(source: WrittenFile, target: Path) -> WrittenFile:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source.uri, target)
    return WrittenFile(str(target), source.rows, source.bytes)
