"""Clusterers of scikit-learn in a YAML: checks that the class exists and that its parameters work."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BICLUSTERS = ("SpectralBiclustering", "SpectralCoclustering")
# Parameters that require a minimum number of rows.
_COUNTS = ("n_clusters", "n_components", "min_samples", "min_cluster_size", "n_neighbors")
_ROWS, _MOST_ROWS = 64, 600
_REFUSALS = (ValueError, TypeError, ArithmeticError, AttributeError, IndexError)


def find_clusterer(name: str) -> type[Any]:
    """Return the class with a name such as `sklearn.cluster.DBSCAN`.

    Raises:
        ValueError: The class does not exist or does not cluster rows; the message lists valid classes.
    """
    module, _, class_name = name.rpartition(".")
    named = {public: getattr(import_module(module), public) for public in import_module(module).__all__}
    known = {public: kind for public, kind in named.items() if callable(getattr(kind, "fit_predict", None))}
    if class_name in known:
        found: type[Any] = known[class_name]
        return found
    if class_name in _BICLUSTERS:
        why = "clusters rows and columns together, so a row has no single cluster"
    elif class_name == "FeatureAgglomeration":
        why = "clusters features, not rows; AgglomerativeClustering clusters rows"
    else:
        why = "is not a clusterer of the installed scikit-learn"
    raise ValueError(f"{name} {why}. {module} has {', '.join(sorted(known))}")


def try_out(kind: type[Any], params: Mapping[str, Any], metric: str | None) -> None:
    """Fit a class to a few rows as the worker will, to find invalid parameters.

    List parameters refer to the rows of a day, so they cannot be checked here.

    Args:
        kind: A class returned by `find_clusterer`.
        params: Arguments of its constructor.
        metric: The metric that the worker passes to the class; None if it passes distances instead.

    Raises:
        ValueError: The class refuses its parameters.
    """
    counts = [params[name] for name in _COUNTS if isinstance(params.get(name), int)]
    rows = _ROWS + sum(counts)
    if rows > _MOST_ROWS or any(isinstance(value, list | dict) for value in params.values()):
        return
    # Imported here, because few pipelines name a class and numpy takes longer than the rest of a YAML.
    import numpy as np
    from threadpoolctl import threadpool_limits

    points = np.random.default_rng(0).normal(size=(max(rows, _ROWS), 2))
    has_metric = "metric" in kind().get_params()
    options = {**({"metric": metric or "precomputed"} if has_metric else {}), **params}
    try:
        # One thread, because a process that forks later must not have a thread pool.
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            is_measured = options.get("metric") == "precomputed"
            distances = np.linalg.norm(points[:, None] - points[None], axis=2)
            kind(**options).fit_predict(distances if is_measured else points)
    except _REFUSALS as error:
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{kind.__name__} does not work with these parameters: {text}") from error
