"""Who may talk to the local Lambda runtime."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cluster_assets.backends.local.peers import uid_of_peer
from cluster_assets.backends.local.runtime_api import Invocation, ReportKind, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Iterator

NEXT = "/2018-06-01/runtime/invocation/next"
ASK = f"""
import http.client, sys
client = http.client.HTTPConnection(sys.argv[1], timeout=60)
try:
    client.request("GET", "{NEXT}")
    print(client.getresponse().status)
except (ConnectionError, http.client.HTTPException):
    print("refused")
"""


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    server = RuntimeApi(max_body_bytes=1000)
    server.offer(Invocation("1", b"{}", 0, "arn"))
    yield server
    server.close()


def test_the_own_user_is_served(api: RuntimeApi) -> None:
    with closing(http.client.HTTPConnection(api.address, timeout=60)) as client:
        client.request("GET", NEXT)
        peer, server = client.sock.getsockname(), client.sock.getpeername()
        assert uid_of_peer(peer, server) in (None, os.getuid())
        assert client.getresponse().status == 200
    assert api.reports.get().kind is ReportKind.READY


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the user of a connection")
def test_another_user_of_the_machine_is_refused(api: RuntimeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only root can start a process of another user; for others, the server takes itself for another user.
    other = {"user": 65534} if os.getuid() == 0 else {}
    if not other:
        monkeypatch.setattr(os, "getuid", lambda: -2)
    answer = subprocess.run(
        ["/usr/bin/env", "python3", "-c", ASK, api.address],
        check=True,
        capture_output=True,
        text=True,
        **other,
    )
    assert answer.stdout.strip() == "refused"
    assert api.reports.empty(), "the invocation is still there for the worker"


def test_a_connection_that_is_gone_has_no_user() -> None:
    assert uid_of_peer(("127.0.0.1", 1), ("127.0.0.1", 2)) in (None, -1)
