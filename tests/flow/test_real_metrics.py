"""Real days under every metric and executor: pairs equal brute force, labels equal scikit-learn's.

Two days; five are among the long tests.
The truth is computed from the file with pandas, scipy and scikit-learn alone, on entities, not on points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN
from sklearn.metrics.pairwise import haversine_distances
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from wagner_fischer import levenshtein

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EARTH_RADIUS_M = 6_371_008.8
DAYS = ("2013-03-04", "2013-04-20", "2013-05-29", "2013-07-11", "2013-08-30")
SET = "protocol || coalesce('/' || cast(dst_port as varchar), '')"
VECTOR = ["count(*)", "count(DISTINCT sensor)", "count(DISTINCT dst_port)", "avg(coalesce(src_port, 0))"]
WIDE = [*VECTOR, *(f"count(DISTINCT CASE WHEN sensor LIKE '%{name}%' THEN dst_port END)" for name in "aeiou")]

Truth = tuple[list[str], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A pipeline and the distances it should find: entities in order, their matrix."""

    attributes: dict[str, Any]
    truth: Callable[[pd.DataFrame], Truth]
    executor: str
    exact: bool = True


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    port = rows["dst_port"].astype("Int64").astype("string")
    return (pd.crosstab(rows["src_ip"], rows["protocol"].str.cat(("/" + port).fillna(""))) > 0).sort_index()


def of_sets(distance: Callable[..., np.ndarray]) -> Callable[[pd.DataFrame], Truth]:
    def truth(rows: pd.DataFrame) -> Truth:
        held = shown(rows)
        bits = held.to_numpy(float)
        common, sizes = bits @ bits.T, bits.sum(axis=1)
        return list(held.index), distance(common, sizes[:, None], sizes[None, :])

    return truth


def of_vectors(columns: list[str], scaler: Any, metric: str) -> Callable[[pd.DataFrame], Truth]:
    def truth(rows: pd.DataFrame) -> Truth:
        grouped = duckdb.sql(f"SELECT src_ip, {', '.join(columns)} FROM rows GROUP BY 1").df()
        grouped = grouped.sort_values("src_ip")
        values = scaler().fit_transform(grouped.iloc[:, 1:].to_numpy(float))
        return grouped["src_ip"].tolist(), cdist(values, values, metric)

    return truth


def places(rows: pd.DataFrame) -> pd.DataFrame:
    found = rows.groupby("src_ip")[["latitude", "longitude"]].max().dropna().sort_index()
    return found[(found["latitude"].abs() <= 90) & (found["longitude"].abs() <= 180)]


def of_places(rows: pd.DataFrame) -> Truth:
    found = places(rows)
    return list(found.index), haversine_distances(np.radians(found.to_numpy())) * EARTH_RADIUS_M


def of_texts(rows: pd.DataFrame) -> Truth:
    texts = rows.groupby("src_ip")["region"].max().dropna().sort_index()
    names, code = np.unique(texts.to_numpy(str), return_inverse=True)
    between = np.array([[levenshtein(a, b) for b in names] for a in names], float)
    return list(texts.index), between[np.ix_(code, code)]


def of_mixed(rows: pd.DataFrame) -> Truth:
    grouped = rows.groupby("src_ip").agg(
        port=("dst_port", lambda ports: ports.fillna(0).mean()), country=("country_code", "max")
    )
    grouped = grouped.dropna().sort_index()
    held = shown(rows).loc[grouped.index].to_numpy(float)
    common, sizes = held @ held.T, held.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - common
    port = grouped["port"].to_numpy()
    number = np.abs(port[:, None] - port[None, :]) / (port.max() - port.min())
    country = grouped["country"].to_numpy(str)
    category = (country[:, None] != country[None, :]).astype(float)
    return list(grouped.index), (2.0 * number + 1.0 * category + 1.0 * (1 - common / union)) / 4.0


def vector_case(metric: str, threshold: float, scale: str, executor: str, **more: Any) -> Case:
    scaler = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}[scale]
    columns = more.pop("columns", VECTOR)
    name = {"manhattan": "cityblock"}.get(metric, metric)
    attributes = {
        "features": {"vector": columns, "scale": scale},
        "distance": {"metric": metric, "threshold": threshold},
        "blocking": {"type": executor},
    }
    return Case(attributes, of_vectors(columns, scaler, name), executor, **more)


def set_case(metric: str, threshold: float, distance: Callable[..., np.ndarray]) -> Case:
    attributes = {"features": {"set": SET}, "distance": {"metric": metric, "threshold": threshold}}
    return Case(attributes, of_sets(distance), "join")


