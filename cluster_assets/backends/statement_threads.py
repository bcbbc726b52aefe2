"""Run statements in threads, so that an interrupt of the caller also stops the statement."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")
_POLL_S = 0.05


def run_interruptibly(
    name: str,
    work: Callable[[], _Result],
    cancel: Callable[[], None],
    patience_s: float = math.inf,
) -> _Result:
    """Run work in a thread and wait for its result.

    An interrupt of the caller cancels the work and is raised unchanged after the thread has ended.

    Args:
        name: Name of the thread.
        work: Runs in the thread; it is skipped if the interrupt arrives first.
        cancel: Stops the work. It is called repeatedly until the thread ends, because the statement may not
            have started at the first call.
        patience_s: Seconds to wait for the thread to end; the thread is a daemon.
    """
    future: Future[_Result] = Future()
    stopped = threading.Event()

    def run() -> None:
        if stopped.is_set():  # the interrupt came while this thread was starting
            return
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # handed to the waiting thread
            future.set_exception(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
        return future.result()
    except BaseException:
        stopped.set()
        deadline = time.monotonic() + patience_s
        while thread.is_alive() and time.monotonic() < deadline:
            cancel()
            thread.join(_POLL_S)
        raise
