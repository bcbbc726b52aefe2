"""A program that runs commands of `cluster-assets`, each in a process group of its own, ready at once.

Loading Dagster takes seconds; it is done once, and every command is a fork of the loaded program. Each line
of the input is a JSON object: `arguments` and `environment`. Two lines answer it: the process id when the
command begins, and its exit status when it has ended, negative for a signal.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from cluster_assets.cli import commands, run_command


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


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            in_fork(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
