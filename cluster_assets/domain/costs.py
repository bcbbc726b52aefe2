"""The cloud cost of a day, from what AWS bills: bytes of queries, memory and time of workers.

Prices are settings with a date, because price lists change and differ by region.

The limits of AWS Lambda are here too. The local runtime enforces them, so that a day that runs locally also
runs on AWS. Source unless stated otherwise: AWS Lambda Developer Guide, "Lambda quotas".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.domain.manifests import Metric

MEGABYTE = 1 << 20
TERABYTE = 1 << 40
SMALLEST_QUERY_BYTES = 10 * MEGABYTE


@dataclass(frozen=True, slots=True)
class AthenaPrice:
    """The price of scanned bytes.

    Attributes:
        dollars_per_tb: US dollars per terabyte (2^40 bytes) scanned; by default the list price of
            us-east-1.
        as_of: The date of that list price.
    """

    dollars_per_tb: float = 5.0
    as_of: str = "2025-06-01"

    def dollars(self, billed_bytes: int) -> float:
        """The price of bytes that are already rounded, see `billed_bytes`.

        >>> AthenaPrice().dollars(TERABYTE)
        5.0
        """
        return billed_bytes / TERABYTE * self.dollars_per_tb


def billed_bytes(scanned: int) -> int:
    """The bytes that Athena bills for one query: whole megabytes, at least ten.

    A query that reads nothing, such as one over an empty table, also counts as the minimum: so an estimate
    may be slightly too high, but never too low.

    >>> billed_bytes(1) == SMALLEST_QUERY_BYTES, billed_bytes(20 * MEGABYTE + 1) == 21 * MEGABYTE
    (True, True)
    """
    return max(-(-scanned // MEGABYTE) * MEGABYTE, SMALLEST_QUERY_BYTES)


@dataclass(frozen=True, slots=True)
class LambdaPrice:
    """The price of worker invocations.

    Attributes:
        dollars_per_gb_second: US dollars per gigabyte (2^30 bytes) of memory and second; x86_64, us-east-1.
        dollars_per_million: US dollars per million invocations.
        as_of: The date of these list prices.
    """

    dollars_per_gb_second: float = 0.0000166667
    dollars_per_million: float = 0.20
    as_of: str = "2025-06-01"

    def dollars(self, memory_mb: int, seconds: float, invocations: int) -> float:
        """The price of invocations that took `seconds` in all, each with `memory_mb`.

        >>> round(LambdaPrice().dollars(1024, 60.0, 1), 6)
        0.001
        """
        used = memory_mb / 1024 * seconds * self.dollars_per_gb_second
        return used + invocations / 1_000_000 * self.dollars_per_million


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
        """Metadata of a day; the names never change, so that the numbers can be plotted and summed."""
        return {
            ATHENA: round(self.athena_usd, _DIGITS),
            LAMBDA: round(self.lambda_usd, _DIGITS),
            TOTAL: round(self.total_usd, _DIGITS),
        }


def cost_of(metrics: Mapping[str, Metric]) -> Cost:
    """Read the cost of a day from its metadata; zero if the metadata has none."""
    return Cost(float(metrics.get(ATHENA, 0.0)), float(metrics.get(LAMBDA, 0.0)))


def total_cost(days: Iterable[Mapping[str, Metric]]) -> Cost:
    """The sum over the metadata of several days or stages."""
    return sum(map(cost_of, days), Cost())


@dataclass(slots=True)
class CostMeter:
    """Adds up the billed usage of one computation; thread-safe.

    Attributes:
        athena: Price of scanned bytes.
        worker: Price of invocations.
        queries: Number of queries.
        billed_bytes: Bytes of all queries, each rounded as Athena does.
        bytes_scanned: Bytes that all queries read.
        queue_seconds: Total time that queries waited for a shared engine.
        engine_seconds: Total time that the engine worked on them.
        invocations: Calls of the worker.
        gb_seconds: Memory in units of 2^30 bytes times seconds, summed over all calls.
    """

    athena: AthenaPrice = field(default_factory=AthenaPrice)
    worker: LambdaPrice = field(default_factory=LambdaPrice)
    queries: int = 0
    billed_bytes: int = 0
    bytes_scanned: int = 0
    queue_seconds: float = 0.0
    engine_seconds: float = 0.0
    invocations: int = 0
    gb_seconds: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add_query(
        self,
        billed_bytes: int,
        *,
        bytes_scanned: int = 0,
        queue_seconds: float = 0.0,
        engine_seconds: float = 0.0,
    ) -> None:
        """Add a query with the numbers of its `Statistics`; zeros if an engine has none."""
        with self._lock:
            self.queries += 1
            self.billed_bytes += billed_bytes
            self.bytes_scanned += bytes_scanned
            self.queue_seconds += queue_seconds
            self.engine_seconds += engine_seconds

    def add_invocation(self, memory_mb: int, seconds: float, calls: int = 1) -> None:
        """Add worker calls; Lambda bills the function's memory in whole milliseconds."""
        with self._lock:
            self.invocations += calls
            self.gb_seconds += memory_mb / 1024 * math.ceil(seconds * 1000) / 1000

    def metrics(self) -> dict[str, Metric]:
        """Metadata of a day: dollars, and the usage of the queries."""
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
        """The cost so far."""
        with self._lock:
            return Cost(
                self.athena.dollars(self.billed_bytes),
                self.worker.dollars(1024, self.gb_seconds, self.invocations),
            )


LAMBDA_PAYLOAD_BYTES = 6_291_456
"""Request and response of a synchronous invocation: 6 MB each (6 x 2^20 bytes)."""

LAMBDA_EVENT_BYTES = 262_144
"""Request of an asynchronous invocation: 256 KB, the quota that every region has kept; some allow 1 MB."""

LAMBDA_MAX_TIMEOUT_S = 900
"""Longest timeout of a function: 15 minutes."""

LAMBDA_MEMORY_MB = (128, 10_240)
"""Minimum and maximum memory of a function, in MiB."""

LAMBDA_INIT_TIMEOUT_S = 10
"""Time limit of the init phase; AWS then retries it once within the function's own timeout
(Developer Guide, "Understanding the Lambda execution environment lifecycle")."""
