"""What orchestration costs: 30 days through Dagster against the same SQL and worker calls without it.

Both sides start from an empty warehouse and run in a process of their own; rounds alternate. Dagster's
own database is made before the clock starts, since that happens once in its life, not once a run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIRST, DAYS, ROUNDS = "2013-03-04", 30, 3
ENTITIES = (1_200, 20_000)  # a day: what the honeypots of 2013 saw, and a busier place


def bare(pipeline: str) -> float:
    """Seconds of the stages alone, day by day."""
    from cluster_assets.composition import open_backend
    from cluster_assets.pipeline_files import load_pipeline_named
    from cluster_assets.settings import load_settings
    from cluster_assets.stages.ledger import Ledger
    from cluster_assets.stages.stage import DayJob, run_day
    from cluster_assets.stages.way import STAGES

    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        started = time.perf_counter()
        # The same order as a range run: a stage over all days, then the next.
        for stage in STAGES:
            for day in days():
                run_day(stage, DayJob(spec, backend, ledger, day))
        return time.perf_counter() - started


def orchestrated(pipeline: str) -> float:
    """Seconds of one range run through Dagster, recorded on its instance."""
    import dagster as dg

    from cluster_assets.pipeline_files import load_pipeline_named
    from cluster_assets.runs import materialize_days, prepare_home
    from cluster_assets.settings import load_settings

    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    prepare_home(settings)
    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()
    started = time.perf_counter()
    materialize_days(spec, days(), settings, force=False)
    return time.perf_counter() - started


def days() -> tuple:
    """The benchmark's days."""
    from cluster_assets.domain.partitions import days_between, parse_day

    first = parse_day(FIRST)
    return tuple(
        day for _, day in zip(range(DAYS), days_between(first, parse_day("2013-09-08")), strict=False)
    )


def measure(side: str, pipeline: str, lake: Path) -> tuple[float, float]:
    """One side in a process of its own: seconds and peak MiB."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"CLUSTER_HOME": home, "CLUSTER_REAL_DATA": str(lake)}
        environment.pop("DAGSTER_HOME", None)
        command = [sys.executable, __file__, "--one", side, pipeline]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["seconds"], answer["peak_mb"]


def main() -> None:
    """Print the table."""
    print(f"orchestration: {DAYS} days in one range run, median of {ROUNDS} rounds")
    names = ("entities", "bare s", "dagster s", "ratio", "overhead s/day", "peak MiB")
    print(f"{'pipeline':<12}" + "".join(f"{name:>15}" for name in names))
    for entities in ENTITIES:
        with tempfile.TemporaryDirectory() as folder:
            command = [str(Path(sys.executable).with_name("cluster-assets")), "sample", "--output", folder]
            size = ["--days", str(DAYS), "--start", FIRST, "--entities", str(entities)]
            subprocess.run([*command, *size], check=True, stdout=subprocess.DEVNULL)
            for pipeline in ("attackers", "origins", "behaviours"):
                print(f"{pipeline:<12}{entities:>15}" + compare(pipeline, Path(folder)), flush=True)


def compare(pipeline: str, lake: Path) -> str:
    """The numbers of a line."""
    rounds = [
        (measure("bare", pipeline, lake), measure("orchestrated", pipeline, lake)) for _ in range(ROUNDS)
    ]
    bare_s = statistics.median(part[0] for part, _ in rounds)
    full_s = statistics.median(full[0] for _, full in rounds)
    ratio = statistics.median(full[0] / part[0] for part, full in rounds)
    peak = max(full[1] for _, full in rounds)
    overhead = (full_s - bare_s) / DAYS
    return f"{bare_s:>15.2f}{full_s:>15.2f}{ratio:>15.2f}{overhead:>15.3f}{peak:>15.0f}"


def one(side: str, pipeline: str) -> None:
    """Measure in this process and print JSON."""
    import resource

    seconds = {"bare": bare, "orchestrated": orchestrated}[side](pipeline)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:4])
    else:
        main()
