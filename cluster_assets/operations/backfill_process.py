"""A process of a backfill: reads ranges of days and writes a JSON line for each stage and day that ends.

The first line on standard input is the pipeline, each further line a range of days. Standard output has only
the replies; everything else is printed to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import Interrupted, error_text
from cluster_assets.operations.progress import listening
from cluster_assets.operations.runs import try_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cluster_assets.operations.progress import StageEvent

    Answer = Callable[[dict[str, Any]], None]

_INTERRUPTED = 130


def serve(lines: Iterable[str], answer: Answer) -> None:
    """Run ranges until the input ends.

    Args:
        lines: The pipeline, then ranges of days.
        answer: Called with a `StageEvent` when a stage ends. When a range ends, it is called with
            `{"day", "seconds", "error"}` for each of its days, and then with `{}`.
    """
    lines = iter(lines)
    task = json.loads(next(lines))
    spec = PipelineSpec.model_validate(task["spec"])
    seconds: dict[str, float] = {}

    def on_stage(event: StageEvent) -> None:
        seconds[event.day] = seconds.get(event.day, 0.0) + event.seconds
        answer(event.to_json())

    with listening(on_stage):
        for line in lines:
            days = [parse_day(day) for day in json.loads(line)["days"]]
            failed = try_days(spec, days, load_settings(), force=task["force"])
            for day in days:
                error = error_text(failed[day]) if day in failed else None
                answer({"day": day.key, "seconds": round(seconds.pop(day.key, 0.0), 3), "error": error})
            answer({})


def main() -> None:
    """Reply on the original standard output of the process."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as output:
        os.dup2(2, 1)

        def answer(line: dict[str, Any]) -> None:
            output.write(json.dumps(line) + "\n")

        try:
            serve(sys.stdin, answer)
        except (KeyboardInterrupt, Interrupted):
            sys.exit(_INTERRUPTED)
        except BrokenPipeError:
            sys.exit(1)  # the parent process is gone


if __name__ == "__main__":
    main()
