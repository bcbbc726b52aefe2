"""Medoids and silhouettes of the worker, against brute force and scikit-learn on all entities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from clustered_points import (
    COLUMNS,
    DISTANCES,
    Sample,
    entities_of,
    great_circle,
    jaccard,
    matrix,
    random_sample,
    random_values,
)
from msgspec import structs
from sklearn.metrics import silhouette_samples
from wagner_fischer import levenshtein

from lambda_worker.contract import VERSION
from lambda_worker.contract.profiles import MedoidsEvent, Part, SilhouettesEvent
from lambda_worker.handler import handler
from lambda_worker.profiles.silhouettes import silhouettes

CASES = sorted(DISTANCES)


def answer(event: Any) -> dict[str, Any]:
    reply = handler(event.to_json(), None)
    assert reply["ok"], reply["error"]
    return reply


def read(path: str) -> pd.DataFrame:
    return duckdb.sql(f"SELECT * FROM read_parquet('{path}')").df()


def medoids_event(
    files: tuple[str, ...], sample: Sample, kind: str, metric: str, **more: Any
) -> MedoidsEvent:
    return MedoidsEvent(
        points=files,
        point_count=len(sample.ids),
        kind=kind,
        columns=COLUMNS.get(kind, ()),
        metric=metric,
        output=f"{files[0]}.medoids",
        exemplars=4,
        **more,
    )


def silhouettes_event(files: tuple[str, ...], sample: Sample, kind: str, metric: str, **more: Any) -> Any:
    return SilhouettesEvent(
        points=files,
        point_count=len(sample.ids),
        kind=kind,
        columns=COLUMNS.get(kind, ()),
        metric=metric,
        output=f"{files[0]}.silhouettes",
        **more,
    )


def check_medoids(found: pd.DataFrame, sample: Sample, distances: np.ndarray) -> None:
    """Brute force: the least sum over entities, the smallest id where sums are equal."""
    for cluster in np.unique(sample.clusters):
        own = np.flatnonzero(sample.clusters == cluster)
        own = own[np.argsort(sample.ids[own])]
        within = distances[np.ix_(own, own)]
        sums = entities_of(within, sample.weights[own]).sum(axis=0)  # one column an entity
        by_point = sums[np.cumsum(sample.weights[own]) - 1]
        least = np.flatnonzero(by_point <= by_point.min() * (1 + 1e-9))[0]
        rows = found[found["cluster"] == cluster].sort_values("rank")
        assert rows["rank"].tolist() == list(range(min(4, len(own))))
        assert rows["point_id"].iloc[0] == sample.ids[own[least]]
        mean = by_point[least] / sample.weights[own].sum()
        assert rows["cohesion"].to_numpy() == pytest.approx(np.full(len(rows), mean), rel=1e-9, abs=1e-12)
        assert (rows["points"] == len(own)).all()
        reach = rows["distance"].to_numpy()
        assert (np.diff(reach) >= 0).all()
        assert reach[-1] == pytest.approx(within[least].max() if len(own) > 1 else 0.0)
        assert rows["point_id"].is_unique


def check_silhouettes(found: pd.DataFrame, sample: Sample, distances: np.ndarray) -> None:
    entities = entities_of(distances, sample.weights)
    np.fill_diagonal(entities, 0.0)
    labels = np.repeat(sample.clusters, sample.weights)
    wanted = silhouette_samples(entities, labels, metric="precomputed")
    of_point = dict(zip(np.repeat(sample.ids, sample.weights).tolist(), wanted.tolist(), strict=True))
    assert found["silhouette"].to_numpy() == pytest.approx(
        np.array([of_point[point] for point in found["point_id"]]), abs=1e-9
    )
    assert sorted(found["point_id"]) == sorted(sample.ids)


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_medoids_and_silhouettes_of_every_metric(kind: str, metric: str, tmp_path: Path) -> None:
    sample = random_sample(kind)
    distances = matrix(sample.values, DISTANCES[kind, metric])
    files = sample.write(tmp_path, kind, files=2)
    event = medoids_event(files, sample, kind, metric)
    assert answer(event)["clusters"] == len(np.unique(sample.clusters))
    check_medoids(read(event.output), sample, distances)
    other = silhouettes_event(files, sample, kind, metric)
    assert answer(other)["rows"] == len(sample.ids)
    check_silhouettes(read(other.output), sample, distances)


def test_mixed_features(tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    count = 40
    columns: dict[str, list[Any]] = {
        "size": chance.normal(0, 2, count).tolist(),
        "colour": chance.choice(["red", "blue", "green"], count).tolist(),
        "tags": random_values("set", count, chance),
        "name": random_values("text", count, chance),
        "place": random_values("geo", count, chance),
        "same": [1.0] * count,
    }
    width = max(columns["size"]) - min(columns["size"])
    parts = (
        Part("size", "number", 2.0, width),
        Part("colour", "category", 0.5),
        Part("tags", "set", 1.0),
        Part("name", "text", 3.0),
        Part("place", "geo", 1.5),
        Part("same", "number", 1.0, 0.0),
    )

    places = np.array(columns.pop("place"))

    def gower(one: int, other: int) -> float:
        value = {name: (found[one], found[other]) for name, found in columns.items()}
        terms = (
            2.0 * abs(value["size"][0] - value["size"][1]) / width,
            0.5 * (value["colour"][0] != value["colour"][1]),
            1.0 * jaccard(*value["tags"]),
            3.0 * levenshtein(*value["name"]) / max(1, *map(len, value["name"])),
            1.5 * great_circle(places[one], places[other]) / (np.pi * 6_371_008.8),
        )
        return float(sum(terms) / 9.0)

    sample = replace(random_sample("vector", count), values=list(range(count)))
    path = tmp_path / "mixed.parquet"
    numbers = {"point_id": sample.ids, "weight": sample.weights, "component": sample.clusters}
    frame = pd.DataFrame(
        numbers | columns | {"place_latitude": places[:, 0], "place_longitude": places[:, 1]}
    )
    duckdb.from_df(frame).write_parquet(str(path))
    distances = matrix(list(range(count)), gower)
    event = medoids_event((str(path),), sample, "mixed", "gower", parts=parts)
    answer(event)
    check_medoids(read(event.output), sample, distances)
    other = silhouettes_event((str(path),), sample, "mixed", "gower", parts=parts)
    answer(other)
    check_silhouettes(read(other.output), sample, distances)


def test_the_same_bytes_whatever_the_order_of_rows_and_files(tmp_path: Path) -> None:
    sample = random_sample("vector")
    written = []
    for number in range(3):
        files = sample.write(tmp_path, "vector", files=1 + number, seed=number)
        events = (
            medoids_event(files, sample, "vector", "euclidean"),
            silhouettes_event(files, sample, "vector", "euclidean"),
        )
        for event in events:
            answer(event)
        written.append([Path(event.output).read_bytes() for event in events])
    assert written[0] == written[1] == written[2]


def test_a_cluster_is_the_same_in_any_bin(tmp_path: Path) -> None:
    sample = random_sample("set", count=60, clusters=6)
    whole = medoids_event(sample.write(tmp_path, "set"), sample, "set", "jaccard")
    answer(whole)
    together = read(whole.output)
    for number, cluster in enumerate(np.unique(sample.clusters)):
        own = sample.clusters == cluster
        alone = Sample(
            sample.ids[own],
            sample.weights[own],
            sample.clusters[own],
            [value for value, is_own in zip(sample.values, own, strict=True) if is_own],
        )
        event = medoids_event(alone.write(tmp_path, "set", seed=10 + number), alone, "set", "jaccard")
        answer(event)
        expected = together[together["cluster"] == cluster].reset_index(drop=True)
        assert read(event.output).equals(expected)


def test_of_points_that_are_equally_central_the_smallest_is_the_medoid(tmp_path: Path) -> None:
    # A square: all sums are equal; then a heavier corner, and the centre of a cross that beats its arms.
    corners = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    square = Sample(np.array([40, 11, 30, 20]), np.array([1, 1, 1, 1]), np.zeros(4, np.int64), corners)
    heavier = Sample(np.array([41, 12, 31, 21]), np.array([1, 1, 2, 1]), np.ones(4, np.int64), corners)
    cross = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0), (0.0, -1.0)]
    crossed = Sample(np.array([99, 1, 2, 3, 4]), np.ones(5, np.int64), np.full(5, 2), cross)
    sample = Sample(
        *(np.concatenate([getattr(one, name) for one in (square, heavier, crossed)])
          for name in ("ids", "weights", "clusters")),
        [*corners, *corners, *cross],
    )  # fmt: skip
    event = medoids_event(sample.write(tmp_path, "vector"), sample, "vector", "euclidean")
    answer(event)
    found = read(event.output)
    assert found[found["rank"] == 0]["point_id"].tolist() == [11, 31, 99]
    # At equal distances exemplars ascend by id.
    assert found[found["cluster"] == 2]["point_id"].tolist() == [99, 1, 2, 4]


def test_one_entity_alone_has_no_silhouette_and_two_entities_of_one_point_a_full_one() -> None:
    distances = np.array([[0.0, 2.0], [2.0, 0.0]])
    starts = np.array([0, 1])
    assert silhouettes(distances, np.array([1, 1]), starts).tolist() == [0.0, 0.0]
    assert silhouettes(distances, np.array([1, 2]), starts).tolist() == [0.0, 1.0]
    assert silhouettes(0 * distances, np.array([2, 2]), starts).tolist() == [0.0, 0.0]


def test_bad_events_and_files_are_refused(tmp_path: Path) -> None:
    sample = random_sample("vector")
    files = sample.write(tmp_path, "vector")
    event = medoids_event(files, sample, "vector", "euclidean")
    bad = {
        "the files hold 45": structs.replace(event, point_count=44),
        "no metric 'jaccard'": structs.replace(event, metric="jaccard"),
        "comes twice": structs.replace(event, points=files * 2, point_count=90),
        "need parts": structs.replace(event, kind="mixed"),
        "parts[0].kind: Invalid enum value 'colour'; expected number or category": structs.replace(
            event, parts=(Part("a", "colour", 1.0),)
        ),
        "exemplars: Expected `int` >= 1": structs.replace(event, exemplars=0),
    }
    for message, one in bad.items():
        reply = handler(one.to_json(), None)
        assert not reply["ok"]
        assert message in reply["error"]
    one_cluster = replace(sample, clusters=0 * sample.clusters)
    other = silhouettes_event(one_cluster.write(tmp_path, "vector", seed=3), sample, "vector", "euclidean")
    assert "two clusters" in handler(other.to_json(), None)["error"]
    assert handler({**event.to_json(), "version": VERSION + 1}, None)["ok"] is False
