"""The reply to an event that labels the points of a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lambda_worker.contract import ClusterReply
from lambda_worker.tables.labels import CORE_ROLE, NOISE
from lambda_worker.tables.writing import write_labels

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts
    from lambda_worker.tables.labels import Labels

R = TypeVar("R", bound=ClusterReply)


def write_day(kind: type[R], output: str, labels: Labels, weights: AnyInts | None = None, **more: Any) -> R:
    """Write the labels of a day.

    Args:
        kind: Class of the reply.
        output: Address of the file.
        labels: The labels.
        weights: Shape (points,): entities of each point; None where no point is noise.
        more: Further fields of the reply.
    """
    noise = 0 if weights is None else int(weights[labels.cluster == NOISE].sum(dtype=np.int64))
    return kind(
        ok=True,
        rows=len(labels.cluster),
        bytes=write_labels(output, labels),
        clusters=labels.clusters,
        core_points=int(np.count_nonzero(labels.role == CORE_ROLE)),
        noise_entities=noise,
        **more,
    )
