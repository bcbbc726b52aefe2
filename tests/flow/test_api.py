"""The API over a published day: its answers are those of the published tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from asking import Client, InProcess
from entrances import OnLambda

from cluster_assets.api.application import create_application
from cluster_assets.api.config import ApiConfig
from cluster_assets.api.entrances.lambda_events import create_handler
from cluster_assets.domain.days import parse_day
from cluster_assets.served.days import PublishedIndexes
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.sequence import stages_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = "2026-01-05"
OWNER = "https://api.example.com/{entity}"
ODD = {0: "a/b", 1: "50% off?", 2: "🦊", 3: "two\nlines"}


def _write(path: Path, shift: float) -> dict[str, tuple[float, float]]:
    """Sixty entities around three places, some with odd names."""
    chance = np.random.default_rng(3)
    places = {
        ODD.get(number, f"e{number:02d}"): (
            round(10.0 * (number % 3) + shift + chance.normal(0, 0.3), 2), round(chance.normal(0, 0.3), 2)
        )
        for number in range(60)
    }  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (event_time TIMESTAMP, id VARCHAR, x DOUBLE, y DOUBLE)")
        rows = [[f"{DAY} 01:00:00", name, x, y] for name, (x, y) in places.items()]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    return places


def _run(ran: Any) -> None:
    job = DayJob(ran.spec, ran.backend, ran.ledger, parse_day(DAY))
    for stage in stages_of(ran.spec):
        if stage.name != "report":
            run_day(stage, job)


def test_the_api_answers_what_was_published(runner: Callable[..., Any], tmp_path: Path, until: str) -> None:
    places = _write(tmp_path / "a.parquet", 0.0)
    ran = runner(
        raw={"files": str(tmp_path / "a.parquet"), "time_column": "event_time"},
        features={"vector": ["max(x)", "max(y)"]},
        distance={"metric": "euclidean", "threshold": 0.8},
        algorithm={"type": "dbscan", "min_samples": 3},
        serve={
            "max_items": 60,
            "enrich": {"owner": {"url": OWNER, "headers": {"x-key": "CLUSTER_ENRICH_KEY"}}},
        },
    )
    _run(ran)
    now = [0.0]
    days = PublishedIndexes(ran.backend.store, ran.backend.catalog, clock=lambda: now[0])
    labels: dict[str, int] = dict(ran.table("clusters", DAY)[["entity", "cluster"]].to_numpy().tolist())
    clients = [
        Client(InProcess(create_application(days, ApiConfig()))),
        Client(OnLambda(create_handler(days, {}), "rest-api")),
    ]
    items = [{"vector": place} for place in places.values()]
    for client in clients:
        for name, label in labels.items():
            answer = client.get("/v1/demo/entities", name=name).json()
            assert (answer["today"]["cluster"], answer["today"]["day"]) == (label, DAY)
        found = client.post("/v1/demo/classify", {"items": items}).json()
        assert [one["cluster"] for one in found["predictions"]] == [labels[name] for name in places]
        listed = client.get("/v1/demo/clusters").json()["clusters"]
        assert {one["cluster"]: one["entities"] for one in listed} == {
            number: sum(label == number for label in labels.values())
            for number in set(labels.values()) - {-1}
        }
        members = client.get("/v1/demo/clusters/0/members", limit=1000).json()["members"]
        assert [one["entity"] for one in members] == sorted(
            name for name, label in labels.items() if label == 0
        )
        assert client.post("/v1/demo/classify", {"items": [*items, items[0]]}).status == 413
        bad = client.post("/v1/demo/classify", {"items": [{"vector": [1]}]})
        assert (bad.status, bad.json()["field"].split("/")[:2]) == (422, ["items", "0"])

    (source,) = days.open_day("demo").sources
    assert (source.name, source.url, source.timeout_s) == ("owner", OWNER, 1)
    assert source.headers == {"x-key": "CLUSTER_ENRICH_KEY"}

    page = clients[0].get("/v1/demo/clusters", limit=1).json()
    _write(tmp_path / "a.parquet", 100.0)
    _run(ran)
    now[0] = 31.0
    fresh = clients[0].get("/v1/demo/clusters").json()
    assert fresh["version"] == page["version"] + 1
    following = clients[0].get("/v1/demo/clusters", after=page["next"]).json()
    assert following["version"] == page["version"]
    assert json.dumps(following["clusters"][0]) in json.dumps(listed)
