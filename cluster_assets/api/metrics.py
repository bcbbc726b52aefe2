"""Counts and durations of requests, as text for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Totals since the process started."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS_S) + 1))
        self._items: Counter[str] = Counter()

    def add(self, operation: str, status: int, seconds: float) -> None:
        """Count a request."""
        with self._lock:
            self._requests[operation, status] += 1
            self._seconds[operation] += seconds
            self._buckets[operation][bisect_left(BUCKETS_S, seconds)] += 1

    def add_items(self, pipeline: str, items: int) -> None:
        """Count classified items."""
        with self._lock:
            self._items[pipeline] += items

    def text(self) -> str:
        """Return all totals in Prometheus' text format."""
        with self._lock:
            requests = {
                f'operation="{operation}",status="{status}"': count
                for (operation, status), count in self._requests.items()
            }
            items = {f'pipeline="{pipeline}"': count for pipeline, count in self._items.items()}
            lines = [
                *_counter("cluster_api_requests_total", "Requests by operation and status.", requests),
                *self._duration_lines(),
                *_counter("cluster_api_items_total", "Classified items by pipeline.", items),
            ]
        return "\n".join([*lines, ""])

    def _duration_lines(self) -> list[str]:
        name = "cluster_api_request_seconds"
        lines = [f"# HELP {name} Duration of requests.", f"# TYPE {name} histogram"]
        for operation, counts in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
                total += count
                lines.append(f'{name}_bucket{{operation="{operation}",le="{bound}"}} {total}')
            lines.append(f'{name}_sum{{operation="{operation}"}} {self._seconds[operation]:.6f}')
            lines.append(f'{name}_count{{operation="{operation}"}} {total}')
        return lines


def _counter(name: str, meaning: str, rows: Mapping[str, int]) -> list[str]:
    values = [f"{name}{{{labels}}} {count}" for labels, count in sorted(rows.items())]
    return [f"# HELP {name} {meaning}", f"# TYPE {name} counter", *values]
