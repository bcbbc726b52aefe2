"""Growth with the number of published days: a day's stages, the same day again, and `show`.

The day and the day before it are computed from the same input whatever the number of days before them, so its
tables must be equal. `show` of all days may grow as they do; nothing else may grow.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.inputs.histories import ENTITIES, LAST, PIPELINE, history_of
from benchmarks.measure.comparing import ResultsDifferError
from benchmarks.measure.growth import judge, slope
from benchmarks.measure.processes import Clock, Spent
from benchmarks.measure.readings import PROJECT, Outcome, read
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from benchmarks.inputs.histories import History
    from benchmarks.measure.options import Options
    from benchmarks.measure.readings import Reading

SIZES, FULL_SIZES, SMALL_SIZES = (7, 30, 100, 300), (7, 30, 100, 300, 1_000), (2, 4)
LINEAR, FLAT = 1.1, 0.1
ALL_DAYS = "show, all days"
SHOWN = {"show, one day": ("--day", LAST.key), ALL_DAYS: ()}


def take(entities: int, days: int, shown: list[str]) -> Outcome:
    """Processor seconds of each part after so many days, and digests of the tables of the day.

    Args:
        entities: Of each day.
        days: Published before.
        shown: Keys of `SHOWN`, the commands to measure.
    """
    with tempfile.TemporaryDirectory() as folder, history_of(days, entities, Path(folder)) as history:
        parts: dict[str, float] = {}
        digests: dict[str, str] = {}
        for stage in STAGES:
            with Clock() as clock:
                manifest = run_day(stage, history.job).manifest
            parts[stage.name] = clock.spent.cpu_s
            if stage.name != "raw":  # which has the paths of the files
                digests |= {name: table.content_digest for name, table in manifest.tables.items()}
        with Clock() as clock:
            for stage in STAGES:
                run_day(stage, history.job)
        parts["the same day again, with its checks"] = clock.spent.cpu_s
        parts |= {name: _show(history, SHOWN[name]) for name in shown}
    return Outcome(Spent(sum(parts.values()), 0.0), {"parts": parts, "tables": digests})


def _show(history: History, options: tuple[str, ...]) -> float:
    command = [sys.executable, "-m", "cluster_assets", "show", PIPELINE, *options]
    with Clock() as clock:
        subprocess.run(command, env=history.environment, cwd=PROJECT, check=True, capture_output=True)
    return clock.spent.cpu_s


def main(options: Options) -> None:
    """Print the table.

    Raises:
        ResultsDifferError: The tables of the day depend on the number of days before.
    """
    sizes = SMALL_SIZES if options.small else FULL_SIZES if options.full else SIZES
    entities = options.at(ENTITIES, 100)
    shown = [ALL_DAYS] if options.small else list(SHOWN)
    found: list[tuple[int, Reading]] = []
    for size in sizes:
        reading = read(options, f"{__name__}:take", entities, size, shown)
        if reading is not None:
            found.append((size, reading))
    tables = [reading.found["tables"] for _, reading in found]
    if any(one != tables[0] for one in tables):
        other = sorted(name for name in tables[0] if len({one[name] for one in tables}) > 1)
        raise ResultsDifferError(f"tables of a day depend on the number of days before: {', '.join(other)}")
    print(f"\nprocessor seconds of a day of {entities:,} entities after so many days of history")
    print(f"  {'':36}" + "".join(f"{size:>9,}" for size in sizes) + f"{'exponent':>11}")
    for name in found[0][1].found["parts"]:
        seconds = [reading.found["parts"][name] for _, reading in found]
        grows = slope([size for size, _ in found], seconds)
        judged = judge(grows, LINEAR if name == ALL_DAYS else FLAT, options)
        print(f"  {name:36}" + "".join(f"{one:9.3f}" for one in seconds) + f"{grows:11.2f} {judged}")
    largest = max(reading.largest_mib for _, reading in found)
    print(f"  largest process {largest:,.0f} MiB", flush=True)
