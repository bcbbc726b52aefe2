"""What `python -m benchmarks` was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The size of a run.

    Attributes:
        rounds: Readings of each side; medians are printed.
        small: Sizes that take seconds. All sides run in this process, so memory means nothing.
        full: The largest sizes, which take hours.
        case: Only cases whose title contains this text.
    """

    rounds: int = 3
    small: bool = False
    full: bool = False
    case: str = ""

    def wants(self, title: str) -> bool:
        """Whether a case is to be run."""
        return self.case in title

    def at(self, count: int, small: int) -> int:
        """Return a size, or the one of a small run."""
        return small if self.small else count
