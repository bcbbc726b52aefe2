"""What a backfill costs: days through `cluster-assets backfill` against the bare stages, by days of a run.

The bare side is one process without Dagster, stage by stage. Both start from an empty warehouse; Dagster's
own database is made before the clock starts. Sides alternate within a round; the ratios are of one round.
BENCH_DAYS and BENCH_ROUNDS make it shorter.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIRST = "2013-03-04"
DAYS = int(os.environ.get("BENCH_DAYS", "30"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ENTITIES = 1_200  # a day: what the honeypots of 2013 saw
PIPELINE = "attackers"
SETTINGS = tuple((per_run, parallel) for per_run in (1, 7, 30) for parallel in (1, 2))


def days() -> tuple:
    """The benchmark's days."""
    from cluster_assets.domain.partitions import days_between, parse_day

    first = parse_day(FIRST)
    return tuple(
        day for _, day in zip(range(DAYS), days_between(first, parse_day("2013-09-08")), strict=False)
    )


def bare() -> None:
    """The stages alone, in this process."""
    from cluster_assets.composition import open_backend
    from cluster_assets.pipeline_files import load_pipeline_named
    from cluster_assets.settings import load_settings
    from cluster_assets.stages.ledger import Ledger
    from cluster_assets.stages.stage import DayJob, run_day
    from cluster_assets.stages.way import STAGES

    settings = load_settings()
    spec = load_pipeline_named(PIPELINE, settings.defs_dirs)
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        for stage in STAGES:
            for day in days():
                run_day(stage, DayJob(spec, backend, ledger, day))


def database() -> None:
    """Dagster's own, made once in its life."""
    from cluster_assets.runs import prepare_instance
    from cluster_assets.settings import load_settings

    prepare_instance(load_settings())


def timed(command: list[str], lake: Path, *, with_database: bool) -> float:
    """Wall seconds of a command from its start to its end, its imports included."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"CLUSTER_HOME": home, "CLUSTER_REAL_DATA": str(lake)}
        environment.pop("DAGSTER_HOME", None)
        if with_database:
            subprocess.run([sys.executable, __file__, "--database"], env=environment, check=True)
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        return time.perf_counter() - started


def backfill(lake: Path, per_run: int, parallel: int) -> float:
    """Seconds of a backfill."""
    command = [str(Path(sys.executable).with_name("cluster-assets")), "backfill", PIPELINE]
    command += ["--from", days()[0].key, "--to", days()[-1].key]
    command += ["--days-per-run", str(per_run), "--parallel", str(parallel)]
    return timed(command, lake, with_database=True)


def main() -> None:
    """Print the table."""
    print(f"backfills: {DAYS} days of {PIPELINE}, {ENTITIES} entities a day, median of {ROUNDS} rounds")
    print(f"{'days a run':>12}{'processes':>12}{'seconds':>12}{'s a day':>12}{'to bare':>12}")
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("cluster-assets")), "sample", "--output", folder]
        size = ["--days", str(DAYS), "--start", FIRST, "--entities", str(ENTITIES)]
        subprocess.run([*command, *size], check=True, stdout=subprocess.DEVNULL)
        lake = Path(folder)
        rounds = []
        for _ in range(ROUNDS):
            without = timed([sys.executable, __file__, "--bare"], lake, with_database=False)
            rounds.append({None: without} | {how: backfill(lake, *how) for how in SETTINGS})
    for how in (None, *SETTINGS):
        seconds = statistics.median(found[how] for found in rounds)
        ratio = statistics.median(found[how] / found[None] for found in rounds)
        line = f"{'bare':>12}{1:>12}" if how is None else f"{how[0]:>12}{how[1]:>12}"
        print(f"{line}{seconds:>12.1f}{seconds / DAYS:>12.2f}{ratio:>12.2f}", flush=True)


if __name__ == "__main__":
    {"--bare": bare, "--database": database}.get("".join(sys.argv[1:2]), main)()
