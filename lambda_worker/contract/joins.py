"""Finding the near pairs of the texts or sets of a day that one invocation holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lambda_worker.contract.measure import MeasureReply
from lambda_worker.contract.messages import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinEvent(Event):
    """Find the near pairs of texts or sets; a join that would take too much is declined before it begins.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT` and the feature column.
        kind: `text` or `set`.
        column: VARCHAR, or ARRAY(VARCHAR) of distinct tokens, at least one.
        point_count: Rows in all the files.
        metric: `levenshtein`; or `jaccard`, `dice`, `overlap` or `cosine`.
        threshold: Pairs at most this far apart are near.
        output: Address of the Parquet files to write, without `-00000.parquet`: `point_a BIGINT,
            point_b BIGINT, distance DOUBLE`. None to count only.
        max_pairs: More near pairs are refused.
        max_tests: Pairs that share a key; about as many are looked at, at most.
        memory_mb: Memory in MiB that the join may take.
    """

    operation: ClassVar[str] = "join"
    written: ClassVar[tuple[str, ...]] = ()

    points: tuple[str, ...]
    kind: str
    column: str
    point_count: int
    metric: str
    threshold: float
    output: str | None
    max_pairs: int
    max_tests: int
    memory_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinReply(MeasureReply):
    """What a `JoinEvent` is answered.

    Attributes:
        declined: Why nothing was compared: it would have taken more than the event allows. Empty otherwise.
    """

    declined: str = ""
