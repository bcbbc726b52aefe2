"""YAML models of the clustering algorithms, and what each algorithm requires of features and distance."""

from __future__ import annotations

import re
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from cluster_assets.spec.base import Part
from cluster_assets.spec.sklearn_classes import find_clusterer, try_out
from lambda_worker.contract.components import Linkage  # noqa: TC001  # pydantic reads annotations

if TYPE_CHECKING:
    from cluster_assets.spec.distance import Distance
    from cluster_assets.spec.features import Kind

_SEED = Field(
    0, ge=0, le=2**31 - 1, description="Seed of the first centres, so that results are reproducible"
)


# Parameters that affect how an estimator runs, not its result; the worker sets them.
_HOW_TO_RUN = ("n_jobs", "memory", "verbose")


_SKLEARN_CLASS = re.compile(r"sklearn\.(cluster|mixture)\.[A-Za-z]+")


Family = Literal["forest", "components", "hdbscan", "centres"]
"""How the worker labels the points of a day.

`forest`: from the near pairs of the whole day, merged as forests. `components`: separately for each component
of the threshold graph. `hdbscan`: from coordinates, or from near pairs at growing radii. `centres`: from
points only.
"""


class ClusteringAlgorithm(Part):
    """Base of all algorithms; other modules read these facts instead of testing for a class.

    Attributes:
        family: How the worker labels the points.
        uses_pairs: Whether it works on candidate pairs and so needs a distance.
        may_miss_pairs: Whether its result is meaningful if hashing misses some pairs.
        reads_certificates: Whether core points and the near pairs that connect them suffice.
        measures_beyond_threshold: Whether it needs distances of points that are not candidate pairs.
        searches_again: Whether it searches for pairs repeatedly, with a growing radius.
        has_centres: Whether it publishes the table `centres`, by which new items are placed.
        has_probability: Whether it returns the probability that an entity belongs to its cluster.
        roles: The possible roles of an entity.
    """

    family: ClassVar[Family]
    uses_pairs: ClassVar[bool] = True
    may_miss_pairs: ClassVar[bool] = False
    reads_certificates: ClassVar[bool] = False
    measures_beyond_threshold: ClassVar[bool] = False
    searches_again: ClassVar[bool] = False
    has_centres: ClassVar[bool] = False
    has_probability: ClassVar[bool] = False
    roles: ClassVar[tuple[str, ...]] = ("core", "member", "border", "noise")

    @property
    def core_entities(self) -> int:
        """Number of entities within the threshold that make a point core."""
        return 1

    @property
    def structure(self) -> str:
        """Name of the table that describes how clusters arise; empty if none is published."""
        return ""

    @property
    def hierarchy(self) -> Linkage | None:
        """The linkage by which it merges clusters; None if it does not."""
        return None

    @property
    def needs_plane(self) -> str:
        """The part that requires vectors and the Euclidean metric; empty if there is none."""
        return ""

    def check_fits(self, kind: Kind, distance: Distance) -> None:
        """Refuse features or a distance that this algorithm does not support.

        Raises:
            ValueError: They do not fit; the message says what fits.
        """


class Dbscan(ClusteringAlgorithm):
    """Density clusters; the labels equal those of scikit-learn's `DBSCAN` with eps = threshold."""

    family: ClassVar[Family] = "forest"
    may_miss_pairs: ClassVar[bool] = True
    reads_certificates: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = ("core", "border", "noise")

    type: Literal["dbscan"]
    min_samples: int = Field(
        5,
        ge=1,
        description="Minimum number of entities within the threshold of a core entity, itself included",
    )

    @property
    def core_entities(self) -> int:
        """As the YAML says."""
        return self.min_samples


class ConnectedComponents(ClusteringAlgorithm):
    """Entities that are linked by a chain of near pairs form a cluster."""

    family: ClassVar[Family] = "forest"
    may_miss_pairs: ClassVar[bool] = True
    reads_certificates: ClassVar[bool] = True

    type: Literal["connected_components"]


