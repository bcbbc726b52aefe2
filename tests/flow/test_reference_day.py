"""Days scaled by the statistics of a named day, weights and token limits, through the real stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import InvalidFeaturesError, SpecError, UpstreamMissingError
from cluster_assets.operations.exports import export_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flow.conftest import Runner

    Make = Callable[..., Runner]

SCALERS: dict[str, Any] = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}
REFERENCE, DAY, LATER, EMPTY = "2026-01-03", "2026-01-02", "2026-01-04", "2026-01-09"


def vectors(day: str) -> pd.DataFrame:
    """The entities of a day: as many as its number times 20, farther apart each day."""
    rng = np.random.default_rng(int(day[-2:]))
    n = 20 * int(day[-2:])
    values = rng.normal(1e3, int(day[-2:]), (n, 2)) * [1, 50]
    return pd.DataFrame({"id": [f"e{k:03}" for k in range(n)], "x": values[:, 0], "y": values[:, 1]})


def write(folder: Path, day: str, rows: pd.DataFrame) -> None:
    path = folder / f"{day}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{day} 01:02:03' AS event_time, * FROM rows) TO '{path}' (FORMAT parquet)"
    )


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for day in (DAY, REFERENCE, LATER):
        write(tmp_path / "lake", day, vectors(day))
    return tmp_path / "lake"


@pytest.fixture
def make(runner: Make, lake: Path) -> Make:
    def made(scale: Any, **more: Any) -> Runner:
        features: dict[str, Any] = {"vector": ["max(x)", "max(y)"], "scale": scale, **more}
        attributes: dict[str, Any] = {
            "raw": {"files": f"{lake}/*.parquet", "time_column": "event_time"},
            "features": features,
            "distance": {"metric": "euclidean", "threshold": 0.4},
        }
        on_invalid = features.pop("on_invalid", "fail")
        return runner(**attributes, on_invalid=on_invalid)

    return made


def by(scale: str) -> dict[str, str]:
    return {"type": scale, "reference_day": REFERENCE}


def scaled_points(run: Runner, day: str) -> np.ndarray:
    """The scaled vectors of a day's entities, in entity order."""
    members = run.table("members", day).sort_values("entity")
    points = run.table("points", day).set_index("point_id")
    return points.loc[members["point_id"], ["x0", "x1"]].to_numpy()


@pytest.mark.parametrize("scale", sorted(SCALERS))
def test_days_are_scaled_by_the_reference_day(make: Make, scale: str) -> None:
    run = make(by(scale), weights=[1.0, 2.5])
    scaler = SCALERS[scale]().fit(vectors(REFERENCE)[["x", "y"]].to_numpy())
    for day in (REFERENCE, DAY, LATER):  # the reference day first: the warehouse is fresh
        results = run.run(day)
        expected = scaler.transform(vectors(day)[["x", "y"]].to_numpy()) * [1.0, 2.5]
        np.testing.assert_allclose(scaled_points(run, day), expected, rtol=1e-12, atol=1e-10)
        labels = DBSCAN(eps=0.4, min_samples=3).fit(expected).labels_
        assert run.table("clusters", day).sort_values("entity")["cluster"].tolist() == labels.tolist()
        points = results["points"].manifest
        assert points.metrics["reference_day"] == REFERENCE
        assert ("scales" in points.tables) == (day == REFERENCE)
        if day == REFERENCE:
            digest = points.tables["scales"].content_digest
        else:
            assert points.metrics["reference_digest"] == points.inputs["scales"] == digest


def test_a_reference_day_that_is_not_published(make: Make) -> None:
    run = make(by("robust"))
    with pytest.raises(UpstreamMissingError) as caught:
        run.run(DAY)
    assert f"{DAY} is scaled by the statistics of {REFERENCE}" in str(caught.value)
    assert f"cluster-assets run demo --day {REFERENCE}" in str(caught.value)
    run.run(REFERENCE)
    assert run.run(DAY)["points"].reused is False


