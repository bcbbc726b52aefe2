"""One real day of each demo pipeline: profiles against pandas and scikit-learn on the entities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_samples
from sklearn.metrics.pairwise import haversine_distances
from sklearn.preprocessing import StandardScaler

from cluster_assets.settings import PACKAGED_DEFS
from cluster_assets.spec.yaml.files import load_pipeline_named

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = "2013-05-01"
EARTH_M = 6_371_008.8


def entities_of(name: str, rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Features by entity in order, and all distances."""
    if name == "attackers":
        port = rows["dst_port"].astype("Int64").astype("string")
        token = rows["protocol"].str.cat(("/" + port).fillna(""))
        shown = (pd.crosstab(rows["src_ip"], token) > 0).sort_index()
        return shown, cdist(shown.to_numpy(), shown.to_numpy(), metric="jaccard")
    if name == "origins":
        places = rows.groupby("src_ip")[["latitude", "longitude"]].max().dropna().sort_index()
        places = places[(places["latitude"].abs() <= 90) & (places["longitude"].abs() <= 180)]
        return places, haversine_distances(np.radians(places.to_numpy())) * EARTH_M
    grouped = (
        rows.assign(src_port=rows["src_port"].fillna(0))
        .groupby("src_ip")
        .agg(a=("src_ip", "size"), b=("sensor", "nunique"), c=("dst_port", "nunique"), d=("src_port", "mean"))
        .sort_index()
    )
    scaled = StandardScaler().fit_transform(grouped.to_numpy(dtype=float))
    return pd.DataFrame(scaled, index=grouped.index), cdist(scaled, scaled)


@pytest.mark.parametrize("name", ["attackers", "origins", "behaviours"])
def test_a_real_day(
    name: str, real_data: Path, days: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_REAL_DATA", str(real_data))
    spec = load_pipeline_named(name, (PACKAGED_DEFS,))
    made = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    made["raw"]["files"] = str(real_data / "honeypot_2013.parquet")
    day = days(**made)
    day.run(DAY)  # type: ignore[attr-defined]
    clusters, profiles, told = (
        day.table(table, DAY)  # type: ignore[attr-defined]
        for table in ("clusters", "profiles", "cluster_features")
    )
    source = f"read_parquet('{real_data}/honeypot_2013.parquet')"
    rows = duckdb.sql(f"SELECT * FROM {source} WHERE CAST(event_time AS DATE) = DATE '{DAY}'").df()
    features, distances = entities_of(name, rows)
    labels = clusters["cluster"].to_numpy()
    assert clusters["entity"].tolist() == features.index.tolist()
    inside = labels >= 0
    assert len(np.unique(labels[inside])) > 2
    silhouette = np.full(len(labels), np.nan)
    np.fill_diagonal(distances, 0.0)
    silhouette[inside] = silhouette_samples(
        distances[np.ix_(inside, inside)], labels[inside], metric="precomputed"
    )
    for profile in profiles[profiles["cluster"] >= 0].itertuples():
        own = labels == profile.cluster
        sums = distances[np.ix_(own, own)].sum(axis=0)
        medoid = int(np.flatnonzero(sums <= sums.min() * (1 + 1e-9) + 1e-9)[0])
        assert profile.medoid == features.index[own][medoid]
        assert profile.entities == own.sum()
        assert profile.cohesion == pytest.approx(sums[medoid] / own.sum(), rel=1e-6, abs=1e-6)
        assert profile.separation == pytest.approx(silhouette[own].mean(), abs=1e-6)
        assert (profile.cohesion_basis, profile.separation_basis) == ("exact", "exact")
        first = told[(told["cluster"] == profile.cluster) & (told["rank"] == 1)].iloc[0]
        if name == "attackers":
            share, day_share = features[own].mean(), features.mean()
            assert first["lift"] == pytest.approx(share[first["value"]] / day_share[first["value"]])
            assert first["share"] - first["day_share"] == pytest.approx((share - day_share).max())
        elif name == "behaviours":
            assert abs(first["zscore"]) == pytest.approx(features[own].mean().abs().max(), abs=1e-9)
        else:
            centre = np.radians([[first["latitude"], first["longitude"]]])
            reach = haversine_distances(centre, np.radians(features[own].to_numpy())) * EARTH_M
            assert first["radius_m"] == pytest.approx(reach.max(), abs=0.1)
