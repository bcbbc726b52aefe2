"""What a backfill costs: days through `cluster-assets backfill` against the bare stages, by days of a run.

The bare side is one process without Dagster, stage by stage. Both start from an empty warehouse; Dagster's
own database is made before the clock starts. All sides must publish the same clusters, whose truth is that of
the other benchmarks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure.comparing import OURS, Side, compare
from benchmarks.measure.processes import Clock
from benchmarks.measure.readings import PROJECT, Outcome
from cluster_assets.domain.days import Day, days_between, parse_day
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import Settings, load_settings
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from benchmarks.measure.options import Options

FIRST = "2013-03-04"
DAYS, ENTITIES = 7, 1_200  # a day: what the honeypots of 2013 saw
FULL_DAYS = 30
PIPELINE = "attackers"
SETTINGS = ((1, 1), (7, 1), (7, 2))
FULL_SETTINGS = ((1, 1), (1, 2), (7, 1), (7, 2), (30, 1), (30, 2))


def days(count: int) -> tuple[Day, ...]:
    """The days of the benchmark."""
    first = parse_day(FIRST)
    return tuple(days_between(first, parse_day("2013-09-08")))[:count]


def bare(count: int) -> None:
    """The stages alone, in this process."""
    from cluster_assets.opening import open_backend
    from cluster_assets.spec.yaml.files import load_pipeline_named
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.day.run import run_day
    from cluster_assets.stages.sequence import STAGES

    settings = load_settings()
    spec = load_pipeline_named(PIPELINE, settings.defs_dirs)
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        for stage in STAGES:
            for day in days(count):
                run_day(stage, DayJob(spec, backend, ledger, day))


def take(lake: str, count: int, per_run: int, parallel: int) -> Outcome:
    """Seconds of a command from its start to its end, its imports included; `per_run` 0 is the bare side."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"CLUSTER_HOME": home, "CLUSTER_REAL_DATA": lake}
        environment.pop("DAGSTER_HOME", None)
        if per_run:
            _run(["-m", __name__, "database", "0"], environment)
            first, *_, last = days(count)
            command = ["-m", "cluster_assets", "backfill", PIPELINE, "--from", first.key, "--to", last.key]
            command += ["--days-per-run", str(per_run), "--parallel", str(parallel)]
        else:
            command = ["-m", __name__, "bare", str(count)]
        with Clock() as clock:
            _run(command, environment)
        published = _published(load_settings().model_copy(update={"home": Path(home)}))
    return Outcome(clock.spent, {"clusters": published}, f"{clock.spent.wall_s / count:.2f} s a day")


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, *command], env=environment, cwd=PROJECT, check=True, capture_output=True)


def _published(settings: Settings) -> dict[str, str]:
    """Digests of the published clusters by day."""
    from cluster_assets.opening import open_storage

    ledger = Ledger(*open_storage(settings), PIPELINE)
    found = {day.key: ledger.require("clusters", day) for day in ledger.days("clusters")}
    return {day: manifest.content_digest for day, manifest in found.items()}


def make_database() -> None:
    """Dagster's own, made once in its life."""
    from cluster_assets.operations.instances import prepare_instance

    prepare_instance(load_settings())


def main(options: Options) -> None:
    """Print the table."""
    count = FULL_DAYS if options.full else options.at(DAYS, 2)
    settings = FULL_SETTINGS if options.full else SETTINGS[1:2] if options.small else SETTINGS
    with tempfile.TemporaryDirectory() as lake:
        entities = options.at(ENTITIES, 200)
        write_sample(SampleConfig(Path(lake), parse_day(FIRST), days=count, entities=entities))
        compare(
            f"{count} days of {PIPELINE}, {entities:,} entities a day",
            Side(f"{OURS}, bare stages", f"{__name__}:take", (lake, count, 0, 0)),
            [
                Side(
                    f"{per_run} a run, {parallel} at once",
                    f"{__name__}:take",
                    (lake, count, per_run, parallel),
                )
                for per_run, parallel in settings
            ],
            options,
        )


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        bare(int(sys.argv[2]))
    else:
        make_database()
