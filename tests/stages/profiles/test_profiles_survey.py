"""The measured points: all if they are few, else a sample that depends only on the ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from batches import in_batches
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lambda_worker.contract.profiles import SurveyEvent, SurveyReply, point_memory_mb
from lambda_worker.handler import handler
from lambda_worker.profiles.sampling import silhouette_quota, survey_clusters
from lambda_worker.tables.sample_order import sample_order
from lambda_worker.tables.writing import write_table

POINTS = 3_000


def clusters_file(folder: Path, seed: int, parts: int = 1) -> tuple[tuple[str, ...], pd.DataFrame]:
    """Rows of entities in any order: 30 clusters of very different sizes, and noise."""
    chance = np.random.default_rng(3)
    cluster = np.minimum(chance.exponential(6.0, POINTS).astype(np.int64), 29) - 1
    entity = np.repeat(np.arange(POINTS), chance.integers(1, 4, POINTS))
    order = np.random.default_rng(seed).permutation(len(entity))
    files = []
    for number, rows in enumerate(np.array_split(entity[order], parts)):
        path = str(folder / f"clusters-{seed}-{number}")
        write_table(path, {"point_id": rows, "cluster": cluster[rows]})
        files.append(path)
    return tuple(files), pd.DataFrame({"point_id": entity, "cluster": cluster[entity]})


def survey_event(files: tuple[str, ...], **more: Any) -> SurveyEvent:
    base: dict[str, Any] = {
        "medoid_points": 100,
        "silhouette_points": 500,
        "bin_mb": 300 * point_memory_mb(16.0),
        "budget_s": 30.0,
        "point_bytes": 16.0,
        "pair_us": 0.03,
    }
    return SurveyEvent(
        clusters=files,
        point_count=POINTS,
        output=f"{files[0]}.bins",
        silhouettes=f"{files[0]}.silhouettes",
        **(base | more),
    )


def read(path: str) -> pd.DataFrame:
    return duckdb.sql(f"SELECT * FROM read_parquet('{path}')").df()


def test_large_clusters_are_sampled_small_ones_are_not(tmp_path: Path) -> None:
    files, entities = clusters_file(tmp_path, 0)
    event = survey_event(files)
    reply = survey_clusters(event)
    points = entities[entities["cluster"] >= 0].drop_duplicates()
    sizes = points.groupby("cluster").size()
    assert reply.rows == len(entities)
    assert (reply.clusters, reply.clustered_points) == (len(sizes), len(points))
    assert reply.sampled_clusters == (sizes > 100).sum() > 2
    chosen = read(event.output)
    assert chosen["point_id"].is_unique
    assert chosen.groupby("component").size().to_dict() == sizes.clip(upper=100).to_dict()
    for cluster, rows in points.groupby("cluster"):
        ids = rows["point_id"].to_numpy()
        first = ids[np.argsort(sample_order(ids))][:100]
        assert chosen[chosen["component"] == cluster]["point_id"].tolist() == sorted(first)


def test_bins_hold_whole_clusters_and_no_more_than_fits(tmp_path: Path) -> None:
    event = survey_event(clusters_file(tmp_path, 0)[0])
    reply = survey_clusters(event)
    chosen = read(event.output)
    assert chosen.groupby("component")["bin"].agg(["min", "max"]).eval("min == max").all()
    sizes = chosen.groupby("bin").size()
    assert sizes.index.tolist() == list(range(len(reply.bins)))
    assert sizes.tolist() == [one.points for one in reply.bins]
    assert 1 < len(sizes) < reply.clusters
    assert sizes.max() <= 300
    assert [one.largest for one in reply.bins] == (
        chosen.groupby(["bin", "component"]).size().groupby("bin").max().tolist()
    )
    by_time = survey_clusters(replace(event, bin_mb=1e6, budget_s=0.002))
    assert max(one.seconds for one in by_time.bins) <= 0.002
    assert len(survey_clusters(replace(event, bin_mb=1e6)).bins) == 1


def test_silhouettes_are_of_all_points_or_of_an_equal_share_of_each_cluster(tmp_path: Path) -> None:
    files, entities = clusters_file(tmp_path, 0)
    points = entities[entities["cluster"] >= 0].drop_duplicates()
    everything = survey_event(files, silhouette_points=POINTS)
    reply = survey_clusters(everything)
    assert reply.silhouette_points == reply.clustered_points
    assert sorted(read(everything.silhouettes)["point_id"]) == sorted(points["point_id"])
    some = survey_event(files)
    reply = survey_clusters(some)
    found = read(some.silhouettes).groupby("component").size()
    assert 400 < found.sum() == reply.silhouette_points <= 500
    share = found.max()
    assert found.to_dict() == points.groupby("cluster").size().clip(upper=share).to_dict()
    assert reply.silhouette_clusters == reply.clusters
    few = survey_event(files, silhouette_points=10)
    reply = survey_clusters(few)
    largest = entities[entities["cluster"] >= 0].groupby("cluster").size().nlargest(5).index
    assert sorted(read(few.silhouettes)["component"].unique()) == sorted(largest)
    assert reply.silhouette_clusters == 5


def test_the_same_bytes_whatever_the_order_of_rows_files_and_batches(tmp_path: Path) -> None:
    written = []
    for seed, rows in ((0, 1 << 16), (1, 700), (2, 64)):
        event = survey_event(clusters_file(tmp_path, seed, parts=1 + seed)[0])
        in_batches(rows, survey_clusters, event)
        written.append([Path(path).read_bytes() for path in (event.output, event.silhouettes)])
    assert written[0] == written[1] == written[2]


def test_a_day_of_noise_has_nothing_to_measure(tmp_path: Path) -> None:
    path = str(tmp_path / "noise")
    write_table(path, {"point_id": np.arange(5), "cluster": np.full(5, -1)})
    event = replace(survey_event((path,)), point_count=5)
    reply = survey_clusters(event)
    assert (reply.clusters, reply.bins, reply.silhouette_clusters) == (0, (), 0)
    assert len(read(event.output)) == len(read(event.silhouettes)) == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"point_id": [0, 0], "cluster": [1, 2]}, "two clusters"),
        ({"point_id": [0, 9], "cluster": [1, 2]}, "9 is not in 0..4"),
        ({"point_id": [0, 1], "cluster": [1, -2]}, "not a table of clusters"),
    ],
)
def test_what_is_no_table_of_clusters_is_refused(
    rows: dict[str, list[int]], message: str, tmp_path: Path
) -> None:
    path = str(tmp_path / "bad")
    write_table(path, {name: np.array(values) for name, values in rows.items()})
    event = replace(survey_event((path,)), point_count=5)
    for batch_rows in (1, 10):
        with pytest.raises(ValueError, match=message):
            in_batches(batch_rows, survey_clusters, event)
    assert SurveyReply.from_json(handler(event.to_json(), None)).error_type == "InputError"


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)), min_size=1, max_size=40), st.integers(4, 300)
)
def test_quotas_are_fair_and_within_the_limit(clusters: list[tuple[int, int]], limit: int) -> None:
    sizes = np.array([size for size, _ in clusters])
    entities = sizes + np.array([more for _, more in clusters])
    quota = silhouette_quota(sizes, entities, limit)
    assert quota.sum() <= limit
    assert (quota <= sizes).all()
    if sizes.sum() <= limit:
        assert np.array_equal(quota, sizes)
        return
    kept = quota > 0
    share = quota.max()
    assert (quota[kept] == np.minimum(sizes[kept], share)).all()
    assert (quota[kept] >= np.minimum(sizes[kept], 2)).all()
    # One point more for each would be too many, unless nobody has more to give.
    assert np.minimum(sizes[kept], share + 1).sum() > limit or share >= sizes[kept].max()
    if not kept.all():
        assert kept.sum() == limit // 2
        assert entities[kept].min() >= entities[~kept].max()


@given(st.sets(st.integers(0, 2**62), min_size=1, max_size=200))
def test_no_two_ids_have_the_same_place_in_the_sample(ids: set[int]) -> None:
    assert len(np.unique(sample_order(np.array(sorted(ids))))) == len(ids)
