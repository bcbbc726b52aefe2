"""A program that runs commands of `cluster-assets`, each in its own process group, without start-up time.

Orders hold `arguments`, `environment`, and whether the command is `held` before it commits a day of the last
stage, so that it is killed before it ends; see `serve_orders` for the answers.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_assets.cli import commands, run_command
from cluster_assets.stages.ledger.ledger import Draft, Ledger
from cluster_assets.stages.sequence import STAGE_NAMES

sys.path.insert(0, str(Path(__file__).parents[1] / "processes"))

from forks import serve_orders

if TYPE_CHECKING:
    from cluster_assets.domain.manifests import Manifest


def in_fork(order: dict[str, Any]) -> None:
    """Run and never return."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv[1:] = order["arguments"]
    if order["held"]:
        hold()
    try:
        run_command(commands)
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    except BaseException:  # noqa: BLE001  # whichever it is
        traceback.print_exc()
        os._exit(1)


def hold() -> None:
    """Let no day of the last stage be committed."""
    commit = Ledger.commit

    def held(ledger: Ledger, draft: Draft) -> Manifest:
        if draft.stage == STAGE_NAMES[-1]:
            threading.Event().wait()
        return commit(ledger, draft)

    Ledger.commit = held  # type: ignore[method-assign]


if __name__ == "__main__":
    serve_orders(in_fork)
