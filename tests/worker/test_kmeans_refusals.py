"""Points, shards and parameters that k-means cannot take are refused with the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from kmeans_days import Day, round_of, write_table

from lambda_worker.centroids.centres import move_centres
from lambda_worker.centroids.gather import gather_labels
from lambda_worker.centroids.rounds import assign_points
from lambda_worker.centroids.sampling import sample_shard
from lambda_worker.contract import CapacityError, ContractError, InputError
from lambda_worker.contract.centroids import AssignEvent, GatherEvent, RoundEvent, SampleEvent, SeedEvent
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("small_samples")


def events(folder: Any, file: str) -> dict[str, Any]:
    shard = {"points": (file,), "columns": ("x0",)}
    return {
        "sample": SampleEvent(
            **shard, n_clusters=2, seed=1, output=str(folder / "sample"), sums=str(folder / "spread")
        ),
        "round": RoundEvent(
            **shard, centres=str(folder / "c"), output=str(folder / "s"), farthest=str(folder / "f")
        ),
        "assign": AssignEvent(**shard, centres=str(folder / "c"), output=str(folder / "labels")),
    }


def test_bad_points_are_refused(tmp_path: Path) -> None:
    bad = {
        "weight 0": {"point_id": [0], "weight": [0], "x0": [1.0]},
        "below 0": {"point_id": [-1], "weight": [1], "x0": [1.0]},
        "not finite": {"point_id": [0], "weight": [1], "x0": [np.nan]},
        "no column x0": {"point_id": [0], "weight": [1], "x1": [1.0]},
    }
    for number, (message, columns) in enumerate(bad.items()):
        file = write_table(tmp_path / f"points-{number}", **columns)
        with pytest.raises(InputError, match=message):
            sample_shard(events(tmp_path, file)["sample"])


def test_more_entities_than_sums_have_room_for_are_refused(tmp_path: Path) -> None:
    file = write_table(tmp_path / "points", point_id=[0], weight=[2**39], x0=[1.0])
    with pytest.raises(CapacityError, match=r"549,755,813,888 entities"):
        sample_shard(events(tmp_path, file)["sample"])


def test_shards_that_miss_points_or_dimensions_are_refused(tmp_path: Path) -> None:
    day = Day(np.array([[1.0], [2.0]]), np.array([1, 1]))
    event, _, _ = round_of(tmp_path, day, np.array([[1.0]]))
    with pytest.raises(InputError, match="promises 3 points, the shards 2"):
        move_centres(replace(event, point_count=3))
    with pytest.raises(InputError, match="promises 2 points, the shards 4"):
        move_centres(replace(event, sums=event.sums * 2))
    assign = events(tmp_path, str(tmp_path / "points-0.parquet"))["assign"]
    write_table(tmp_path / "c", centre=[0], x0=[1.0], x1=[2.0])
    with pytest.raises(InputError, match="points of 1 dimensions, centres of 2"):
        assign_points(assign)


def test_labels_that_miss_points_are_refused(tmp_path: Path) -> None:
    part = write_table(tmp_path / "part", point_id=[0, 2], cluster=[0, 1])
    with pytest.raises(InputError, match="labelled 2 points, each of 3"):
        gather_labels(GatherEvent(parts=(part,), point_count=3, output=str(tmp_path / "labels")))
    with pytest.raises(InputError, match="labelled 4 points, each of 4"):
        gather_labels(GatherEvent(parts=(part, part), point_count=4, output=str(tmp_path / "labels")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a number >= 1"),
        ({"tol": -1.0}, "tol must be a number >= 0"),
        ({"tol": None}, "tol must be a finite number"),
        ({"point_count": 0}, "point_count must be a number >= 1"),
        ({"seed": "x"}, "seed must be a number >= 0"),
    ],
)
def test_impossible_parameters_are_refused(change: dict[str, Any], message: str) -> None:
    event = SeedEvent(
        samples=("/s",), sums=("/m",), point_count=5, n_clusters=2, seed=1, tol=0.1, output="/o"
    )
    assert SeedEvent.from_json(event.to_json()) == event
    with pytest.raises(ContractError, match=message):
        SeedEvent.from_json({**event.to_json(), **change})


def test_events_travel_as_json(tmp_path: Path) -> None:
    for event in events(tmp_path, "/points").values():
        assert type(event).from_json(json.loads(json.dumps(event.to_json()))) == event
        with pytest.raises(ContractError, match="columns must name"):
            type(event).from_json({**event.to_json(), "columns": []})
        assert not handler(event.to_json(), None)["ok"]  # there are no such points
