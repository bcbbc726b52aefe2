"""Days that k-means clusters round by round, their points cut into shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
from arro3.core import Array, RecordBatch
from batches import in_batches
from hypothesis import strategies as st

from lambda_worker.clusterers.kmeans.centres import Centres, move_centres, read_centres
from lambda_worker.clusterers.kmeans.gather import gather_labels
from lambda_worker.clusterers.kmeans.rounds import reduce_round
from lambda_worker.clusterers.kmeans.sampling import sample_shard
from lambda_worker.clusterers.kmeans.seeding import choose_centres
from lambda_worker.contract.kmeans import (
    CentresEvent,
    GatherEvent,
    GatherReply,
    RoundEvent,
    SampleEvent,
    SeedEvent,
)

if TYPE_CHECKING:
    from pathlib import Path

BATCH = 7
"""Rows read at a time in these tests: small days have several batches then."""


@dataclass(frozen=True)
class Day:
    """Weighted vectors; `values` has the shape (points, dimensions)."""

    values: Any
    weights: Any

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(f"x{dimension}" for dimension in range(self.values.shape[1]))


@dataclass(frozen=True)
class Found:
    """What the rounds came to.

    Attributes:
        centres: Shape (centres, dimensions).
        labels: Shape (points,).
        first: Shape (centres, dimensions), as found on the sample.
        rounds: Until they converged.
        reply: Of the event `gather`.
        files: Centres of each round, and the labels.
    """

    centres: Any
    labels: Any
    first: Any
    rounds: int
    reply: GatherReply
    files: tuple[bytes, ...]

    @property
    def inertia(self) -> float:
        """Of the labels."""
        return self.reply.inertia


@st.composite
def days(choose: Any) -> Day:
    """Points with weights, some of them equal, some on a lattice where distances tie."""
    rng = np.random.default_rng(choose(st.integers(0, 2**16)))
    count, dimensions = choose(st.integers(1, 60)), choose(st.integers(1, 5))
    values = rng.normal(size=(count, dimensions)) * 10.0 ** rng.integers(-3, 4)
    if choose(st.booleans()):
        values = rng.integers(0, 4, (count, dimensions)) / 4.0
    if choose(st.booleans()):
        values = values[rng.integers(0, count, count)]
    return Day(values, rng.integers(1, choose(st.sampled_from([2, 6, 2**20])), count))


def write_points(folder: Any, day: Day, rows: Any) -> str:
    """Some rows of a day as one file, in that order."""
    features = {name: day.values[rows, k] for k, name in enumerate(day.columns)}
    name = f"points-{len(list(folder.glob('points-*')))}.parquet"
    return write_table(folder / name, point_id=rows, weight=day.weights[rows], **features)


def write_table(path: Path, **columns: Any) -> str:
    """Write features as doubles and all other columns as integers."""
    arrays = [
        Array.from_numpy(np.ascontiguousarray(column, np.float64 if name.startswith("x") else np.int64))
        for name, column in columns.items()
    ]
    arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=list(columns)), path, compression="zstd(1)")
    return str(path)


def read_clusters(path: str) -> Any:
    """The column `cluster` of a file of labels."""
    batches = list(arro3.io.read_parquet(path))
    return np.concatenate([batch["cluster"].to_numpy() for batch in batches])


def split(folder: Any, day: Day, shards: int, seed: int) -> list[list[Any]]:
    """Rows in random order in some files; one file stays whole and is read in parts."""
    order = np.random.default_rng(seed).permutation(len(day.values))
    if seed % 2:
        file = write_points(folder, day, order)
        return [[file, number, shards] for number in range(shards)]
    parts = [part for part in np.array_split(order, shards) if len(part)]
    return [[write_points(folder, day, part)] for part in parts]


def k_means(folder: Any, day: Day, shards: list[list[str]], algorithm: dict[str, Any]) -> Found:
    """All rounds over shards, each a list of files; a shard [file, k, n] is a part of one."""
    count, k = len(day.values), algorithm["n_clusters"]

    def common(shard: list[Any]) -> dict[str, Any]:
        part = (int(shard[1]), int(shard[2])) if len(shard) == 3 and isinstance(shard[1], int) else (0, 1)
        files = tuple(shard[:1]) if part != (0, 1) else tuple(item for item in shard if isinstance(item, str))
        return {"points": files, "columns": day.columns, "part": part}

    def at(name: str) -> str:
        return str(folder / f"{len(shards)}-{name}")

    def sums_of(rounds: int, **labels: Any) -> tuple[str, ...]:
        outputs = [at(f"sums{rounds}-{number}") for number in range(len(shards))]
        for number, shard in enumerate(shards):
            event = RoundEvent(
                **common(shard),
                centres=at(f"centres{rounds}"),
                output=outputs[number],
                labels=at(f"labels{number}") if labels else None,
            )
            in_batches(BATCH, reduce_round, event)
        return tuple(outputs)

    samples = [at(f"sample{number}") for number in range(len(shards))]
    for sample, shard in zip(samples, shards, strict=True):
        event = SampleEvent(**common(shard), n_clusters=k, seed=algorithm["seed"], output=sample)
        in_batches(BATCH, sample_shard, event)
    choose_centres(
        SeedEvent(
            samples=tuple(samples),
            point_count=count,
            n_clusters=k,
            n_init=algorithm.get("n_init", 1),
            seed=algorithm["seed"],
            max_iter=algorithm["max_iter"],
            tol=algorithm["tol"],
            output=at("centres0"),
        )
    )
    rounds, moving = 0, True
    while rounds < algorithm["max_iter"] and moving:
        event = CentresEvent(
            centres=at(f"centres{rounds}"),
            sums=sums_of(rounds),
            point_count=count,
            tol=algorithm["tol"],
            output=at(f"centres{rounds + 1}"),
        )
        moving = move_centres(event).moving
        rounds += 1
    reply = gather_labels(
        GatherEvent(
            centres=at(f"centres{rounds}"),
            sums=sums_of(rounds, labels=True),
            labels=tuple(at(f"labels{number}") for number in range(len(shards))),
            point_count=count,
            output=at("labels"),
        )
    )
    files = [at(f"centres{number}") for number in range(rounds + 1)] + [at("labels")]
    return Found(
        centres=read_centres(at(f"centres{rounds}")).places.T,
        labels=read_clusters(at("labels")),
        first=read_centres(at("centres0")).places.T,
        rounds=rounds,
        reply=reply,
        files=tuple((folder / file).read_bytes() for file in files),
    )


def write_centres(path: Path, places: Any, values: Any) -> None:
    """The file of centres, shape (centres, dimensions), for the values of a day."""
    low, high = values.min(axis=0), values.max(axis=0)
    Centres(places.T, np.bool_(True), low, high).write(str(path))


def round_of(folder: Any, day: Day, places: Any, shards: int = 1) -> Any:
    """One round from given centres, shape (centres, dimensions): its event and the new centres."""
    write_centres(folder / "centres", places, day.values)
    sums = []
    for number, shard in enumerate(split(folder, day, shards, 2)):
        event = RoundEvent(
            points=tuple(shard),
            columns=day.columns,
            centres=str(folder / "centres"),
            output=str(folder / f"sums{number}"),
        )
        in_batches(BATCH, reduce_round, event)
        sums.append(event.output)
    event = CentresEvent(
        centres=str(folder / "centres"),
        sums=tuple(sums),
        point_count=len(day.values),
        tol=0.0,
        output=str(folder / "moved"),
    )
    move_centres(event)
    return event, read_centres(event.output).places.T
