"""What a pipeline's YAML may say of the clustering algorithm, and what each algorithm asks of the rest."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from cluster_assets.spec_types import Part

if TYPE_CHECKING:
    from cluster_assets.distance_spec import Distance
    from cluster_assets.feature_spec import Kind

_SEED = Field(0, ge=0, le=2**31 - 1, description="Of the first centres, so that a day is the same again")
# Parameters that say how to run an estimator, not what to find; the worker sets them.
_HOW_TO_RUN = ("n_jobs", "memory", "verbose")
_SKLEARN_CLASS = re.compile(r"sklearn\.(cluster|mixture)\.[A-Za-z]+")


class Dbscan(Part):
    """Density clustering; the labels equal scikit-learn's `DBSCAN` with eps = threshold."""

    type: Literal["dbscan"]
    min_samples: int = Field(
        5, ge=1, description="Entities within the threshold, itself included, that make a core"
    )


class ConnectedComponents(Part):
    """Everything linked by a chain of near pairs is one cluster."""

    type: Literal["connected_components"]


class SingleLinkage(Part):
    """Merges by the nearest pair, up to the threshold; on demand with all of them as a dendrogram."""

    type: Literal["single_linkage"]
    dendrogram: bool = Field(default=False, description="Publish the table dendrogram too")


class Hdbscan(Part):
    """Clusters of any density; the threshold is the radius the search begins with."""

    type: Literal["hdbscan"]
    min_cluster_size: int = Field(5, ge=2, description="Entities a cluster has at least")
    min_samples: int | None = Field(
        None, ge=1, description="Entities whose distance is the core distance; min_cluster_size when left out"
    )
    cluster_selection_method: Literal["eom", "leaf"] = "eom"
    cluster_selection_epsilon: float = Field(0.0, ge=0, allow_inf_nan=False)
    allow_single_cluster: bool = False


class Agglomerative(Part):
    """Merges clusters until none are nearer than the threshold."""

    type: Literal["agglomerative"]
    linkage: Literal["single", "complete", "average", "ward"] = "average"


class Optics(Part):
    """Density clusters from a reachability plot; max_eps is the threshold."""

    type: Literal["optics"]
    min_samples: int = Field(5, ge=2, description="Entities within the core distance, itself included")
    cluster_method: Literal["xi", "dbscan"] = "xi"
    xi: float = Field(0.05, gt=0, lt=1, description="Steepness that ends a cluster, of the method xi")
    eps: float | None = Field(None, gt=0, allow_inf_nan=False, description="Of the method dbscan")
    min_cluster_size: int | None = Field(None, ge=2, description="Of the method xi; min_samples by default")
    predecessor_correction: bool = True

    @model_validator(mode="after")
    def _options_of_the_method(self) -> Optics:
        if self.cluster_method == "xi" and self.eps is not None:
            raise ValueError("eps belongs to cluster_method dbscan; leave it out, or change the method")
        if self.cluster_method == "dbscan" and self.min_cluster_size is not None:
            raise ValueError("min_cluster_size belongs to cluster_method xi; leave it out")
        return self


class MeanShift(Part):
    """Centres climb to the densest place within a flat window of half the threshold."""

    type: Literal["mean_shift"]
    cluster_all: bool = Field(default=True, description="False leaves points far from all centres as noise")


class KMeans(Part):
    """Clusters around k centres, by Lloyd's rounds over all points."""

    type: Literal["kmeans"]
    n_clusters: int = Field(ge=1, le=10_000)
    seed: int = _SEED
    max_iter: int = Field(300, ge=1, le=10_000)
    tol: float = Field(1e-4, ge=0, allow_inf_nan=False)


class MiniBatchKMeans(Part):
    """K-means a batch at a time, until a pass over the points makes it no better."""

    type: Literal["minibatch_kmeans"]
    n_clusters: int = Field(ge=1, le=10_000)
    seed: int = _SEED
    batch_size: int = Field(1024, ge=1, le=1_000_000)
    max_iter: int = Field(100, ge=1, le=10_000)


class Birch(Part):
    """A tree of subclusters in one pass over the points."""

    type: Literal["birch"]
    threshold: float = Field(gt=0, allow_inf_nan=False, description="Largest radius of a subcluster")
    branching_factor: int = Field(50, ge=2, le=10_000)
    n_clusters: int | None = Field(
        None, ge=1, le=10_000, description="None: the subclusters are the clusters"
    )


