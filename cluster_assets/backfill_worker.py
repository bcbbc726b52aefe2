"""A process of a backfill: ranges of days in, one JSON line for each day that ended out.

The first line on standard input is the pipeline, each further one a range of days. Standard output is
for the answers alone; what else is printed goes to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import dagster as dg

from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.domain.partitions import parse_day
from cluster_assets.pipeline_spec import PipelineSpec
from cluster_assets.runs import failed_day, materialize_days
from cluster_assets.settings import load_settings
from cluster_assets.stages.stage import PROGRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cluster_assets.domain.partitions import Day

    Answer = Callable[[dict[str, Any]], None]

_INTERRUPTED = 130


class _Seconds(logging.Handler):
    """Adds up what the stages of each day took."""

    def __init__(self) -> None:
        super().__init__()
        self.of_day: dict[Day, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        result = record.__dict__["day_result"]
        day = result.manifest.day
        self.of_day[day] = self.of_day.get(day, 0.0) + result.seconds


def serve(lines: Iterable[str], answer: Answer) -> None:
    """Run ranges until there are no more.

    Args:
        lines: The pipeline, then ranges of days.
        answer: Gets `{"day", "seconds", "error"}` for each day, and `{}` after each range.
    """
    lines = iter(lines)
    task = json.loads(next(lines))
    spec = PipelineSpec.model_validate(task["spec"])
    seconds = _Seconds()
    PROGRESS.addHandler(seconds)
    PROGRESS.setLevel(logging.INFO)
    PROGRESS.propagate = False
    for line in lines:
        days = [parse_day(day) for day in json.loads(line)["days"]]
        for day, error in run_range(spec, days, force=task["force"]):
            answer({"day": day.key, "seconds": round(seconds.of_day.pop(day, 0.0), 3), "error": error})
        answer({})


def run_range(spec: PipelineSpec, days: list[Day], *, force: bool) -> Iterable[tuple[Day, str | None]]:
    """Run consecutive days; a failed one leaves the others. Each with its error, or None.

    Dagster ends a run at its first failure. The days before it are finished then, those after it run
    again; where nothing says which day failed, each runs alone.
    """
    settings = load_settings()
    parts = [days]
    while parts:
        part = parts.pop(0)
        try:
            materialize_days(spec, part, settings, force=force)
        except dg.DagsterExecutionInterruptedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the day's, and told
            failed = failed_day(error)
            if failed not in part and len(part) > 1:
                parts = [[day] for day in part] + parts
                continue
            failed = failed if failed in part else part[0]
            yield from ((day, None) for day in part if day < failed)
            yield failed, _text(error)
            if after := [day for day in part if day > failed]:
                parts.insert(0, after)
        else:
            yield from ((day, None) for day in part)


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, ClusterAssetsError) else f"{type(error).__name__}: {error}"


def main() -> None:
    """Answer on what was standard output when the process began."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as output:
        os.dup2(2, 1)

        def answer(line: dict[str, Any]) -> None:
            output.write(json.dumps(line) + "\n")

        try:
            serve(sys.stdin, answer)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            sys.exit(_INTERRUPTED)
        except BrokenPipeError:
            sys.exit(1)  # whoever asked is gone


if __name__ == "__main__":
    main()
