"""A publisher that is killed at a line of `cluster_assets.publish`, in a fork of a loaded program.

Each line of input is an order: the options of the target, the day, and the number of the new line at which to
die, counted from 0; none lets it live. The child writes to the file `lines` how many there were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forks import serve_orders

import cluster_assets.publish
from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_storage
from cluster_assets.publish.days import publish_tables
from cluster_assets.publish.targets import open_target
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import Publish
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from types import FrameType

FOLDER = str(Path(cluster_assets.publish.__path__[0]))


class LineCounter:
    """Counts the lines of the package that run for the first time, and dies at one of them."""

    def __init__(self, die_at: int | None) -> None:
        self._die_at = die_at
        self.seen: set[tuple[str, int]] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> LineCounter | None:
        if not frame.f_code.co_filename.startswith(FOLDER):
            return None
        place = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and place not in self.seen:
            if len(self.seen) == self._die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.seen.add(place)
        return self


def publish(order: dict[str, Any]) -> None:
    settings = load_settings()
    store, catalog = open_storage(settings)
    ledger = Ledger(store, catalog, "demo")
    (options,) = Publish.model_validate(order["publish"]).targets.values()
    counter = LineCounter(order["die_at"])
    sys.settrace(counter)
    publish_tables(open_target(options, settings), ledger, store, ["clusters"], parse_day(order["day"]))
    sys.settrace(None)
    Path(order["lines"]).write_text(str(len(counter.seen)))
    os._exit(0)


if __name__ == "__main__":
    if "CLUSTER_SNOWFLAKE_CONNECTIONS" in os.environ:
        import snowflake.connector  # noqa: F401  # once, not in each fork
    serve_orders(publish)
