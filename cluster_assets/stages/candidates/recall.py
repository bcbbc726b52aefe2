"""The recall of locality-sensitive hashing, measured each day on a sample of the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import CANDIDATES
from cluster_assets.stages.candidates.joins import sampled_points
from cluster_assets.stages.day.sql import WrittenTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.backends.ports import FileRelation, WrittenFile
    from cluster_assets.stages.candidates.metrics import Comparison
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt


@dataclass(frozen=True, slots=True)
class Recall:
    """The number of near pairs in a sample by the exact rule, and how many of them hashing found.

    Whether hashing finds a pair depends on its two points alone, so the pairs within a sample of points are
    an unbiased sample of all pairs.
    """

    points: int
    near: int
    found: int

    def numbers(self) -> dict[str, int | float]:
        """Return the metrics for the day's metadata; without near pairs in the sample there is no recall."""
        told: dict[str, int | float] = {"recall_sample_points": self.points, "recall_sample_pairs": self.near}
        return told | ({"recall": round(self.found / self.near, 4)} if self.near else {})


def measure_recall(
    job: DayJob,
    attempt: Attempt,
    comparison: Comparison,
    relations: tuple[FileRelation, FileRelation],
    sizes: tuple[int, int],
    find_exactly: Callable[[FileRelation], tuple[WrittenFile, ...]],
) -> Recall:
    """Run the exact rule on a sample and look its pairs up among the candidates.

    Args:
        job: The day.
        attempt: Provides the prefixes for scratch files.
        comparison: How points are compared.
        relations: The points, and the candidates that hashing found.
        sizes: Number of points of the day, and maximum number of points of the sample.
        find_exactly: Writes all near pairs of the given points.
    """
    points, candidates = relations
    count, most = sizes
    every = -(-count // most)
    few = points if every == 1 else sampled_points(job, attempt, comparison, points, every)
    files = find_exactly(few)
    exact = WrittenTable(files, CANDIDATES).relation
    (row,) = job.sql.fetch(
        bind("candidates/hashing/recall.sql"), {"sampled_candidates": exact, "candidates": candidates}
    )
    return Recall(-(-count // every), int(row["near"]), int(row["found"]))
