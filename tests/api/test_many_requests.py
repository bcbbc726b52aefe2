"""Many requests at once, with a day flipped in between: no error, and no answer of two versions."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from asking import InProcess, Request, run
from entrances import OverHttp, served
from few_days import FewDays

from cluster_assets.api.application import create_application
from cluster_assets.api.config import ApiConfig

if TYPE_CHECKING:
    from asking import Answer

DAY = "2026-01-03"
BODY = b'{"items": [' + b",".join([b'{"vector": [5]}'] * 5) + b"]}"
REQUESTS = [
    Request("POST", "/v1/points/classify", BODY, {"content-type": "application/json"}),
    Request("GET", "/v1/points/clusters?limit=9"),
    Request("GET", "/v1/points/entities/e0"),
]


def publish(days: FewDays, version: int) -> None:
    """In version v, ten clusters begin at v * 1000, and each is named in all answers."""
    shift = version * 1000.0
    days.publish("points", DAY, {"e0": 5.0, **{f"e{k}": shift + k * 10 for k in range(1, 10)}})


def versions_of(answer: Answer) -> set[int]:
    """The versions that an answer shows: those of its header, and of each of its clusters."""
    assert answer.status == 200, answer.body
    body = answer.json()
    listed = {one["cluster"] // 100 for one in body.get("clusters", ()) if one["cluster"]}
    return listed | ({body["version"]} if "version" in body else set())


def test_no_answer_mixes_versions() -> None:
    days = FewDays()
    publish(days, 1)
    application = InProcess(create_application(days, ApiConfig()))

    async def flip() -> None:
        for version in range(2, 6):
            await asyncio.sleep(0.02)
            publish(days, version)

    async def ask() -> list[Answer]:
        flipping = asyncio.create_task(flip())
        answers: list[Answer] = []
        while not flipping.done():
            answers += await asyncio.gather(*(application.send_soon(one) for one in REQUESTS * 20))
        await flipping
        return answers + await asyncio.gather(*(application.send_soon(one) for one in REQUESTS))

    seen = [versions_of(answer) for answer in run(ask())]
    assert all(len(one) <= 1 for one in seen)
    assert {version for one in seen for version in one} >= {1, 5}


def test_a_server_answers_many_connections_while_a_day_flips() -> None:
    days = FewDays()
    publish(days, 1)
    with served(create_application(days, ApiConfig())) as server:
        flip = threading.Timer(0.1, publish, (days, 2))
        flip.start()
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(OverHttp(server.port).send, REQUESTS * 100))
        flip.join()
        last = server.send(REQUESTS[1])
    assert all(len(versions_of(one)) <= 1 for one in answers)
    assert versions_of(last) == {2}


def test_a_slow_answer_delays_no_other() -> None:
    days = FewDays()
    publish(days, 1)
    release = threading.Event()
    first = threading.Event()

    def wait_once(_: str) -> None:
        if not first.is_set():
            first.set()
            assert release.wait(60)

    days.before_open = wait_once
    with served(create_application(days, ApiConfig())) as server, ThreadPoolExecutor(1) as thread:
        slow = thread.submit(server.send, REQUESTS[1])
        assert first.wait(60)
        started = time.monotonic()
        assert server.send(REQUESTS[1]).status == 200
        assert not slow.done()
        release.set()
        assert slow.result(60).status == 200
        assert time.monotonic() - started < 60
