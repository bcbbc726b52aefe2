"""Local Lambdas over the handlers of this folder, closed after every test."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sandbox_clock import sandbox_clock
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox_clock import SandboxClock

HANDLERS = Path(__file__).with_name("handlers")


@pytest.fixture
def make_lambda() -> Iterator[Callable[..., LocalLambda]]:
    """Makes a local Lambda; limits are generous unless the test says otherwise."""
    with ExitStack() as stack:

        def make(module: str = "behaviours", **limits: Any) -> LocalLambda:
            settings = {"memory_mb": 512, "timeout_s": LONGEST_S, "max_concurrency": 1} | limits
            config = LocalLambdaConfig(HANDLERS, f"{module}.handler", **settings)
            return stack.enter_context(LocalLambda(config))

        yield make


def _is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    except ProcessLookupError:  # gone between open and read
        return False
    return state not in {"Z", "X"}


@pytest.fixture
def is_running() -> Callable[[int], bool]:
    """A function that returns whether a process is running."""
    return _is_running


@pytest.fixture
def clock() -> Iterator[SandboxClock]:
    """Time limits of the sandboxes are over when the test says so."""
    with sandbox_clock() as moved:
        yield moved


@pytest.fixture
def read_pid() -> Callable[[Path], int]:
    """Waits for a handler to write a process id into a file."""

    def read(path: Path) -> int:
        return int(wait_for(f"a process id in {path}", lambda: path.exists() and path.read_text()))

    return read


@pytest.fixture
def children() -> Callable[[], set[int]]:
    """Process ids of the living children of this process."""

    def list_children() -> set[int]:
        found = set()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _is_running(int(folder.name)):
                try:
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[1]) == os.getpid():
                    found.add(int(folder.name))
        return found

    return list_children
