"""The answer of an algorithm: a cluster number and a role for every point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOISE = -1
"""The cluster number of points in no cluster."""

ROLES = ("noise", "border", "core", "member")
"""Names of the role codes; `member` is for algorithms without density."""

NOISE_ROLE, BORDER_ROLE, CORE_ROLE, MEMBER_ROLE = np.arange(len(ROLES), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Labels:
    """Cluster and role of every point.

    Attributes:
        cluster: Shape (points,); clusters are 0..clusters-1 in order of their smallest core (or
            member) point id, -1 is noise.
        role: Shape (points,), uint8 codes of `ROLES`.
        clusters: Number of clusters.
        probability: Shape (points,), float64: how surely each point belongs to its cluster; None for
            algorithms without one.
    """

    cluster: NDArray[np.signedinteger]
    role: NDArray[np.uint8]
    clusters: int
    probability: NDArray[np.float64] | None = None
