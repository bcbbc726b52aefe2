"""How many near pairs locality-sensitive hashing found: measured each day, on a sample of the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.tables import CANDIDATES
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.joins import sampled_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.metrics import Comparison
    from cluster_assets.ports import WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob


@dataclass(frozen=True, slots=True)
class Recall:
    """Near pairs among the sampled points, by the exact rule, and those of them that were found.

    Whether hashing finds a pair depends on its two points alone, so the pairs within a sample of the points
    are a fair sample of the pairs.
    """

    points: int
    near: int
    found: int

    def numbers(self) -> dict[str, int | float]:
        """For the metadata of a day; without a near pair in the sample there is no recall to tell."""
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
        attempt: Where scratch files go.
        comparison: What is compared.
        relations: The points, and the candidates that hashing found.
        sizes: Points of the day, and points of the sample at most.
        find_exactly: Writes all near pairs of the points it is given.
    """
    points, candidates = relations
    count, most = sizes
    every = -(-count // most)
    few = points if every == 1 else sampled_points(job, attempt, comparison, points, every)
    files = find_exactly(few)
    exact = FileRelation(tuple(file.uri for file in files), columns=CANDIDATES.columns)
    row = job.backend.engine.fetch(
        bind("recall/recall.sql"), {"sampled_candidates": exact, "candidates": candidates}
    ).rows[0]
    return Recall(-(-count // every), int(row["near"]), int(row["found"]))
