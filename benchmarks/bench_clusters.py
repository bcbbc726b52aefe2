"""Labels from the near pairs of a day, in the worker, beside graph libraries on the same files.

The worker runs once with the whole graph in one invocation, and once with a forest for each of 16 shards, one
after the other in one process, whose peak memory is then that of one invocation. All sides read the same
files, and imports are not timed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.inputs.graphs import (
    SHARDS,
    Graph,
    chain_pairs,
    near_pairs,
    random_pairs,
    read_column,
    write_event,
)
from benchmarks.measure.comparing import OURS, Side, compare
from benchmarks.measure.processes import Clock
from benchmarks.measure.readings import Outcome
from benchmarks.peers.graphs import MIN_SAMPLES
from benchmarks.peers.taking import found_labels
from lambda_worker.contract import VERSION, ForestEvent
from lambda_worker.contract.forests import FOREST_KINDS, NEEDS_CORES

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure.options import Options


@dataclass(frozen=True)
class Case:
    """A graph, the worker's algorithm for it, and the peers."""

    points: int
    make: Callable[[int], Graph]
    algorithm: dict[str, Any]
    peers: tuple[str, ...]


_COMPONENTS = {"type": "connected_components"}
_GRAPHS = ("scipy", "networkit", "rustworkx", "Splink")
CASES = {
    "DBSCAN of near pairs": Case(
        1_000_000, near_pairs, {"type": "dbscan", "min_samples": MIN_SAMPLES}, ("scikit-learn",)
    ),
    "components of random pairs": Case(5_000_000, random_pairs, _COMPONENTS, _GRAPHS),
    "components of one long chain": Case(2_000_000, chain_pairs, _COMPONENTS, _GRAPHS),
    "single linkage of near pairs": Case(
        1_000_000, near_pairs, {"type": "single_linkage", "threshold": None}, ("scipy, tree",)
    ),
}
_FUNCTIONS = {
    "scipy": ("scipy_components", ""),
    "networkit": ("networkit_components", "networkit"),
    "rustworkx": ("rustworkx_components", "rustworkx"),
    "Splink": ("splink_components", "splink"),
    "scipy, tree": ("scipy_tree", ""),
    "scikit-learn": ("sklearn_dbscan", ""),
}


def take_whole(event: dict[str, Any]) -> Outcome:
    """The whole graph in one invocation."""
    asked = {name: value for name, value in event.items() if name not in ("shards", "core_files")}
    with Clock() as clock:
        _call(asked)
    return Outcome(clock.spent, found_labels(read_column(event["output"], "cluster")))


def take_shards(event: dict[str, Any]) -> Outcome:
    """A forest for each shard, then the labels."""
    name = event["algorithm"]["type"]
    cores = tuple(event["core_files"]) if name in NEEDS_CORES else None
    asked = {key: value for key, value in event.items() if key not in ("shards", "core_files")}
    forests = [f"{shard}.forest" for shard in event["shards"]]
    with Clock() as clock:
        if cores is not None:
            _find_cores(event)
        for shard, output in zip(event["shards"], forests, strict=True):
            _call(
                ForestEvent(
                    kind=FOREST_KINDS[name],
                    candidates=(shard,),
                    point_count=event["point_count"],
                    output=output,
                    cores=cores,
                ).to_json()
            )
        _call(asked | {"candidates": forests, "cores": cores and list(cores)})
    return Outcome(clock.spent, found_labels(read_column(event["output"], "cluster")))


def _find_cores(event: dict[str, Any]) -> None:
    """Write the core points, from the degrees in each shard."""
    common = {"version": VERSION, "points": event["points"], "point_count": event["point_count"]}
    degrees = [f"{shard}.degrees" for shard in event["shards"]]
    for shard, output in zip(event["shards"], degrees, strict=True):
        # Every point is one entity: the stage does not let each shard read the weights.
        _call(common | {"operation": "degrees", "points": [], "candidates": [shard], "output": output})
    cores = {"operation": "cores", "degrees": degrees, "min_samples": MIN_SAMPLES}
    _call(common | cores | {"output": event["core_files"][0]})


def _call(event: dict[str, Any]) -> None:
    from lambda_worker.handler import handler

    reply = handler(event, None)
    if not reply["ok"]:
        raise SystemExit(reply["error"])


def main(options: Options) -> None:
    """Compare all cases."""
    for name, case in CASES.items():
        points = options.at(case.points, 3_000)
        if not options.wants(name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            graph = case.make(points)
            event = write_event(graph, points, case.algorithm, Path(folder))
            pairs = len(graph.a)
            del graph
            shards = f"{SHARDS} shards in sequence"
            sides = [
                Side(shards, "benchmarks.bench_clusters:take_shards", (event,), is_peer=False),
                *(
                    Side(
                        peer, f"benchmarks.peers.graphs:{_FUNCTIONS[peer][0]}", (event,), _FUNCTIONS[peer][1]
                    )
                    for peer in case.peers
                ),
            ]
            title = f"{name}, {pairs:,} pairs of {points:,} points"
            compare(title, Side(OURS, "benchmarks.bench_clusters:take_whole", (event,)), sides, options)
