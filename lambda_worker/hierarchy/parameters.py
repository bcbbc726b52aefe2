"""The parameters of HDBSCAN, named as in scikit-learn."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from lambda_worker.contract import ContractError
from lambda_worker.contract.hierarchies import MOST_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Mapping

EOM, LEAF = "eom", "leaf"
_SMALLEST_CLUSTER = 2


@dataclass(frozen=True, slots=True)
class Hdbscan:
    """Parameters, checked.

    Attributes:
        min_cluster_size: Entities that make a cluster, at least 2.
        min_samples: Entities that make a neighbourhood, the point's own included; None: `min_cluster_size`.
        cluster_selection_method: `eom` (excess of mass) or `leaf`.
        cluster_selection_epsilon: Clusters that come apart nearer than this stay together; 0: none do.
        allow_single_cluster: Whether the whole day may be one cluster.
    """

    min_cluster_size: int = 5
    min_samples: int | None = None
    cluster_selection_method: str = EOM
    cluster_selection_epsilon: float = 0.0
    allow_single_cluster: bool = False

    def __post_init__(self) -> None:
        _check_count(self.min_cluster_size, "min_cluster_size", _SMALLEST_CLUSTER)
        if self.min_samples is not None:
            _check_count(self.min_samples, "min_samples", 1)
        if self.cluster_selection_method not in (EOM, LEAF):
            method = self.cluster_selection_method
            raise ContractError(f"cluster_selection_method must be {EOM} or {LEAF}, not {method!r}")
        epsilon: object = self.cluster_selection_epsilon  # straight from JSON: the annotation is a wish
        if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 <= epsilon < math.inf:
            raise ContractError(f"cluster_selection_epsilon must be a number >= 0, not {epsilon!r}")
        single: object = self.allow_single_cluster
        if not isinstance(single, bool):
            raise ContractError(f"allow_single_cluster must be true or false, not {single!r}")

    @property
    def neighbourhood(self) -> int:
        """Entities that make a neighbourhood."""
        return self.min_cluster_size if self.min_samples is None else self.min_samples


def build_hdbscan(description: Mapping[str, Any]) -> Hdbscan:
    """The parameters of an event: `{"type": "hdbscan", "min_cluster_size": 5}`.

    Raises:
        ContractError: The type is another one, or a parameter is unknown or impossible.
    """
    parameters = dict(description)
    name = parameters.pop("type", None)
    if name != "hdbscan":
        raise ContractError(f"algorithm type {name!r}; a hierarchy is drawn for hdbscan")
    known = {field.name for field in fields(Hdbscan)}
    if not parameters.keys() <= known:
        raise ContractError(f"hdbscan takes {sorted(known)}, not {sorted(parameters)}")
    return Hdbscan(**parameters)


def _check_count(value: object, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_SAMPLES:
        raise ContractError(f"{name} must be a whole number in {least}..{MOST_SAMPLES}, not {value!r}")
