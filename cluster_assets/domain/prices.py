"""What AWS charges, as settings with a date: lists change, and each region has its own."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1 << 20
TERABYTE = 1 << 40
SMALLEST_QUERY_BYTES = 10 * MEGABYTE


@dataclass(frozen=True, slots=True)
class AthenaPrice:
    """The price of scanned bytes.

    Attributes:
        dollars_per_tb: US dollars per terabyte (2^40 bytes) scanned; by default the list price of
            us-east-1.
        as_of: The day on which that price was the list price.
    """

    dollars_per_tb: float = 5.0
    as_of: str = "2025-06-01"

    def dollars(self, billed_bytes: int) -> float:
        """The price of bytes that are rounded already, see `billed_bytes`.

        >>> AthenaPrice().dollars(TERABYTE)
        5.0
        """
        return billed_bytes / TERABYTE * self.dollars_per_tb


def billed_bytes(scanned: int) -> int:
    """The bytes Athena charges one query for: whole megabytes, at least ten.

    A query that reads nothing, such as one over an empty table, is counted as the minimum too: an estimate
    may be too high by that, never too low.

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
        as_of: The day on which these prices were the list prices.
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
