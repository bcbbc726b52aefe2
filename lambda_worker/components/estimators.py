"""Any other clusterer of scikit-learn, one component of the threshold graph after the other.

A class is taken from the installed modules `sklearn.cluster` and `sklearn.mixture` and from nowhere else, by
its public name, and it must be a clusterer: a class with the method `fit_predict`. Its parameters are those
of its constructor, less those that say how to run it. Where it takes a seed, a seed must be given.

A point of weight w is w rows, unless the class takes weights.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.components import ComponentLabels
from lambda_worker.components.distances import pairwise
from lambda_worker.contract import CapacityError, ContractError
from lambda_worker.labels import BORDER_ROLE, CORE_ROLE, MEMBER_ROLE, NOISE, NOISE_ROLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.components import Component, Space

MODULES = ("sklearn.cluster", "sklearn.mixture")
"""Where a class may come from."""

MOST_ROWS = 1 << 15
"""Rows that points with weights are written out to, at most: algorithms that need it compare all of them."""

_HOW_TO_RUN = frozenset({"n_jobs", "memory", "verbose"})
_NEEDS_NEIGHBOURS = frozenset({"DBSCAN", "HDBSCAN", "OPTICS"})
_VECTORS = ("vector", "embedding")
_REFUSALS = (ValueError, TypeError, ArithmeticError, AttributeError, IndexError)


@dataclass(frozen=True, slots=True)
class Estimator:
    """A clusterer with its parameters.

    Attributes:
        class_: As `sklearn.cluster.AffinityPropagation`.
        params: Of its constructor.
    """

    class_: str
    params: dict[str, Any]

    def __post_init__(self) -> None:
        """Check class and parameters; raises ContractError."""
        if not isinstance(self.params, dict):
            raise ContractError(f"params must be an object, not {self.params!r}")
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

    def cluster_single(self, weights: NDArray[np.int64]) -> ComponentLabels:
        """Label components of one point each: what the class makes of as many equal rows.

        Where it refuses so few, classes that look for neighbours leave the point as noise; others have it as
        a cluster of its own.
        """
        distinct, which = np.unique(weights, return_inverse=True)
        parts = [self._label_one(int(weight)) for weight in distinct]
        cluster = np.array([part.cluster[0] for part in parts], np.int64).take(which)
        role = np.array([part.role[0] for part in parts], np.uint8).take(which)
        probability = np.array([1.0 if part.probability is None else part.probability[0] for part in parts])
        return ComponentLabels(cluster, role, probability.take(which))

    def _label_one(self, weight: int) -> ComponentLabels:
        try:
            return self._fit(np.zeros((1, 1)), np.array([weight]), {})
        except CapacityError:
            raise
        except ContractError:
            lonely = self.class_.rpartition(".")[2] in _NEEDS_NEIGHBOURS
            cluster = np.array([NOISE if lonely else 0])
            return ComponentLabels(cluster, np.array([NOISE_ROLE if lonely else MEMBER_ROLE]))

    def _matrix(self, component: Component, space: Space) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """What to fit, and the metric to be named where the class can have one."""
        asked = self.params.get("metric")
        has_metric = "metric" in load_class(self.class_)().get_params()
        if space.kind in _VECTORS and asked != "precomputed":
            return component.features.vectors, {"metric": space.metric} if has_metric else {}
        if not has_metric or asked not in (None, "precomputed"):
            raise ContractError(
                f"{self.class_} would need vectors, not features of the kind {space.kind}; use a class with "
                "the parameter metric and leave it out, or embed the features"
            )
        return pairwise(component.features, space.metric), {"metric": "precomputed"}

    def _fit(
        self, matrix: NDArray[np.float64], weights: NDArray[np.int64], metric: dict[str, Any]
    ) -> ComponentLabels:
        estimator = load_class(self.class_)(**{**metric, **self.params})
        precomputed = estimator.get_params().get("metric") == "precomputed"
        options: dict[str, Any] = {}
        rows = np.arange(len(weights))
        if importlib.import_module("sklearn.utils.validation").has_fit_parameter(estimator, "sample_weight"):
            options["sample_weight"] = weights.astype(np.float64)
        elif int(weights.max()) > 1:
            rows = np.repeat(rows, self._copies(weights))
            matrix = matrix[np.ix_(rows, rows)] if precomputed else matrix.take(rows, axis=0)
        found = self._run(estimator, matrix, options)
        first = np.searchsorted(rows, np.arange(len(weights)))
        return _labels_of(estimator, found, first)

    def _copies(self, weights: NDArray[np.int64]) -> NDArray[np.int64]:
        if float(weights.sum(dtype=np.float64)) > MOST_ROWS:
            raise CapacityError(
                f"{self.class_} takes no weights, and {len(weights)} points of one component are "
                f"{weights.sum(dtype=np.float64):.0f} entities; at most {MOST_ROWS} are written out as rows"
            )
        return weights

    def _run(self, estimator: Any, matrix: NDArray[np.float64], options: dict[str, Any]) -> NDArray[np.int64]:
        # Sums over threads depend on how many there are.
        try:
            with threadpool_limits(limits=1), warnings.catch_warnings():
                # What a later release will do is of no concern: releases are pinned.
                warnings.simplefilter("ignore", FutureWarning)
                found: NDArray[np.int64] = np.asarray(estimator.fit_predict(matrix, **options), np.int64)
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


def _labels_of(estimator: Any, found: NDArray[np.int64], first: NDArray[np.intp]) -> ComponentLabels:
    """Labels of points from those of their first rows."""
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
