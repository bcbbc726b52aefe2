"""Days from source rows to profiles, against pandas, brute force and scikit-learn on all entities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from clustered_points import DISTANCES, great_circle, jaccard, matrix
from sklearn.metrics import silhouette_samples
from wagner_fischer import levenshtein

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.points.stage import PointsStage
from cluster_assets.stages.profiles.stage import ProfilesStage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = "2026-01-05"
NAN = float("nan")


def source(count: int = 120, seed: int = 2) -> pd.DataFrame:
    """Entities in five families with distinct members; every seventh is a copy of the one before."""
    chance = np.random.default_rng(seed)
    family = chance.integers(0, 6, count)  # the last has no likeness
    rows = pd.DataFrame({"id": [f"e{k:03d}" for k in range(count)]})
    strays = family == 5
    rows["x"] = np.where(strays, chance.uniform(-40, 40, count), 10 * family + chance.normal(0, 0.5, count))
    rows["y"] = np.where(strays, chance.uniform(-40, 40, count), chance.normal(0, 0.5, count))
    rows["latitude"] = np.clip(rows["x"], -80, 80)
    rows["longitude"] = np.where(rows["y"] < 0, 180 + rows["y"].clip(-9, 9), -180 + rows["y"].clip(-9, 9))
    tags = [
        sorted({f"t{k}" for k in chance.integers(0, 30, 6)} if is_stray else {f"f{f}é", f"f{f}b", "all"})
        for f, is_stray in zip(family, strays, strict=True)
    ]
    more = chance.integers(0, 3, count)
    rows["tags"] = [sorted({*tag, *(f"m{k}" for k in range(n))}) for tag, n in zip(tags, more, strict=True)]
    rows["name"] = [
        (str(f) * 4 + " agent of")[: 10 + n] if f < 5 else "".join(chance.choice(list("abcdefghij😀"), 12))
        for f, n in zip(family, more, strict=True)
    ]
    rows["vec"] = [
        [float(np.cos(f)), float(np.sin(f)), f / 9, 0.1 + n * 0.01] if f < 5 else list(chance.normal(0, 1, 4))
        for f, n in zip(family, more, strict=True)
    ]
    twins = np.arange(count)
    twins[6::7] -= 1
    return rows.take(twins).assign(id=rows["id"].to_numpy()).reset_index(drop=True)


def write(rows: pd.DataFrame, path: Path, day: str = DAY) -> dict[str, Any]:
    path.mkdir(exist_ok=True)
    frame = rows.assign(event_time=pd.Timestamp(day))
    timed = duckdb.from_df(frame).select("* REPLACE (event_time::TIMESTAMP AS event_time)")
    timed.write_parquet(str(path / f"{day}.parquet"))
    return {"raw": {"files": str(path / "*.parquet"), "time_column": "event_time"}}


GEO = {"latitude": "max(latitude)", "longitude": "max(longitude)"}
# Kind: features, distance, and the value of a row for brute force.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], Callable[[Any], Any]]] = {
    "set": ({"set": "tag"}, {"metric": "jaccard", "threshold": 0.5}, lambda row: row.tags),
    "vector": (
        {"vector": ["max(x)", "max(y)"]},
        {"metric": "euclidean", "threshold": 1.2},
        lambda row: (row.x, row.y),
    ),
    "geo": (
        {"geo": GEO},
        {"metric": "haversine", "threshold": 150_000.0},
        lambda row: (row.latitude, row.longitude),
    ),
    "text": ({"text": "max(name)"}, {"metric": "levenshtein", "threshold": 2.0}, lambda row: row.name_),
    "embedding": (
        {"embedding": "max(vec)"},
        {"metric": "cosine", "threshold": 0.02},
        lambda row: row.vec,
    ),
    "mixed": (
        {
            "mixed": {
                "size": {"number": "max(x)", "weight": 2},
                "group": {"category": "max(name)"},
                "tags": {"set": "tag"},
                "agent": {"text": "max(name)"},
                "place": {"geo": GEO},
            }
        },
        {"metric": "gower", "threshold": 0.2},
        lambda row: row,
    ),
}


def distance_of(kind: str, metric: str, rows: pd.DataFrame) -> Callable[[Any, Any], float]:
    if kind != "mixed":
        return DISTANCES[kind, metric]
    width = rows["x"].max() - rows["x"].min()

    def gower(a: Any, b: Any) -> float:
        name = levenshtein(a.name_, b.name_) / max(1, len(a.name_), len(b.name_))
        place = great_circle((a.latitude, a.longitude), (b.latitude, b.longitude)) / (math.pi * 6_371_008.8)
        terms = 2 * abs(a.x - b.x) / width, a.name_ != b.name_, jaccard(a.tags, b.tags), name, place
        return float(sum(terms) / 6)

    return gower


def check_profiles(
    profiles: pd.DataFrame, clusters: pd.DataFrame, rows: pd.DataFrame, distances: np.ndarray
) -> None:
    labels = clusters["cluster"].to_numpy()
    entities = clusters["entity"].to_numpy()
    assert entities.tolist() == rows["id"].tolist()
    assert profiles["cluster"].tolist() == sorted(np.unique(labels))
    inside = labels >= 0
    silhouette = np.full(len(labels), NAN)
    if len(np.unique(labels[inside])) > 1:
        within = distances[np.ix_(inside, inside)]
        silhouette[inside] = silhouette_samples(within, labels[inside], metric="precomputed")
    for profile in profiles.itertuples():
        own = labels == profile.cluster
        assert profile.entities == own.sum()
        assert profile.share == pytest.approx(own.mean(), rel=1e-15)
        assert profile.points == clusters[own]["point_id"].nunique()
        assert profile.core_entities == (own & (clusters["role"] == "core")).sum()
        assert profile.border_entities == (own & (clusters["role"] == "border")).sum()
        if profile.cluster < 0:
            assert pd.isna(profile.medoid)
            assert math.isnan(profile.cohesion)
            assert math.isnan(profile.separation)
            continue
        sums = distances[np.ix_(own, own)].sum(axis=0)
        medoid = np.flatnonzero(sums <= sums.min() * (1 + 1e-9) + 1e-12)[0]
        assert profile.medoid == entities[own][medoid]
        assert profile.cohesion == pytest.approx(sums[medoid] / own.sum(), rel=1e-9, abs=1e-9)
        assert profile.separation == pytest.approx(silhouette[own].mean(), abs=1e-9, nan_ok=True)
        assert profile.exemplars[0] == profile.medoid
        assert set(profile.exemplars) <= set(entities[own])
        assert len(profile.exemplars) == min(5, profile.points) == len(set(profile.exemplars))
        assert (profile.cohesion_basis, profile.cohesion_points) == ("exact", profile.points)
        assert (profile.separation_basis, profile.separation_points) == ("exact", profile.points)


def check_values(found: pd.DataFrame, labels: np.ndarray, values: list[set[str]], typical: bool) -> None:
    """Lifts of what entities show, ranked by the difference of the shares."""
    shown = pd.DataFrame(
        [(label, value) for label, own in zip(labels, values, strict=True) for value in own],
        columns=["cluster", "value"],
    )
    day = shown["value"].value_counts() / len(labels)
    for cluster, group in found.groupby("cluster"):
        size = int((labels == cluster).sum())
        counts = shown[shown["cluster"] == cluster]["value"].value_counts()
        wanted = pd.DataFrame({"entities": counts, "share": counts / size, "day": day[counts.index]})
        assert len(group) == min(10, len(wanted))
        assert group["rank"].tolist() == list(range(1, len(group) + 1))
        own = wanted.loc[group["value"]]
        assert group["entities"].tolist() == own["entities"].tolist()
        assert group["share"].to_numpy() == pytest.approx(own["share"].to_numpy())
        assert group["day_share"].to_numpy() == pytest.approx(own["day"].to_numpy())
        assert group["lift"].to_numpy() == pytest.approx((own["share"] / own["day"]).to_numpy())
        gains = (group["share"] - group["day_share"]).to_numpy()[1 if typical and cluster >= 0 else 0 :]
        assert (np.diff(gains) <= 1e-12).all()
        rest = wanted.drop(group["value"])
        if len(rest) and len(gains):
            assert (rest["share"] - rest["day"]).max() <= gains[-1] + 1e-12


def check_numbers(found: pd.DataFrame, labels: np.ndarray, values: pd.DataFrame) -> None:
    for cluster, group in found.groupby("cluster"):
        own = values[labels == cluster].mean()
        spread = values.std(ddof=0)
        zscore = (own - values.mean()) / spread.where(spread > 1e-12)
        assert len(group) == min(10, values.shape[1])
        assert (group["entities"] == (labels == cluster).sum()).all()
        for row in group.itertuples():
            assert row.mean == pytest.approx(own[row.feature], rel=1e-9, abs=1e-12)
            assert row.day_mean == pytest.approx(values.mean()[row.feature], rel=1e-9, abs=1e-12)
            assert row.day_spread == pytest.approx(spread[row.feature], rel=1e-9, abs=1e-12)
            assert row.zscore == pytest.approx(zscore[row.feature], rel=1e-7, abs=1e-9, nan_ok=True)
        order = group["zscore"].abs().fillna(-1).to_numpy()
        assert (np.diff(order) <= 1e-9).all()


def check_places(found: pd.DataFrame, labels: np.ndarray, places: np.ndarray) -> None:
    for row in found.itertuples():
        own = places[labels == row.cluster]
        radians = np.radians(own)
        north, east = radians[:, 0], radians[:, 1]
        x, y, z = (
            (np.cos(north) * np.cos(east)).sum(),
            (np.cos(north) * np.sin(east)).sum(),
            np.sin(north).sum(),
        )
        centre = math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
        assert (row.latitude, row.longitude) == pytest.approx(centre, abs=1e-9)
        assert row.radius_m == pytest.approx(max(great_circle(centre, place) for place in own), abs=1e-2)


def check_features(kind: str, found: pd.DataFrame, labels: np.ndarray, rows: pd.DataFrame) -> None:
    by_kind = dict(tuple(found.groupby("kind")))
    expected = {"set": {"token"}, "vector": {"number"}, "embedding": {"number"}, "geo": {"place"}}
    expected |= {"text": {"text"}, "mixed": {"number", "category", "token", "text", "place"}}
    assert set(by_kind) == expected[kind]
    for group in by_kind.values():
        assert sorted(group["cluster"].unique()) == sorted(np.unique(labels))
    if "token" in by_kind:
        check_values(by_kind["token"], labels, [set(tags) for tags in rows["tags"]], typical=False)
    for name in ("text", "category"):
        if name in by_kind:
            check_values(by_kind[name], labels, [{name_} for name_ in rows["name_"]], typical=name == "text")
    if "place" in by_kind:
        check_places(by_kind["place"], labels, rows[["latitude", "longitude"]].to_numpy())
    if "number" in by_kind:
        numbers = {
            "vector": rows[["x", "y"]].set_axis(["max(x)", "max(y)"], axis=1),
            "mixed": rows[["x"]].set_axis(["size"], axis=1),
            "embedding": pd.DataFrame(
                rows["vec"].tolist(), columns=[f"embedding[{k}]" for k in (1, 2, 3, 4)]
            ),
        }
        check_numbers(by_kind["number"], labels, numbers[kind])


def prepared(rows: pd.DataFrame, path: Path) -> dict[str, Any]:
    """The source with one row a tag."""
    long = rows.assign(tag=rows["tags"]).explode("tag").drop(columns=["tags"])
    return write(long, path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_of_every_kind(kind: str, days: Callable[..., Any], tmp_path: Path) -> None:
    features, distance, value_of = KINDS[kind]
    rows = source()
    day = days(**prepared(rows, tmp_path / "lake"), features=features, distance=distance)
    results = day.run(DAY)
    rows = rows.rename(columns={"name": "name_"})
    clusters, profiles = day.table("clusters", DAY), day.table("profiles", DAY)
    assert (clusters["cluster"] >= 0).sum() > 60
    assert (clusters["cluster"] < 0).sum() > 5
    assert clusters["point_id"].nunique() < len(clusters)
    values = [value_of(row) for row in rows.itertuples()]
    distances = matrix(values, distance_of(kind, distance["metric"], rows))
    check_profiles(profiles, clusters, rows, distances)
    check_features(kind, day.table("cluster_features", DAY), clusters["cluster"].to_numpy(), rows)
    if kind in ("text", "mixed"):  # the medoid's own text stands first
        found = day.table("cluster_features", DAY)
        first = found[(found["kind"] == "text") & (found["rank"] == 1) & (found["cluster"] >= 0)]
        names = rows.set_index("id")["name_"]
        assert first["value"].tolist() == names[profiles["medoid"].dropna()].tolist()
    metrics = results["profiles"].manifest.metrics
    weights = profiles["entities"].where(profiles["separation"].notna())
    assert metrics["silhouette"] == pytest.approx((profiles["separation"] * weights).sum() / weights.sum())
    assert metrics["clusters"] == (profiles["cluster"] >= 0).sum() > 1
    lineage = day.table("lineage", DAY).set_index("cluster")
    clustered = profiles[profiles["cluster"] >= 0]
    assert clustered["stable_id"].tolist() == lineage.loc[clustered["cluster"], "stable_id"].tolist()
    assert (clustered["first_seen"] == DAY).all()
    assert (clustered["last_seen"] == DAY).all()
    assert profiles[profiles["cluster"] < 0]["stable_id"].isna().all()


@pytest.mark.parametrize("kind", ["vector", "geo"])
def test_samples_are_labelled_and_near_the_truth(kind: str, days: Callable[..., Any], tmp_path: Path) -> None:
    features, distance, value_of = KINDS[kind]
    rows = source(400)
    limits = {"medoid_points": 6, "silhouette_points": 60, "exemplars": 3, "features": 2}
    day = days(**prepared(rows, tmp_path / "lake"), features=features, distance=distance, profiles=limits)
    metrics = day.run(DAY)["profiles"].manifest.metrics
    clusters, profiles = day.table("clusters", DAY), day.table("profiles", DAY)
    profiles = profiles[profiles["cluster"] >= 0]
    sampled = profiles["points"] > 6
    assert sampled.sum() == metrics["sampled_clusters"] > 2
    assert profiles["cohesion_basis"].tolist() == ["sampled" if one else "exact" for one in sampled]
    assert profiles["cohesion_points"].tolist() == profiles["points"].clip(upper=6).tolist()
    assert set(profiles["separation_basis"]) == {"sampled"}
    assert profiles["separation_points"].sum() == metrics["silhouette_points"] <= 60
    assert profiles["exemplars"].map(len).max() == 3
    assert (day.table("cluster_features", DAY).groupby(["cluster", "kind"])["rank"].max() <= 2).all()
    labels = clusters["cluster"].to_numpy()
    inside = labels >= 0
    values = [value_of(row) for row, is_in in zip(rows.itertuples(), inside, strict=True) if is_in]
    distances = matrix(values, DISTANCES[kind, distance["metric"]])
    truth = silhouette_samples(distances, labels[inside], metric="precomputed").mean()
    assert metrics["silhouette"] == pytest.approx(truth, abs=0.1)


def test_algorithms_without_a_distance_are_measured_by_euclid(
    days: Callable[..., Any], tmp_path: Path
) -> None:
    rows = source()
    day = days(
        **prepared(rows, tmp_path / "lake"),
        features=KINDS["vector"][0],
        algorithm={"type": "kmeans", "n_clusters": 5, "seed": 3},
    )
    day.run(DAY)
    distances = matrix(list(zip(rows["x"], rows["y"], strict=True)), math.dist)
    check_profiles(day.table("profiles", DAY), day.table("clusters", DAY), rows, distances)


def points_of(rows: list[tuple[str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["id", "x"])


ONE_NUMBER = {"features": {"vector": ["max(x)"]}, "distance": {"metric": "euclidean", "threshold": 1.5}}


def test_days_with_little_to_tell(days: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    write(points_of([("a", 0.0), ("b", 50.0)]), folder, "2026-01-02")
    write(points_of([("a", 0.0), ("b", 1.0), ("c", 2.0), ("d", 2.0)]), folder, "2026-01-03")
    raw = write(points_of([(name, 7.0) for name in "abc"]), folder, "2026-01-04")
    day = days(**raw, **ONE_NUMBER)
    for name in ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"):
        day.run(name)
    assert len(day.table("profiles", "2026-01-01")) == len(day.table("cluster_features", "2026-01-01")) == 0
    (noise,) = day.table("profiles", "2026-01-02").itertuples()
    assert (noise.cluster, noise.entities, noise.share, pd.isna(noise.medoid)) == (-1, 2, 1.0, True)
    assert day.table("cluster_features", "2026-01-02")["zscore"].tolist() == [0.0]
    (alone,) = day.table("profiles", "2026-01-03").itertuples()
    assert (alone.medoid, alone.entities, alone.points, alone.cohesion) == ("b", 4, 3, 0.75)
    assert math.isnan(alone.separation)
    assert pd.isna(alone.separation_basis)
    assert list(alone.exemplars) == ["b", "a", "c"]
    (same,) = day.table("profiles", "2026-01-04").itertuples()
    assert (same.medoid, list(same.exemplars), same.cohesion, same.points) == ("a", ["a"], 0.0, 1)
    constant = day.table("cluster_features", "2026-01-04").iloc[0]
    assert (constant["mean"], constant["day_spread"], math.isnan(constant["zscore"])) == (7.0, 0.0, True)


def test_clusters_of_one_entity_each(days: Callable[..., Any], tmp_path: Path) -> None:
    raw = write(points_of([("a", 0.0), ("b", 5.0), ("c", 9.0)]), tmp_path / "lake")
    day = days(**raw, **ONE_NUMBER, algorithm={"type": "connected_components"})
    day.run(DAY)
    profiles = day.table("profiles", DAY)
    assert profiles["medoid"].tolist() == ["a", "b", "c"]
    assert profiles["separation"].tolist() == profiles["cohesion"].tolist() == [0.0, 0.0, 0.0]


def test_a_rerun_finds_what_was_measured_and_force_measures_again(
    days: Callable[..., Any], tmp_path: Path
) -> None:
    raw = prepared(source(), tmp_path / "lake")
    features, distance, _ = KINDS["vector"]
    day = days(**raw, features=features, distance=distance)
    first = day.run(DAY)["profiles"]
    again = day.run(DAY)["profiles"]
    assert (first.reused, again.reused) == (False, True)
    shown = days(**raw, features=features, distance=distance, profiles={"features": 1})
    other = shown.run(DAY)["profiles"]
    assert not other.reused
    assert other.manifest.metrics["invocations_reused"] == other.manifest.metrics["invocations"] == 3
    assert (
        other.manifest.tables["profiles"].content_digest == first.manifest.tables["profiles"].content_digest
    )
    forced = run_day(
        ProfilesStage(), DayJob(shown.spec, shown.backend, shown.ledger, parse_day(DAY), force=True)
    )
    assert forced.manifest.metrics["invocations_reused"] == 0
    assert forced.manifest.content_digest == other.manifest.content_digest


def test_profiles_refuse_clusters_of_other_points(days: Callable[..., Any], tmp_path: Path) -> None:
    raw = prepared(source(), tmp_path / "lake")
    features, distance, _ = KINDS["vector"]
    day = days(**raw, features=features, distance=distance)
    day.run(DAY)
    other = days(**raw, features={"vector": ["max(y)"]}, distance=distance)
    job = DayJob(other.spec, other.backend, other.ledger, parse_day(DAY))
    run_day(PointsStage(), job)
    with pytest.raises(UpstreamMissingError, match=r"clusters .* another state of points"):
        run_day(ProfilesStage(), job)
