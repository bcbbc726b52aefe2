"""What a day cost in the cloud, counted from what is billed: bytes of queries, memory and time of workers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from cluster_assets.domain.prices import AthenaPrice, LambdaPrice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.domain.manifests import Metric

ATHENA, LAMBDA, TOTAL = "athena_usd", "lambda_usd", "cost_usd"
_DIGITS = 9  # a call of 100 ms costs 3 millionths of a dollar


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars by service.

    >>> Cost(0.5, 0.25) + Cost(0.5) == Cost(1.0, 0.25)
    True
    """

    athena_usd: float = 0.0
    lambda_usd: float = 0.0

    @property
    def total_usd(self) -> float:
        """All services together."""
        return self.athena_usd + self.lambda_usd

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.athena_usd + other.athena_usd, self.lambda_usd + other.lambda_usd)

    def metrics(self) -> dict[str, Metric]:
        """For the metadata of a day: equal names every day, so that they can be plotted and summed."""
        return {
            ATHENA: round(self.athena_usd, _DIGITS),
            LAMBDA: round(self.lambda_usd, _DIGITS),
            TOTAL: round(self.total_usd, _DIGITS),
        }


def cost_of(metrics: Mapping[str, Metric]) -> Cost:
    """What the metadata of a day says it cost; nothing where it says nothing."""
    return Cost(float(metrics.get(ATHENA, 0.0)), float(metrics.get(LAMBDA, 0.0)))


def total_cost(days: Iterable[Mapping[str, Metric]]) -> Cost:
    """The sum over the metadata of several days or stages."""
    return sum(map(cost_of, days), Cost())


@dataclass(slots=True)
class CostMeter:
    """Adds up what one computation is billed for; safe to use from several threads.

    Attributes:
        athena: Price of scanned bytes.
        worker: Price of invocations.
        queries: How many there were.
        billed_bytes: Bytes of all queries, each rounded as Athena does.
        queue_seconds: How long a shared engine let them wait, together.
        engine_seconds: How long it worked on them.
        invocations: Calls of the worker.
        gb_seconds: Memory of 2^30 bytes times seconds, of all calls.
    """

    athena: AthenaPrice = field(default_factory=AthenaPrice)
    worker: LambdaPrice = field(default_factory=LambdaPrice)
    queries: int = 0
    billed_bytes: int = 0
    queue_seconds: float = 0.0
    engine_seconds: float = 0.0
    invocations: int = 0
    gb_seconds: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add_query(
        self, billed_bytes: int, *, queue_seconds: float = 0.0, engine_seconds: float = 0.0
    ) -> None:
        """A query, with the numbers of its `Statistics`; zeros where an engine has none."""
        with self._lock:
            self.queries += 1
            self.billed_bytes += billed_bytes
            self.queue_seconds += queue_seconds
            self.engine_seconds += engine_seconds

    def add_invocation(self, memory_mb: int, seconds: float, calls: int = 1) -> None:
        """Calls of the worker; Lambda bills whole milliseconds of the memory the function has."""
        with self._lock:
            self.invocations += calls
            self.gb_seconds += memory_mb / 1024 * math.ceil(seconds * 1000) / 1000

    def metrics(self) -> dict[str, Metric]:
        """For the metadata of a day: dollars, and what the queries took."""
        with self._lock:
            taken: dict[str, Metric] = {
                "queries": self.queries,
                "billed_bytes": self.billed_bytes,
                "queue_seconds": round(self.queue_seconds, 3),
                "engine_seconds": round(self.engine_seconds, 3),
            }
        return {**self.cost.metrics(), **taken}

    @property
    def cost(self) -> Cost:
        """What it comes to so far."""
        with self._lock:
            return Cost(
                self.athena.dollars(self.billed_bytes),
                self.worker.dollars(1024, self.gb_seconds, self.invocations),
            )
