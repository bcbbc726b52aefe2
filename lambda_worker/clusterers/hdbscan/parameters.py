"""The parameters of HDBSCAN, named as in scikit-learn."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from lambda_worker.contract.hdbscan import MOST_SAMPLES, Samples
from lambda_worker.contract.messages import NotNegative, Parameters

EOM: Final = "eom"


class Hdbscan(Parameters, frozen=True):
    """Parameters, checked.

    Attributes:
        min_cluster_size: Entities that make a cluster, at least 2.
        min_samples: Entities that make a neighbourhood, the point's own included; None: `min_cluster_size`.
        cluster_selection_method: `eom` (excess of mass) or `leaf`.
        cluster_selection_epsilon: Clusters that come apart nearer than this stay together; 0: none do.
        allow_single_cluster: Whether the whole day may be one cluster.
    """

    min_cluster_size: Annotated[int, Meta(ge=2, le=MOST_SAMPLES)] = 5
    min_samples: Samples | None = None
    cluster_selection_method: Literal["eom", "leaf"] = EOM
    cluster_selection_epsilon: NotNegative = 0.0
    allow_single_cluster: bool = False

    @property
    def neighbourhood(self) -> int:
        """Entities that make a neighbourhood."""
        return self.min_cluster_size if self.min_samples is None else self.min_samples