def test_a_recomputed_reference_day_makes_the_others_stale(make: Make, lake: Path) -> None:
    run = make(by("standard"))
    run.run(REFERENCE)
    run.run(DAY)
    assert run.run(DAY)["points"].reused
    assert run.run(REFERENCE, force=True)["points"].manifest.version == 2
    assert run.run(DAY)["points"].reused, "the same statistics again"
    write(lake, REFERENCE, vectors(LATER))
    assert not run.run(REFERENCE)["points"].reused
    again = run.run(DAY)["points"]
    assert not again.reused
    scaler = StandardScaler().fit(vectors(LATER)[["x", "y"]].to_numpy())
    expected = scaler.transform(vectors(DAY)[["x", "y"]].to_numpy())
    np.testing.assert_allclose(scaled_points(run, DAY), expected, rtol=1e-12, atol=1e-10)


def test_a_reference_day_of_another_scale_or_other_features_is_refused(make: Make) -> None:
    make(by("standard")).run(REFERENCE)
    for other in (make(by("minmax")), make(by("standard"), vector=["max(x)", "min(y) * 2"])):
        with pytest.raises(UpstreamMissingError, match="before the pipeline changed") as caught:
            other.run(DAY)
        assert f"cluster-assets run demo --day {REFERENCE}" in str(caught.value)
        other.run(REFERENCE)
        other.run(DAY)


def test_naming_a_reference_day_or_weights_keeps_the_statistics(make: Make) -> None:
    make("standard").run(REFERENCE)
    run = make(by("standard"))
    assert run.run(REFERENCE)["points"].reused, "its own statistics scale it either way"
    run.run(DAY)
    plain = scaled_points(run, DAY)
    weighted = make(by("standard"), weights=[1.0, 3.0])
    assert not weighted.run(DAY)["points"].reused
    assert np.array_equal(scaled_points(weighted, DAY), plain * [1.0, 3.0])


def test_other_options_do_not_read_the_source_again(make: Make) -> None:
    make("none").run(DAY)
    for run in (make("standard"), make("none", weights=[1.0, 2.0]), make("robust", on_invalid="fail")):
        results = run.run(DAY)
        assert results["raw"].reused
        assert not results["points"].reused


def test_an_empty_reference_day(make: Make) -> None:
    run = make({"type": "robust", "reference_day": EMPTY})
    assert run.run(EMPTY)["points"].manifest.tables["scales"].rows == 0
    with pytest.raises(InvalidFeaturesError, match="no valid entity") as caught:
        run.run(DAY)
    assert "remedy:" in str(caught.value)


def test_an_empty_day_and_a_day_of_one_entity(make: Make, lake: Path) -> None:
    write(lake, "2026-01-08", vectors(DAY).head(1))
    one = "2026-01-08"
    run = make(by("robust"))
    run.run(REFERENCE)
    assert run.run(EMPTY)["points"].manifest.metrics["entities"] == 0
    assert run.run(one)["points"].manifest.metrics["entities"] == 1
    own = make("robust")
    assert own.run(EMPTY)["points"].manifest.metrics["entities"] == 0
    own.run(one)
    assert scaled_points(own, one).tolist() == [[0, 0]]


def test_values_that_scaling_makes_too_large(make: Make, lake: Path) -> None:
    narrow = vectors(REFERENCE).assign(y=lambda rows: np.arange(len(rows)) % 2 * 1e-13)
    write(lake, REFERENCE, narrow)
    write(lake, DAY, pd.concat([vectors(DAY), pd.DataFrame({"id": ["far"], "x": [0.0], "y": [1e140]})]))
    run = make(by("minmax"))
    run.run(REFERENCE)
    with pytest.raises(InvalidFeaturesError) as caught:
        run.run(DAY)
    for text in (
        "1 of 41 entities",
        f"1 beyond 1e150 once scaled by the statistics of {REFERENCE}",
        "remedy:",
    ):
        assert text in str(caught.value)
    run = make(by("minmax"), on_invalid="exclude")
    run.run(REFERENCE)
    metrics = run.run(DAY)["points"].manifest.metrics
    assert (metrics["entities"], metrics["excluded"]) == (40, 1)
    assert "far" not in set(run.table("clusters", DAY)["entity"])


