"""Local Lambdas over the handlers of this folder, closed after every test."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.invokers.local_lambda import LocalLambda, LocalLambdaConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANDLERS = Path(__file__).with_name("handlers")


@pytest.fixture
def make_lambda() -> Iterator[Callable[..., LocalLambda]]:
    """Makes a local Lambda; limits are generous unless the test says otherwise."""
    with ExitStack() as stack:

        def make(module: str = "behaviours", **limits: Any) -> LocalLambda:
            settings = {"memory_mb": 512, "timeout_s": 60, "max_concurrency": 1} | limits
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
    """Tells whether a process runs."""
    return _is_running


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits until a condition holds and returns its value; a generous bound, not a measurement."""

    def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.01)
        raise AssertionError("it did not happen within 30 s")

    return wait


@pytest.fixture
def read_pid(eventually: Callable[..., Any]) -> Callable[[Path], int]:
    """Waits for a handler to write a process id into a file."""
    return lambda path: int(eventually(lambda: path.exists() and path.read_text()))


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
