"""A program that runs commands of `cluster-assets`, each in a process group of its own, ready at once.

Orders hold `arguments` and `environment`; see `serve_orders` for the answers.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from cluster_assets.cli import commands, run_command

sys.path.insert(0, str(Path(__file__).parents[1] / "processes"))

from forks import serve_orders


def in_fork(order: dict[str, Any]) -> None:
    """Run and never return."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv[1:] = order["arguments"]
    try:
        run_command(commands)
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    except BaseException:  # noqa: BLE001  # whichever it is
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    serve_orders(in_fork)
