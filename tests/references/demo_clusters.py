"""The clusters of the demo pipelines by pandas and scikit-learn alone, on entities, not on points.

Each function of `CLUSTERS` takes rows of the honeypot data and returns the entities in order, their distance
matrix and their labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN
from sklearn.metrics.pairwise import haversine_distances
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.days import Day
    from cluster_assets.stages.ledger.ledger import Ledger

    Clusters = tuple[list[str], np.ndarray, np.ndarray]

EARTH_RADIUS_M = 6_371_008.8


def attackers(rows: pd.DataFrame, threshold: float = 0.4, min_samples: int = 5) -> Clusters:
    """By the sets of protocol and port."""
    port = rows["dst_port"].astype("Int64").astype("string")
    token = rows["protocol"].str.cat(("/" + port).fillna(""))
    shown = (pd.crosstab(rows["src_ip"], token) > 0).sort_index()
    has = shown.to_numpy(float)
    both = has @ has.T  # some days have thousands of tokens, which are slow for cdist
    either = has.sum(1)[:, None] + has.sum(1) - both
    distances = (either - both) / either
    fitted = DBSCAN(eps=threshold, min_samples=min_samples, metric="precomputed").fit(distances)
    return list(shown.index), distances, fitted.labels_


def origins(rows: pd.DataFrame, threshold: float = 50_000, min_samples: int = 5) -> Clusters:
    """By places; those that are off the globe are left out."""
    places = rows.groupby("src_ip")[["latitude", "longitude"]].max().dropna().sort_index()
    places = places[(places["latitude"].abs() <= 90) & (places["longitude"].abs() <= 180)]
    radians = np.radians(places.to_numpy())
    fitted = DBSCAN(
        eps=threshold / EARTH_RADIUS_M, min_samples=min_samples, metric="haversine", algorithm="ball_tree"
    ).fit(radians)
    return list(places.index), haversine_distances(radians) * EARTH_RADIUS_M, fitted.labels_


def behaviours(rows: pd.DataFrame, threshold: float = 0.3, min_samples: int = 5) -> Clusters:
    """By scaled aggregates."""
    filled = rows.assign(src_port=rows["src_port"].fillna(0))
    grouped = filled.groupby("src_ip").agg(
        rows=("src_ip", "size"),
        sensors=("sensor", "nunique"),
        ports=("dst_port", "nunique"),
        source=("src_port", "mean"),
    )
    scaled = StandardScaler().fit_transform(grouped.sort_index().to_numpy(dtype=float))
    fitted = DBSCAN(eps=threshold, min_samples=min_samples, algorithm="kd_tree").fit(scaled)
    return sorted(grouped.index), cdist(scaled, scaled), fitted.labels_


CLUSTERS: dict[str, Callable[..., Clusters]] = {
    "attackers": attackers,
    "origins": origins,
    "behaviours": behaviours,
}


def read_table(ledger: Ledger, stage: str, table: str, day: Day) -> pd.DataFrame:
    """The rows of a published table; an empty one has its columns."""
    manifest = ledger.require(stage, day)
    uris = list(ledger.uris(manifest, table))
    if not uris:
        return pd.DataFrame(columns=[column.name for column in manifest.tables[table].columns])
    return duckdb.sql(f"SELECT * FROM read_parquet({uris})").df()


def assert_pairs(
    point_of: np.ndarray, candidates: pd.DataFrame, distances: np.ndarray, threshold: float
) -> None:
    """The pairs of points are those of their first entities within the threshold, at their distance."""
    points, first = np.unique(point_of, return_index=True)
    assert np.array_equal(points, np.arange(len(points)))
    between = distances[np.ix_(first, first)]
    a, b = np.nonzero(np.triu(between <= threshold, k=1))
    found = candidates.sort_values(["point_a", "point_b"])
    assert np.array_equal(found["point_a"], a)
    assert np.array_equal(found["point_b"], b)
    np.testing.assert_allclose(found["distance"].astype(float), between[a, b], rtol=1e-9, atol=1e-6)
