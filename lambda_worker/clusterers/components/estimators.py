"""Any other clusterer of scikit-learn, run on one component of the threshold graph at a time.

A class comes only from the installed modules `sklearn.cluster` and `sklearn.mixture`, by its public name, and
must be a clusterer: a class with the method `fit_predict`. Its parameters are those of its constructor,
except those that only affect how it runs. If it takes a seed, the seed is required.

A point of weight w is w rows, unless the class takes weights. A component may have fewer rows than the class
requires. If the class finds a given number of clusters, each point becomes a cluster then, as in k-means with
fewer points than clusters. If it looks for neighbours, it finds none, and all points are noise.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import field
from threadpoolctl import threadpool_limits

from lambda_worker.clusterers.components import ComponentLabels
from lambda_worker.contract import CapacityError, ContractError
from lambda_worker.contract.messages import Parameters
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.tables.labels import BORDER_ROLE, CORE_ROLE, MEMBER_ROLE, NOISE, NOISE_ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_worker.arrays import Floats, Indices, Ints
    from lambda_worker.clusterers.components import Component, Space

MODULES = ("sklearn.cluster", "sklearn.mixture")
"""Where a class may come from."""

MOST_ROWS = 1 << 15
"""Maximum of rows after points are repeated by weight: algorithms that need this compare all rows."""

_HOW_TO_RUN = frozenset({"n_jobs", "memory", "verbose"})
# Equal rows have distance 0 in every metric.
_SAME_PLACE = {"metric": "euclidean", "metric_params": None}
_VECTORS = ("vector", "embedding")
_REFUSALS = (ValueError, TypeError, ArithmeticError, AttributeError, IndexError)

_SEEKS_NEIGHBOURS = frozenset({"DBSCAN", "HDBSCAN", "OPTICS"})
_NEEDS_TWO = frozenset(
    {
        "AgglomerativeClustering",
        "BayesianGaussianMixture",
        "GaussianMixture",
        "HDBSCAN",
        "OPTICS",
        "SpectralClustering",
    }
)
# Of others, such as Birch, these parameters are upper bounds.
_ASKS_FOR = {
    "AgglomerativeClustering": ("n_clusters",),
    "BayesianGaussianMixture": ("n_components",),
    "BisectingKMeans": ("n_clusters",),
    "GaussianMixture": ("n_components",),
    "HDBSCAN": ("min_samples",),
    "KMeans": ("n_clusters",),
    "MiniBatchKMeans": ("n_clusters",),
    "OPTICS": ("min_samples",),
    "SpectralClustering": ("n_clusters",),
}


class Estimator(Parameters, frozen=True):
    """A clusterer with its parameters.

    Attributes:
        class_: As `sklearn.cluster.AffinityPropagation`.
        params: Of its constructor.
    """

    class_: str = field(name="class")
    params: dict[str, Any]

    def __post_init__(self) -> None:
        """Check class and parameters; raises ContractError."""
        known = load_class(self.class_)().get_params()
        unknown = sorted(self.params.keys() - known.keys())
        if unknown:
            raise ContractError(f"{self.class_} has no parameters {unknown}; it has {sorted(known)}")
        refused = sorted(self.params.keys() & _HOW_TO_RUN)
        if refused:
            raise ContractError(f"the worker decides on {refused}; leave them out of params")
        seed = self.params.get("random_state")
        if "random_state" in known and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise ContractError(
                f"{self.class_} draws at random; give params random_state, a whole number, so that a day is "
                "the same again"
            )

    def cluster(self, component: Component, space: Space) -> ComponentLabels:
        """Label the points of one component.

        Raises:
            ContractError: The class cannot work on such features, or scikit-learn refuses.
            CapacityError: The weights are too large to be written out.
        """
        matrix, metric = self._matrix(component, space)
        return self._fit(matrix, component.weights, metric)

    def cluster_single(self, weights: Ints) -> ComponentLabels:
        """Label components of one point each: what the class makes of as many equal rows.

        A class that looks for neighbours may find them among equal rows; to any other they are one cluster.
        """
        if self._name not in _SEEKS_NEIGHBOURS:
            return ComponentLabels(np.zeros(len(weights), np.int64), np.full(len(weights), MEMBER_ROLE))
        distinct, which = np.unique(weights, return_inverse=True)
        parts = [self._label_one(int(weight)) for weight in distinct]
        cluster = np.array([part.cluster[0] for part in parts], np.int64).take(which)
        role = np.array([part.role[0] for part in parts], np.uint8).take(which)
        probability = np.array([1.0 if part.probability is None else part.probability[0] for part in parts])
        return ComponentLabels(cluster, role, probability.take(which))

    @property
    def _name(self) -> str:
        return self.class_.rpartition(".")[2]

    def _label_one(self, weight: int) -> ComponentLabels:
        return self._fit(np.zeros((1, 1)), np.array([weight]), _SAME_PLACE)

    def _matrix(self, component: Component, space: Space) -> tuple[Floats, dict[str, Any]]:
        """What to fit, and the metric to be named where the class can have one."""
        asked = self.params.get("metric")
        has_metric = "metric" in load_class(self.class_)().get_params()
        if space.kind in _VECTORS and asked != "precomputed":
            return component.features.vectors, {"metric": asked or space.metric} if has_metric else {}
        if not has_metric or asked not in (None, "precomputed"):
            raise ContractError(
                f"{self.class_} would need vectors, not features of the kind {space.kind}; use a class with "
                "the parameter metric and leave it out, or embed the features"
            )
        return pairwise(component.features, space.metric), {"metric": "precomputed"}

    def _fit(self, matrix: Floats, weights: Ints, metric: dict[str, Any]) -> ComponentLabels:
        estimator = load_class(self.class_)(**{**self.params, **metric})
        precomputed = estimator.get_params().get("metric") == "precomputed"
        options: dict[str, Any] = {}
        rows = np.arange(len(weights))
        least = _least_rows(self._name, estimator.get_params())
        if importlib.import_module("sklearn.utils.validation").has_fit_parameter(estimator, "sample_weight"):
            options["sample_weight"] = weights.astype(np.float64)
        elif int(weights.max()) > 1:
            rows = np.repeat(rows, self._copies(weights))
            matrix = matrix[np.ix_(rows, rows)] if precomputed else matrix.take(rows, axis=0)
        if len(rows) < least:
            return _label_few(self._name, len(weights))
        found = self._run(estimator, matrix, options)
        first = np.searchsorted(rows, np.arange(len(weights)))
        return _labels_of(estimator, found, first)

    def _copies(self, weights: Ints) -> Ints:
        if float(weights.sum(dtype=np.float64)) > MOST_ROWS:
            raise CapacityError(
                f"{self.class_} takes no weights, and {len(weights)} points of one component are "
                f"{weights.sum(dtype=np.float64):.0f} entities; at most {MOST_ROWS} are written out as rows"
            )
        return weights

    def _run(self, estimator: Any, matrix: Floats, options: dict[str, Any]) -> Ints:
        # Sums over threads depend on the number of threads.
        try:
            with threadpool_limits(limits=1), warnings.catch_warnings():
                # Ignore warnings about later releases, because releases are pinned.
                warnings.simplefilter("ignore", FutureWarning)
                found: Ints = np.asarray(estimator.fit_predict(matrix, **options), np.int64)
        except MemoryError as error:
            raise CapacityError(f"{self.class_} has no memory for {len(matrix)} rows: {error}") from error
        except _REFUSALS as error:
            raise ContractError(
                f"{self.class_} refuses a component of {len(matrix)} rows: {error}"
            ) from error
        return found


def load_class(name: object) -> type[Any]:
    """A clusterer of scikit-learn.

    Raises:
        ContractError: It is none.
    """
    module_name, _, class_name = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    if module_name not in MODULES:
        raise ContractError(
            f"class must be {' or '.join(f'{module}.NAME' for module in MODULES)}, not {name!r}"
        )
    module = importlib.import_module(module_name)
    clusterers = {
        public: found
        for public in module.__all__
        if isinstance(found := getattr(module, public), type)
        and callable(getattr(found, "fit_predict", None))
    }
    if class_name not in clusterers:
        raise ContractError(f"{module_name} has no clusterer {class_name!r}, only {sorted(clusterers)}")
    return clusterers[class_name]


def _labels_of(estimator: Any, found: Ints, first: Indices) -> ComponentLabels:
    """Return the labels of points from those of their first rows."""
    label = found.take(first)
    _, number = np.unique(np.append(label, NOISE), return_inverse=True)
    # Noise, which is there at least once, is the lowest.
    cluster = number[:-1].astype(np.int64) - 1
    role = np.full(len(first), MEMBER_ROLE)
    core = getattr(estimator, "core_sample_indices_", None)
    if core is not None:
        role[:] = BORDER_ROLE
        role[np.isin(first, core)] = CORE_ROLE
    role[cluster == NOISE] = NOISE_ROLE
    probability = getattr(estimator, "probabilities_", None)
    return ComponentLabels(
        cluster, role, None if probability is None else np.asarray(probability, np.float64).take(first)
    )


def _least_rows(class_name: str, params: Mapping[str, Any]) -> int:
    """Rows below which a class refuses a component.

    Args:
        class_name: Name of the class without its module.
        params: All parameters, defaults included.
    """
    asked = [params.get(name) for name in _ASKS_FOR.get(class_name, ())]
    if class_name == "HDBSCAN" and params["min_samples"] is None:
        asked = [params["min_cluster_size"]]
    if class_name == "OPTICS" and params["cluster_method"] == "xi":
        asked.append(params["min_cluster_size"])
    counts = [count for count in asked if isinstance(count, int)]  # a share of the rows is never too many
    return max([2 if class_name in _NEEDS_TWO else 1, *counts])


def _label_few(class_name: str, points: int) -> ComponentLabels:
    """Labels of the points of a component that is too small for its class."""
    if class_name in _SEEKS_NEIGHBOURS:
        return ComponentLabels(np.full(points, NOISE), np.full(points, NOISE_ROLE))
    return ComponentLabels(np.arange(points), np.full(points, MEMBER_ROLE))
