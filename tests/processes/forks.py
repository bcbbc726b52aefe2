"""A program that runs orders in forks of itself, so that slow imports are loaded once."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from waiting import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Callable


def serve_orders(in_fork: Callable[[dict[str, Any]], None]) -> None:
    """Run each line of the input, a JSON object, in a fork.

    Two lines answer it: the process id when it begins, and its exit status when it has ended, negative for a
    signal.

    Args:
        in_fork: Runs an order and never returns.
    """
    _end_threads()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            in_fork(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _end_threads() -> None:
    """Wait for threads that imports started: a fork keeps the locks that they hold, and nobody opens them."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(LONGEST_S)
            assert not thread.is_alive(), f"{thread.name} is still running; a fork may wait for its locks"
