"""What surrounds an answer stays small, counted in calls of Python functions: the same on every machine."""

from __future__ import annotations

import sys
from io import StringIO
from typing import TYPE_CHECKING, Any, Self

import pytest
from asking import InProcess, Request

from cluster_assets.api.application import create_application
from cluster_assets.api.config import ApiConfig
from cluster_assets.api.observing import LOG, log_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from few_days import FewDays

MOST_CALLS = {"classify": 125, "entity": 135}
REQUESTS = {
    "classify": Request(
        "POST",
        "/v1/points/classify",
        b'{"items": [{"vector": [5]}]}',
        {"content-type": "application/json", "user-agent": "curl/8"},
    ),
    "entity": Request("GET", "/v1/points/entities/e0?history=0", headers={"user-agent": "curl/8"}),
}


class Calls:
    """The Python functions that are called while it is entered, without those of the tests."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __enter__(self) -> Self:
        self._before = sys.getprofile()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _note(self, frame: Any, event: str, _: object) -> None:
        if event == "call" and "/tests/" not in frame.f_code.co_filename:
            self.names.append(frame.f_code.co_qualname)


@pytest.fixture
def log() -> Iterator[StringIO]:
    """The log as a server writes it, whatever other tests set and pytest captures."""
    handlers, propagate, level = LOG.handlers, LOG.propagate, LOG.level
    log_to(stream := StringIO())
    yield stream
    LOG.handlers, LOG.propagate = handlers, propagate
    LOG.setLevel(level)


@pytest.mark.parametrize("operation", REQUESTS)
def test_a_request_takes_few_calls(days: FewDays, log: StringIO, operation: str) -> None:
    app = InProcess(create_application(days, ApiConfig(in_threads=False), has_emf=True))
    request = REQUESTS[operation]
    assert app.send(request).status == 200  # what is only done once is done now
    # Nothing waits for anything, so the request runs without a loop.
    sending = app.send_soon(request)
    with pytest.raises(StopIteration) as answered, Calls() as calls:
        sending.send(None)
    assert answered.value.value.status == 200
    assert log.getvalue().count("\n") == 2
    assert len(calls.names) <= MOST_CALLS[operation], calls.names