class SingleLinkage(ClusteringAlgorithm):
    """Merges clusters by their nearest pair, up to the threshold; optionally publishes the dendrogram."""

    family: ClassVar[Family] = "forest"
    may_miss_pairs: ClassVar[bool] = True

    type: Literal["single_linkage"]
    dendrogram: bool = Field(default=False, description="Whether to publish the table dendrogram")

    @property
    def hierarchy(self) -> Linkage:
        """Single linkage."""
        return "single"

    @property
    def structure(self) -> str:
        """The dendrogram, if the YAML asks for it."""
        return "dendrogram" if self.dendrogram else ""


class Hdbscan(ClusteringAlgorithm):
    """Clusters of varying density; the threshold is the first search radius where pairs are listed."""

    family: ClassVar[Family] = "hdbscan"
    searches_again: ClassVar[bool] = True
    has_probability: ClassVar[bool] = True

    type: Literal["hdbscan"]
    min_cluster_size: int = Field(5, ge=2, description="Minimum size of a cluster")
    min_samples: int | None = Field(
        None, ge=1, description="Number of neighbours of the core distance; default: min_cluster_size"
    )
    cluster_selection_method: Literal["eom", "leaf"] = "eom"
    cluster_selection_epsilon: float = Field(0.0, ge=0, allow_inf_nan=False)
    allow_single_cluster: bool = False

    @property
    def structure(self) -> str:
        """The condensed tree."""
        return "condensed_tree"


class Agglomerative(ClusteringAlgorithm):
    """Merges clusters until no two are nearer than the threshold."""

    family: ClassVar[Family] = "components"
    measures_beyond_threshold: ClassVar[bool] = True

    type: Literal["agglomerative"]
    linkage: Linkage = "average"

    @property
    def hierarchy(self) -> Linkage:
        """As the YAML says."""
        return self.linkage

    @property
    def needs_plane(self) -> str:
        """Ward's linkage, which compares variances."""
        return "ward linkage" if self.linkage == "ward" else ""


class Optics(ClusteringAlgorithm):
    """Density clusters from a reachability plot; max_eps is the threshold."""

    family: ClassVar[Family] = "components"

    type: Literal["optics"]
    min_samples: int = Field(
        5, ge=2, description="Number of entities within the core distance, itself included"
    )
    cluster_method: Literal["xi", "dbscan"] = "xi"
    xi: float = Field(
        0.05, gt=0, lt=1, description="For the method xi: minimum steepness at a cluster's boundary"
    )
    eps: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="For the method dbscan: maximum distance"
    )
    min_cluster_size: int | None = Field(
        None, ge=2, description="For the method xi: minimum size of a cluster; default: min_samples"
    )
    predecessor_correction: bool = True

    @property
    def structure(self) -> str:
        """The reachability plot."""
        return "reachability"

    @model_validator(mode="after")
    def _options_of_the_method(self) -> Optics:
        if self.cluster_method == "xi" and self.eps is not None:
            raise ValueError("eps belongs to cluster_method dbscan; leave it out, or change the method")
        if self.cluster_method == "dbscan" and self.min_cluster_size is not None:
            raise ValueError("min_cluster_size belongs to cluster_method xi; leave it out")
        return self

    def check_fits(self, kind: Kind, distance: Distance) -> None:
        """Refuse an `eps` above the threshold of the candidate pairs."""
        if (self.eps or 0) > distance.threshold:
            raise ValueError(
                f"eps {self.eps:g} is above distance.threshold {distance.threshold:g}; raise the threshold"
            )


class MeanShift(ClusteringAlgorithm):
    """Moves centres to local maxima of density, with a flat window of half the threshold."""

    family: ClassVar[Family] = "components"
    measures_beyond_threshold: ClassVar[bool] = True
    has_centres: ClassVar[bool] = True

    type: Literal["mean_shift"]
    cluster_all: bool = Field(
        default=True, description="If false, points outside the windows of all centres are noise"
    )

    @property
    def needs_plane(self) -> str:
        """Mean shift, whose centres are means."""
        return self.type