class Sklearn(Part):
    """Any other clusterer of scikit-learn, component by component."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["sklearn"]
    estimator: str = Field(alias="class", description="As sklearn.cluster.AffinityPropagation")
    params: dict[str, Any] = Field(default_factory=dict)

    @field_validator("estimator")
    @classmethod
    def _is_a_class_name(cls, name: str) -> str:
        if not _SKLEARN_CLASS.fullmatch(name):
            raise ValueError(f"{name!r} is no clusterer; write sklearn.cluster.NAME or sklearn.mixture.NAME")
        return name

    @model_validator(mode="after")
    def _can_be_made(self) -> Sklearn:
        """Refuse here what the worker would refuse after the pairs were paid for."""
        module, _, name = self.estimator.rpartition(".")
        kind = getattr(import_module(module), name, None)
        if not (isinstance(kind, type) and hasattr(kind, "fit_predict")):
            raise ValueError(f"{self.estimator} is no clusterer of the installed scikit-learn")
        known = [name for name in signature(kind).parameters if name not in _HOW_TO_RUN]
        if unknown := sorted(self.params.keys() - set(known)):
            raise ValueError(f"{name} has no parameter {', '.join(unknown)}; it has {', '.join(known)}")
        if "random_state" in known and not isinstance(self.params.get("random_state"), int):
            raise ValueError(
                f"give {name} a whole number as params.random_state: the same day, the same result"
            )
        return self


Algorithm = Annotated[
    Dbscan
    | ConnectedComponents
    | SingleLinkage
    | Hdbscan
    | Agglomerative
    | Optics
    | MeanShift
    | KMeans
    | MiniBatchKMeans
    | Birch
    | Sklearn,
    Field(discriminator="type"),
]

CENTRE_ALGORITHMS = (KMeans, MiniBatchKMeans, Birch)
"""These look at points, not at pairs: they have no distance."""

COMPONENT_ALGORITHMS = (Agglomerative, Optics, MeanShift, Sklearn)
"""These never join two components of the threshold graph, and run component by component."""


def uses_pairs(algorithm: Algorithm) -> bool:
    """Whether an algorithm works on candidate pairs."""
    return not isinstance(algorithm, CENTRE_ALGORITHMS)


def may_miss_pairs(algorithm: Algorithm) -> bool:
    """Whether hashing, which misses some pairs, gives an answer that means something."""
    return isinstance(algorithm, Dbscan | ConnectedComponents | SingleLinkage)


def check_fits(algorithm: Algorithm, kind: Kind, distance: Distance | None) -> None:
    """Refuse an algorithm that cannot work on such features.

    Args:
        algorithm: Of the YAML.
        kind: Of the features.
        distance: Of the YAML, where there is one.

    Raises:
        ValueError: With what would fit.
    """
    if not uses_pairs(algorithm):
        if distance is not None:
            raise ValueError(f"{algorithm.type} compares points with centres; leave distance out")
        if kind not in ("vector", "embedding"):
            raise ValueError(f"{algorithm.type} needs features.vector or features.embedding, not {kind}")
        return
    if distance is None:
        raise ValueError(f"{algorithm.type} works on near pairs; give distance: {{metric: …, threshold: …}}")
    if kind == "mixed" and isinstance(algorithm, COMPONENT_ALGORITHMS) and not isinstance(algorithm, Optics):
        raise ValueError(
            f"{algorithm.type} needs distances beyond the threshold, which the worker cannot tell for mixed "
            "features; use dbscan, hdbscan, optics, single_linkage or connected_components"
        )
    is_ward = isinstance(algorithm, Agglomerative) and algorithm.linkage == "ward"
    needs_plane = is_ward or isinstance(algorithm, MeanShift)
    if needs_plane and (kind not in ("vector", "embedding") or distance.metric != "euclidean"):
        name = "ward linkage" if is_ward else algorithm.type
        raise ValueError(f"{name} needs vectors and metric euclidean, not {distance.metric} of a {kind}")
    if isinstance(algorithm, Optics) and (algorithm.eps or 0) > distance.threshold:
        raise ValueError(
            f"eps {algorithm.eps:g} lies beyond distance.threshold {distance.threshold:g}; raise that one"
        )