GEO = {
    "features": {"geo": {"latitude": "max(latitude)", "longitude": "max(longitude)"}},
    "distance": {"metric": "haversine", "threshold": 50_000},
    "on_invalid": "exclude",
}
CASES = {
    "dice": set_case("dice", 0.3, lambda o, a, b: (a + b - 2 * o) / (a + b)),
    "overlap": set_case("overlap", 0.4, lambda o, a, b: (np.minimum(a, b) - o) / np.minimum(a, b)),
    "cosine of sets": set_case("cosine", 0.3, lambda o, a, b: 1 - o / np.sqrt(a * b)),
    "manhattan": vector_case("manhattan", 0.5, "standard", "join"),
    "chebyshev": vector_case("chebyshev", 0.05, "minmax", "join"),
    "cosine": vector_case("cosine", 0.02, "standard", "join"),
    "robust euclidean": vector_case("euclidean", 0.25, "robust", "join"),
    "euclidean by blocks": vector_case("euclidean", 0.5, "standard", "blocks", columns=WIDE),
    "manhattan by blocks": vector_case("manhattan", 0.5, "standard", "blocks", columns=WIDE),
    "cosine by blocks": vector_case("cosine", 0.02, "standard", "blocks", columns=WIDE),
    "euclidean by cells": vector_case("euclidean", 0.3, "standard", "cells", columns=VECTOR[:3], exact=False),
    "chebyshev by cells": vector_case("chebyshev", 0.05, "minmax", "cells", columns=VECTOR[:2], exact=False),
    "haversine by cells": Case({**GEO, "blocking": {"type": "cells"}}, of_places, "cells", exact=False),
    "levenshtein": Case(
        {
            "features": {"text": "max(region)"},
            "distance": {"metric": "levenshtein", "threshold": 2},
            "on_invalid": "exclude",
        },
        of_texts,
        "join",
    ),
    "gower": Case(
        {
            "features": {
                "mixed": {
                    "port": {"number": "avg(coalesce(dst_port, 0))", "weight": 2},
                    "country": {"category": "max(country_code)"},
                    "targets": {"set": SET},
                }
            },
            "distance": {"metric": "gower", "threshold": 0.2},
            "on_invalid": "exclude",
        },
        of_mixed,
        "join",
    ),
}


@pytest.fixture(scope="module")
def events(real_data: Path) -> dict[str, pd.DataFrame]:
    frame = duckdb.sql(f"SELECT * FROM read_parquet('{real_data}/honeypot_2013.parquet')").df()
    return {str(day): rows for day, rows in frame.groupby(frame["event_time"].dt.date)}


@pytest.mark.parametrize("days", [DAYS[:2], pytest.param(DAYS, marks=pytest.mark.long)], ids=len)
@pytest.mark.parametrize("name", CASES)
def test_real_days(
    name: str, days: tuple[str, ...], runner: Any, real_data: Path, events: dict[str, pd.DataFrame]
) -> None:
    case = CASES[name]
    run = runner(
        raw={"files": f"{real_data}/honeypot_2013.parquet", "time_column": "event_time"},
        entity="src_ip",
        algorithm={"type": "dbscan", "min_samples": 5},
        start_date="2013-03-03",
        **case.attributes,
    )
    pairs = 0
    for day in days:
        metrics = run.run(day)["candidates"].manifest.metrics
        assert metrics["executor"] == case.executor
        entities, distances = case.truth(events[day])
        clusters = run.table("clusters", day).sort_values("entity")
        assert clusters["entity"].tolist() == entities
        threshold = case.attributes["distance"]["threshold"]
        labels = DBSCAN(eps=threshold, min_samples=5, metric="precomputed").fit(np.maximum(distances, 0))
        assert np.array_equal(clusters["cluster"], labels.labels_), day
        pairs += check_pairs(clusters["point_id"].to_numpy(), run.table("candidates", day), case, distances)
    assert pairs >= 4 * len(days), "days without pairs would prove nothing"


def check_pairs(point_of: np.ndarray, found: pd.DataFrame, case: Case, distances: np.ndarray) -> int:
    """All near pairs of points, or for a certificate some of them, at their distances."""
    points, first = np.unique(point_of, return_index=True)
    assert np.array_equal(points, np.arange(len(points)))
    between = distances[np.ix_(first, first)]
    near = np.triu(between <= case.attributes["distance"]["threshold"], k=1)
    a, b = found["point_a"].to_numpy(int), found["point_b"].to_numpy(int)
    assert near[a, b].all()
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(found)
    if case.exact:
        assert len(found) == near.sum()
    np.testing.assert_allclose(found["distance"].astype(float), between[a, b], rtol=1e-9, atol=1e-6)
    return len(found)