def test_the_scales_are_a_table_people_can_have(make: Make, tmp_path: Path) -> None:
    run = make(by("robust"))
    run.run(REFERENCE)
    run.run(DAY)
    output = tmp_path / "scales.csv"
    assert export_table(run.ledger, "scales", parse_day(REFERENCE), output) == 2
    fitted = RobustScaler().fit(vectors(REFERENCE)[["x", "y"]].to_numpy())
    table = pd.read_csv(output)
    assert table.columns.tolist() == ["dimension", "entities", "center", "spread"]
    np.testing.assert_allclose(table[["center", "spread"]].to_numpy().T, [fitted.center_, fitted.scale_])
    with pytest.raises(SpecError, match="has no table scales") as caught:
        export_table(run.ledger, "scales", parse_day(DAY), output)
    assert REFERENCE in str(caught.value)


def test_token_limits_leave_values_out_and_count_them(runner: Make, tmp_path: Path) -> None:
    shown = {"a": "pqr", "b": "pq", "c": "pq", "d": "ps", "e": "t"}
    rows = [(name, tag) for name, tags in shown.items() for tag in tags]
    write(tmp_path / "lake", DAY, pd.DataFrame(rows, columns=["id", "tag"]))
    attributes: dict[str, Any] = {
        "raw": {"files": f"{tmp_path}/lake/*.parquet", "time_column": "event_time"},
        "features": {"set": "tag", "tokens": {"min_df": 2, "max_df": 0.7}},
        "distance": {"metric": "jaccard", "threshold": 0.4},
    }
    with pytest.raises(InvalidFeaturesError) as caught:
        runner(**attributes).run(DAY)
    assert "2 only values outside tokens.min_df..max_df" in str(caught.value)
    run = runner(**attributes, on_invalid="exclude")
    metrics = run.run(DAY)["points"].manifest.metrics
    assert (metrics["tokens_kept"], metrics["tokens_dropped"]) == (1, 4)
    assert (metrics["entities"], metrics["excluded"], metrics["points"]) == (3, 2, 1)
    assert run.table("points", DAY)["tokens"].map(list).tolist() == [["q"]]
    assert set(run.table("clusters", DAY)["entity"]) == {"a", "b", "c"}


def test_real_days_scaled_by_one_of_them(runner: Make, real_data: Path) -> None:
    files = f"{real_data}/honeypot_2013.parquet"
    vector = ["count(*)", "count(DISTINCT dst_port)", "avg(coalesce(src_port, 0))"]
    run = runner(
        raw={"files": files, "time_column": "event_time"},
        entity="src_ip",
        features={"vector": vector, "scale": {"type": "robust", "reference_day": "2013-03-10"}},
        distance={"metric": "euclidean", "threshold": 0.3},
        start_date="2013-03-03",
    )
    frames = {}
    for day in ("2013-03-10", "2013-03-04", "2013-05-05", "2013-08-01"):
        select = ", ".join(f"{text} AS x{k}" for k, text in enumerate(vector))
        query = f"SELECT src_ip, {select} FROM '{files}' WHERE event_time::DATE = DATE '{day}' GROUP BY 1"
        frames[day] = duckdb.sql(f"SELECT * FROM ({query}) ORDER BY 1").df()
        run.run(day)
        scaler = RobustScaler().fit(frames["2013-03-10"].iloc[:, 1:].to_numpy(dtype=float))
        expected = scaler.transform(frames[day].iloc[:, 1:].to_numpy(dtype=float))
        members = run.table("members", day).sort_values("entity")
        assert members["entity"].tolist() == frames[day]["src_ip"].tolist()
        points = run.table("points", day).set_index("point_id")
        np.testing.assert_allclose(points.loc[members["point_id"], ["x0", "x1", "x2"]], expected, rtol=1e-9)
        labels = DBSCAN(eps=0.3, min_samples=3).fit(expected).labels_
        assert run.table("clusters", day).sort_values("entity")["cluster"].tolist() == labels.tolist()
        assert labels.max() > 0
