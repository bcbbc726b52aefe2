"""No process is left behind: not by close, not by a dead parent, not by what a handler starts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import wait_for

from cluster_assets.backends.local.sandbox_process import _present_resident_bytes, peak_resident_bytes
from cluster_assets.domain.errors import WorkerCrashedError, WorkerTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox_clock import SandboxClock

    from cluster_assets.backends.local.worker import LocalLambda

    Make = Callable[..., LocalLambda]
    IsRunning = Callable[[int], bool]

HANDLERS = Path(__file__).with_name("handlers")
DESCRIBE = {"do": "describe"}
PARENT = """
import sys
from pathlib import Path
from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
root, mode = sys.argv[1:]
worker = LocalLambda(LocalLambdaConfig(Path(root), "behaviours.handler", 256, 900, 1))
print(worker.invoke({"do": "describe"})["pid"], flush=True)
if mode == "idle":
    sys.stdin.read()
elif mode != "forget":
    worker.invoke({"do": "wait", "begun": mode, "until": mode + "-never"})
"""


def test_close_ends_every_sandbox(
    make_lambda: Make, tmp_path: Path, children: Callable[[], set[int]]
) -> None:
    before = children()
    worker = make_lambda(max_concurrency=3)
    calls = [{"do": "meet", "folder": str(tmp_path), "name": n, "company": 3} for n in range(3)]
    with ThreadPoolExecutor(3) as threads:
        pids = {answer["pid"] for answer in threads.map(worker.invoke, calls)}
    assert children() - before == pids
    worker.close()
    worker.close()
    assert not children() - before
    with pytest.raises(WorkerCrashedError, match="closed"):
        worker.invoke(DESCRIBE)
    assert not children() - before


def test_close_fails_running_and_waiting_calls(
    make_lambda: Make, tmp_path: Path, read_pid: Callable[[Path], int], children: Callable[[], set[int]]
) -> None:
    before = children()
    worker = make_lambda()
    event = {"do": "wait", "begun": str(tmp_path / "begun"), "until": str(tmp_path / "never")}
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(worker.invoke, event) for _ in range(3)]
        read_pid(tmp_path / "begun")
        worker.close()
        for call in calls:
            assert isinstance(call.exception(), WorkerCrashedError)
    assert not children() - before


def test_a_sandbox_outlives_the_thread_that_first_called_it(make_lambda: Make) -> None:
    worker = make_lambda()
    pids = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: pids.append(worker.invoke(DESCRIBE)["pid"]))
        thread.start()
        thread.join()
    assert len(pids) == 3
    assert len(set(pids)) == 1


def test_children_of_a_handler_die_with_it(
    make_lambda: Make, clock: SandboxClock, tmp_path: Path, is_running: IsRunning
) -> None:
    begun = tmp_path / "begun"
    clock.expire_after("the handler starts a process", lambda: begun.exists() and begun.read_text())
    with pytest.raises(WorkerTimeoutError):
        make_lambda().invoke({"do": "father", "begun": str(begun)})
    grandchild = int(begun.read_text())
    wait_for("the handler's process ends", lambda: not is_running(grandchild))


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_sandboxes_die_with_a_killed_parent(
    tmp_path: Path,
    state: str,
    read_pid: Callable[[Path], int],
    is_running: IsRunning,
) -> None:
    begun = tmp_path / "begun"
    mode = "idle" if state == "idle" else str(begun)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(HANDLERS), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if state == "busy":
            assert read_pid(begun) == pid
        assert is_running(pid)
        os.kill(parent.pid, signal.SIGKILL)
    wait_for("the sandbox of the killed parent ends", lambda: not is_running(pid))


def test_a_parent_that_forgets_to_close_leaves_nothing(is_running: IsRunning) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PARENT, str(HANDLERS), "forget"], capture_output=True, text=True, check=True
    )
    pid = int(answer.stdout)
    wait_for("the forgotten sandbox ends", lambda: not is_running(pid))
    assert answer.stderr == ""


def test_peak_memory_is_reported_in_bytes_and_is_nothing_for_a_dead_process() -> None:
    assert 10 << 20 < peak_resident_bytes(os.getpid()) < 100 << 30
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert peak_resident_bytes(process.pid) == 0


@pytest.mark.skipif(not shutil.which("ps"), reason="the way of systems without /proc needs their ps")
def test_present_memory_as_ps_tells_it() -> None:
    assert 10 << 20 < _present_resident_bytes(os.getpid()) <= peak_resident_bytes(os.getpid()) + (8 << 20)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert _present_resident_bytes(process.pid) == 0
