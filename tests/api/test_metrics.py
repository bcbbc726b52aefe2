"""Metrics count every request, in the text format of Prometheus."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asking import Client


def values(client: Client) -> dict[str, float]:
    """The values by name and labels; every line must be of the format."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for line in answer.body.decode().splitlines():
        if not line.startswith(("# HELP ", "# TYPE ")):
            match = re.fullmatch(r'(\w+\{(?:\w+="[^"]*",?)+\}) ([0-9.]+)', line)
            assert match, line
            found[match[1]] = float(match[2])
    return found


def test_requests_durations_and_items_are_counted(client: Client) -> None:
    for _ in range(3):
        client.post("/v1/points/classify", {"items": [{"vector": [1]}] * 4})
    client.post("/v1/points/classify", {"items": [{"vector": []}]})
    client.get("/nothing")
    found = values(client)
    assert found['cluster_api_requests_total{operation="classify",status="200"}'] == 3
    assert found['cluster_api_requests_total{operation="classify",status="422"}'] == 1
    assert found['cluster_api_requests_total{operation="none",status="404"}'] == 1
    assert found['cluster_api_items_total{pipeline="points"}'] == 12
    buckets = [value for name, value in found.items() if 'bucket{operation="classify"' in name]
    assert buckets == sorted(buckets)
    assert buckets[-1] == found['cluster_api_request_seconds_count{operation="classify"}'] == 4
    assert found['cluster_api_request_seconds_sum{operation="classify"}'] > 0
