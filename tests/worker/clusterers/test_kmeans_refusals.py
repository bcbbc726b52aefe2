"""Points, shards and parameters that k-means cannot take are refused with the reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from kmeans_days import Day, round_of, write_centres, write_table
from msgspec.structs import replace

from lambda_worker.clusterers.kmeans.centres import move_centres
from lambda_worker.clusterers.kmeans.gather import gather_labels
from lambda_worker.clusterers.kmeans.rounds import reduce_round
from lambda_worker.clusterers.kmeans.sampling import sample_shard
from lambda_worker.clusterers.kmeans.seeding import choose_centres
from lambda_worker.contract import CapacityError, ContractError, InputError
from lambda_worker.contract.kmeans import GatherEvent, RoundEvent, SampleEvent, SeedEvent
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("small_samples")


def events(folder: Any, file: str) -> dict[str, Any]:
    shard = {"points": (file,), "columns": ("x0",)}
    return {
        "sample": SampleEvent(**shard, n_clusters=2, seed=1, output=str(folder / "sample")),
        "round": RoundEvent(**shard, centres=str(folder / "c"), output=str(folder / "s")),
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
    event, _ = round_of(tmp_path, day, np.array([[1.0]]))
    with pytest.raises(InputError, match="promises 3 points, the shards 2"):
        move_centres(replace(event, point_count=3))
    with pytest.raises(InputError, match="promises 2 points, the shards 4"):
        move_centres(replace(event, sums=event.sums * 2))
    write_centres(tmp_path / "c", np.array([[1.0, 2.0]]), np.zeros((3, 2)))
    with pytest.raises(InputError, match="points of 1 dimensions, centres of 2"):
        reduce_round(events(tmp_path, str(tmp_path / "points-0.parquet"))["round"])
    with pytest.raises(InputError, match="is about other centres"):
        move_centres(replace(event, centres=str(tmp_path / "c")))
    with pytest.raises(InputError, match="does not hold the arrays places, moving, low, high"):
        move_centres(replace(event, centres=event.sums[0]))


def test_labels_that_miss_points_are_refused(tmp_path: Path) -> None:
    day = Day(np.array([[1.0], [2.0], [4.0]]), np.array([1, 1, 1]))
    event, _ = round_of(tmp_path, day, np.array([[1.0]]))
    part = write_table(tmp_path / "part", point_id=[0, 2], centre=[0, 0])
    gather = GatherEvent(
        centres=event.centres, sums=event.sums, labels=(part,), point_count=3, output=str(tmp_path / "labels")
    )
    with pytest.raises(InputError, match="promises 3 points, the files hold 2"):
        gather_labels(gather)
    other = write_table(tmp_path / "other", point_id=[2], centre=[0])
    with pytest.raises(InputError, match="1 is missing, another comes twice"):
        gather_labels(replace(gather, labels=(part, other)))


def test_points_too_far_apart_for_squares_are_refused(tmp_path: Path) -> None:
    file = write_table(tmp_path / "points", point_id=[0, 1], weight=[1, 1], x0=[-1e160, 1e160])
    sample = events(tmp_path, file)["sample"]
    sample_shard(sample)
    seed = SeedEvent(
        samples=(sample.output,),
        point_count=2,
        n_clusters=2,
        n_init=1,
        seed=1,
        max_iter=9,
        tol=0.0,
        output=str(tmp_path / "c"),
    )
    with pytest.raises(InputError, match=r"up to 2e\+160 apart.*scale the features"):
        choose_centres(seed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_clusters": 0}, "n_clusters: Expected `int` >= 1"),
        ({"n_init": 0}, "n_init: Expected `int` >= 1"),
        ({"n_init": None}, "n_init: Expected `int`, got `null`"),
        ({"max_iter": 0}, "max_iter: Expected `int` >= 1"),
        ({"point_count": 0}, "point_count: Expected `int` >= 1"),
        ({"seed": "x"}, "seed: Expected `int`, got `str`"),
    ],
)
def test_impossible_parameters_are_refused(change: dict[str, Any], message: str) -> None:
    event = SeedEvent(
        samples=("/s",), point_count=5, n_clusters=2, n_init=3, seed=1, max_iter=9, tol=0.0, output="/o"
    )
    assert SeedEvent.from_json(event.to_json()) == event
    with pytest.raises(ContractError, match=message):
        SeedEvent.from_json({**event.to_json(), **change})


def test_events_travel_as_json(tmp_path: Path) -> None:
    for event in events(tmp_path, "/points").values():
        assert type(event).from_json(json.loads(json.dumps(event.to_json()))) == event
        with pytest.raises(ContractError, match="columns: Expected `array` of length >= 1"):
            type(event).from_json({**event.to_json(), "columns": []})
        assert not handler(event.to_json(), None)["ok"]  # there are no such points