class KMeans(ClusteringAlgorithm):
    """Clusters around k centres, by Lloyd's algorithm on a sample, then over all points."""

    family: ClassVar[Family] = "centres"
    uses_pairs: ClassVar[bool] = False
    has_centres: ClassVar[bool] = True

    type: Literal["kmeans"]
    n_clusters: int = Field(ge=1, le=10_000)
    n_init: int = Field(
        3, ge=1, le=100, description="Number of starts on a sample; the one with the lowest inertia is kept"
    )
    seed: int = _SEED
    max_iter: int = Field(300, ge=1, le=10_000)
    tol: float = Field(1e-4, ge=0, allow_inf_nan=False)


class MiniBatchKMeans(ClusteringAlgorithm):
    """K-means in batches, until a pass over the points does not improve the result."""

    family: ClassVar[Family] = "centres"
    uses_pairs: ClassVar[bool] = False
    has_centres: ClassVar[bool] = True

    type: Literal["minibatch_kmeans"]
    n_clusters: int = Field(ge=1, le=10_000)
    seed: int = _SEED
    batch_size: int = Field(1024, ge=1, le=1_000_000)
    max_iter: int = Field(100, ge=1, le=10_000)


class Birch(ClusteringAlgorithm):
    """A tree of subclusters in one pass over the points."""

    family: ClassVar[Family] = "centres"
    uses_pairs: ClassVar[bool] = False
    has_centres: ClassVar[bool] = True

    type: Literal["birch"]
    threshold: float = Field(gt=0, allow_inf_nan=False, description="Maximum radius of a subcluster")
    branching_factor: int = Field(50, ge=2, le=10_000)
    n_clusters: int | None = Field(
        None, ge=1, le=10_000, description="Number of clusters; default: each subcluster is a cluster"
    )


class SklearnOptions(Part):
    """A clusterer of scikit-learn, named by its class."""

    model_config = ConfigDict(populate_by_name=True)

    estimator: str = Field(
        alias="class", description="Class of scikit-learn, e.g. sklearn.cluster.AffinityPropagation"
    )
    params: dict[str, Any] = Field(default_factory=dict)


class Sklearn(ClusteringAlgorithm, SklearnOptions):
    """Any other clusterer of scikit-learn, component by component."""

    family: ClassVar[Family] = "components"
    measures_beyond_threshold: ClassVar[bool] = True

    type: Literal["sklearn"]

    @field_validator("estimator")
    @classmethod
    def _is_a_class_name(cls, name: str) -> str:
        if not _SKLEARN_CLASS.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a clusterer; write sklearn.cluster.NAME or sklearn.mixture.NAME"
            )
        return name

    @model_validator(mode="after")
    def _can_be_made(self) -> Sklearn:
        """Refuse invalid classes and parameters before any pairs are computed."""
        kind = find_clusterer(self.estimator)
        name = kind.__name__
        known = [name for name in signature(kind).parameters if name not in _HOW_TO_RUN]
        if unknown := sorted(self.params.keys() - set(known)):
            raise ValueError(f"{name} has no parameter {', '.join(unknown)}; it has {', '.join(known)}")
        seed = self.params.get("random_state")
        if "random_state" in known and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise ValueError(
                f"set an integer for {name} as params.random_state, so that results are reproducible"
            )
        return self

    def check_fits(self, kind: Kind, distance: Distance) -> None:
        """Refuse a class that does not support the features."""
        found = find_clusterer(self.estimator)
        is_vector = kind in ("vector", "embedding")
        if not is_vector and (
            "metric" not in signature(found).parameters
            or self.params.get("metric") not in (None, "precomputed")
        ):
            raise ValueError(
                f"{found.__name__} needs vectors, not features of the kind {kind}; choose a class with the "
                "parameter metric, such as DBSCAN or AgglomerativeClustering, and leave that parameter "
                "out"
            )
        try_out(found, self.params, distance.metric if is_vector else None)


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


class SklearnByName(Part):
    """`sklearn: {class: …}`, short for `type: sklearn, class: …`."""

    sklearn: SklearnOptions
