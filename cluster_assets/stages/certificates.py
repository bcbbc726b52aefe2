"""The certificate of a day that one invocation holds: the worker reads the points as they are published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.planner import min_samples_of
from cluster_assets.ports import WrittenFile
from cluster_assets.stages.invocations import Invocations
from cluster_assets.stages.joins import Candidates
from lambda_worker.contract.certificates import CertifyEvent

if TYPE_CHECKING:
    from cluster_assets.metrics import Comparison
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob


def certify_points(
    job: DayJob, attempt: Attempt, comparison: Comparison, uris: tuple[str, ...], count: int
) -> Candidates:
    """Write near pairs and cores that give the same clusters as all near pairs.

    Args:
        job: The day.
        attempt: Where its files go.
        comparison: Vectors of at most three dimensions, and when they are near.
        uris: Files of the table `points`.
        count: Its rows.

    Raises:
        TooManyPairsError: Even so there are more pairs than `limits.max_pairs`.
        WorkerError: The invocation failed; the subclass says how.
    """
    worker = Invocations(job, "candidates")
    event = CertifyEvent(
        points=uris,
        columns=tuple(column.name for column in comparison.columns),
        point_count=count,
        metric=comparison.metric,
        threshold=comparison.threshold,
        min_samples=min_samples_of(job.spec.algorithm),
        pairs=f"{attempt.prefix_uri('candidates')}/part",
        cores=f"{attempt.prefix_uri('cores')}/part-00000.parquet",
        max_pairs=job.spec.limits.max_pairs,
    )
    (answer,) = worker.run([event])
    reply = answer.reply
    pairs = tuple(WrittenFile(file.uri, file.rows, file.bytes) for file in reply.files)
    cores = (WrittenFile(event.cores, reply.cores, reply.core_bytes),) if reply.cores else ()
    return Candidates(pairs, cores, reply.tested, 0, worker.numbers())
