"""Components packed into bins, clustered bin by bin and numbered: the same day however it is cut."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import arro3.io
import duckdb
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import AgglomerativeClustering

from lambda_worker.components import ComponentLabels, bins
from lambda_worker.components.bins import cluster_components
from lambda_worker.components.numbering import number_clusters
from lambda_worker.components.packing import pack_components
from lambda_worker.contract import (
    CapacityError,
    ClusterReply,
    ComponentsEvent,
    ComponentsReply,
    ContractError,
    InputError,
    NumberEvent,
    PackEvent,
    PackReply,
)
from lambda_worker.contract.memory import (
    bin_memory_mb,
    component_memory_mb,
    component_seconds,
    number_memory_mb,
    pack_memory_mb,
)
from lambda_worker.handler import handler
from lambda_worker.labels import BORDER_ROLE, CORE_ROLE, MEMBER_ROLE, NOISE_ROLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lambda_worker.components import Component, Space

COLUMNS = ("x0", "x1")
PROGRAM = (
    "import json, sys; from lambda_worker.handler import handler; "
    "print(json.dumps(handler(json.load(sys.stdin), None)))"
)
AVERAGE = {"type": "agglomerative", "linkage": "average"}


@dataclass
class Table:
    """A day of vectors in one folder, its files cut and ordered at random."""

    folder: Path
    rows: Any
    weights: Any
    threshold: float
    seed: int = 0
    pairs: Any = field(init=False)
    distance: Any = field(init=False)
    component: Any = field(init=False)

    def __post_init__(self) -> None:
        gap = self.rows[:, None, :] - self.rows[None, :, :]
        distance = np.sqrt((gap * gap).sum(axis=2))
        self.pairs = np.argwhere(np.triu(distance <= self.threshold, 1))
        self.distance = distance[self.pairs[:, 0], self.pairs[:, 1]]
        edges = (np.ones(len(self.pairs)), (self.pairs[:, 0], self.pairs[:, 1]))
        _, self.component = connected_components(coo_matrix(edges, shape=distance.shape))

    @property
    def count(self) -> int:
        return len(self.rows)

    def write(self, name: str, files: int = 1, **columns: Any) -> tuple[str, ...]:
        """Rows in random order in some files."""
        rng = np.random.default_rng(self.seed)
        rows = rng.permutation(len(next(iter(columns.values()))))
        addresses = []
        for number, part in enumerate(np.array_split(rows, files)):
            address = str(self.folder / f"{name}-{number}.parquet")
            arrays = [Array.from_numpy(np.ascontiguousarray(column[part])) for column in columns.values()]
            arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=list(columns)), address)
            addresses.append(address)
        return tuple(addresses)

    def points(self, files: int = 1) -> tuple[str, ...]:
        return self.write("points", files, point_id=np.arange(self.count), weight=self.weights)

    def candidates(self, files: int = 1) -> tuple[str, ...]:
        a, b = self.pairs.T.astype(np.int64)
        return self.write("candidates", files, point_a=a, point_b=b, distance=self.distance)

    def pack_event(self, files: int = 1, **changes: Any) -> PackEvent:
        labels = self.write(
            "labels", files, point_id=np.arange(self.count), cluster=self.component.astype(np.int64)
        )
        fields = {
            "points": self.points(files),
            "labels": labels,
            "candidates": self.candidates(files),
            "point_count": self.count,
            "algorithm": AVERAGE,
            "memory_mb": 1769.0,
            "budget_s": 60.0,
            "output": str(self.folder / "bins.parquet"),
        }
        return PackEvent(**(fields | changes))

    def bin_event(self, chosen: Any, number: int = 0, files: int = 1, **changes: Any) -> ComponentsEvent:
        """The event of a bin, its files as SQL leaves them."""
        ids = np.flatnonzero(chosen)
        rows = self.rows[ids]
        points = self.write(
            f"bin{number}-points",
            files,
            x1=rows[:, 1],
            point_id=ids,
            component=self.component[ids].astype(np.int64),
            x0=rows[:, 0],
            weight=self.weights[ids],
        )
        inside = chosen[self.pairs[:, 0]]
        a, b = self.pairs[inside].T.astype(np.int64)
        candidates = self.write(
            f"bin{number}-pairs", files, point_a=a, point_b=b, distance=self.distance[inside]
        )
        fields = {
            "points": points,
            "candidates": candidates,
            "point_count": len(ids),
            "kind": "vector",
            "columns": COLUMNS,
            "metric": "euclidean",
            "threshold": self.threshold,
            "algorithm": AVERAGE,
            "output": str(self.folder / f"part-{number}.parquet"),
        }
        return ComponentsEvent(**(fields | changes))

    def number_event(self, parts: tuple[str, ...]) -> NumberEvent:
        return NumberEvent(
            points=self.points(),
            parts=parts,
            point_count=self.count,
            output=str(self.folder / "labels.parquet"),
        )


def read(address: str) -> dict[str, Any]:
    table = arro3.io.read_parquet(address).read_all()
    return {name: np.array(table[name].to_pylist()) for name in table.schema.names}


def answer(event: Any, reply: type[Any]) -> Any:
    """Through the handler, as JSON."""
    read_reply = reply.from_json(
        json.loads(json.dumps(handler(json.loads(json.dumps(event.to_json())), None)))
    )
    assert read_reply.ok, read_reply.error
    return read_reply


@pytest.fixture(scope="module")
def new_table(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Table]:
    def make(points: int = 200, *, seed: int = 0, reach: float = 0.06) -> Table:
        rng = np.random.default_rng(seed)
        weights = rng.integers(1, 4, points)
        return Table(tmp_path_factory.mktemp("day"), rng.random((points, 2)), weights, reach, seed)

    return make


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    points=st.integers(1, 120),
    files=st.sampled_from([1, 3]),
    memory=st.sampled_from([50.3, 51.0, 1769.0]),
    linkage=st.sampled_from(["single", "complete", "average", "ward"]),
)
def test_a_day_in_bins_is_scikit_learn_on_all_entities(
    new_table: Any, seed: int, points: int, files: int, memory: float, linkage: str
) -> None:
    table = new_table(points, seed=seed, reach=0.1)
    algorithm = {"type": "agglomerative", "linkage": linkage}
    pack = table.pack_event(files, memory_mb=memory, algorithm=algorithm, point_bytes=16.0)
    packed = answer(pack, PackReply)
    of_point = read(str(table.folder / "bins.parquet"))["bin"]
    parts = []
    for number, content in enumerate(packed.bins):
        event = table.bin_event(of_point == number, number, files, algorithm=algorithm)
        reply = answer(event, ComponentsReply)
        assert (reply.rows, reply.components) == (content.points, content.components)
        parts.append(event.output)
    reply = answer(table.number_event(tuple(parts)), ClusterReply)
    labels = read(str(table.folder / "labels.parquet"))
    assert set(labels["role"]) == {"member"}
    assert reply.clusters == labels["cluster"].max() + 1
    firsts = [int(np.argmax(labels["cluster"] == number)) for number in range(reply.clusters)]
    assert firsts == sorted(firsts)
    entity = np.repeat(np.arange(points), table.weights)
    if len(entity) == 1:
        return
    model = AgglomerativeClustering(n_clusters=None, distance_threshold=table.threshold, linkage=linkage)
    expected = model.fit_predict(table.rows[entity])
    found = labels["cluster"][entity]
    assert len(np.unique(np.stack([expected, found]), axis=1).T) == expected.max() + 1 == reply.clusters


def test_bins_hold_what_is_promised(new_table: Any) -> None:
    table = new_table(3000, reach=0.012)
    event = table.pack_event(memory_mb=50.2, budget_s=1.0, point_bytes=16.0)
    reply = answer(event, PackReply)
    packed = read(event.output)
    assert (packed["point_id"] == np.arange(3000)).all()
    assert (packed["component"] == table.component).all()
    assert len(reply.bins) > 3
    assert reply.components == table.component.max() + 1
    assert reply.largest_points == np.bincount(table.component).max()
    assert reply.bytes == len((table.folder / "bins.parquet").read_bytes())
    of_component = np.zeros(reply.components, np.int64)
    of_component[table.component] = packed["bin"]
    assert (of_component[table.component] == packed["bin"]).all()
    sizes = np.bincount(table.component)
    pairs = np.bincount(table.component[table.pairs[:, 0]], minlength=len(sizes))
    for number, content in enumerate(reply.bins):
        mine = np.flatnonzero(of_component == number)
        assert (content.points, content.pairs) == (sizes[mine].sum(), pairs[mine].sum())
        assert content.components == len(mine)
        work = max(
            component_memory_mb(AVERAGE, float(sizes[k]), 0.0, float(pairs[k])) if sizes[k] > 1 else 0.0
            for k in mine
        )
        expected = bin_memory_mb(float(content.points), float(content.pairs), 16.0, work)
        assert content.memory_mb == pytest.approx(expected, abs=0.06)
        assert content.memory_mb <= 50.2 + 0.05
        assert content.seconds <= 1.0


def test_bins_are_ranges_of_components_around_the_large_ones(new_table: Any) -> None:
    """A large component in the midst has a bin of its own and does not cut the others' one."""
    table = new_table(0)
    table.rows = np.zeros((1000, 2))
    table.weights = np.ones(1000, np.int64)
    table.component = np.repeat(np.arange(61), [10] * 30 + [400] + [10] * 30)
    table.pairs = np.empty((0, 2), np.int64)
    table.distance = np.empty(0)
    room = 2 * component_memory_mb(AVERAGE, 400.0, 0.0, 0.0)
    reply = answer(
        table.pack_event(memory_mb=bin_memory_mb(0.0, 0.0, 1.0, 0.0) + room, point_bytes=1.0), PackReply
    )
    packed = read(str(table.folder / "bins.parquet"))["bin"]
    assert packed.tolist() == [0] * 300 + [1] * 400 + [0] * 300
    assert [content.points for content in reply.bins] == [600, 400]


def test_a_component_that_takes_long_is_alone(new_table: Any) -> None:
    table = new_table(300, reach=0.05)
    whole = answer(table.pack_event(budget_s=100.0), PackReply)
    assert len(whole.bins) == 1
    cut = answer(table.pack_event(budget_s=whole.bins[0].seconds / 3), PackReply)
    assert len(cut.bins) >= 3


def test_what_does_not_fit_is_refused_with_the_memory_that_would_do(new_table: Any) -> None:
    table = new_table(300, reach=0.3)
    assert table.component.max() == 0
    with pytest.raises(CapacityError, match=r"component 0 has 300 points") as refused:
        pack_components(table.pack_event(memory_mb=50.1))
    needed = float(str(refused.value).split("would need ")[1].split(" MiB")[0])
    assert len(pack_components(table.pack_event(memory_mb=needed + 1)).bins) == 1
    refusal = PackReply.from_json(handler(table.pack_event(memory_mb=50.1).to_json(), None))
    assert (refusal.ok, refusal.error_type) == (False, "CapacityError")


def test_bytes_depend_neither_on_files_nor_on_order_nor_on_batches(new_table: Any) -> None:
    table = new_table(60, reach=0.1)
    outputs = set()
    for seed, files, rows in ((0, 1, 1 << 16), (1, 4, 7), (2, 2, 1)):
        table.seed = seed
        pack = table.pack_event(files, memory_mb=50.2)
        pack_components(pack, rows)
        event = table.bin_event(table.component % 3 > 0, files=files)
        cluster_components(event, rows)
        rest = table.bin_event(table.component % 3 == 0, 1, files=files)
        cluster_components(rest, rows)
        number = table.number_event((rest.output, event.output) if seed else (event.output, rest.output))
        number_clusters(number, rows)
        outputs.add(
            tuple(
                (table.folder / name).read_bytes()
                for name in ("bins.parquet", "part-0.parquet", "part-1.parquet", "labels.parquet")
            )
        )
    assert len(outputs) == 1


def test_nothing_is_no_error(new_table: Any) -> None:
    table = new_table(0)
    assert answer(table.pack_event(), PackReply).bins == ()
    event = table.bin_event(np.zeros(0, np.bool_))
    assert answer(event, ComponentsReply).rows == 0
    assert answer(table.number_event((event.output,)), ClusterReply).clusters == 0
    assert answer(table.number_event(()), ClusterReply).rows == 0


@dataclass(frozen=True)
class Roles:
    """Labels of all kinds: alone is noise; else the first two are core with a probability, the last noise."""

    def cluster(self, component: Component, space: Space) -> ComponentLabels:
        role = np.full(len(component), BORDER_ROLE)
        role[:2], role[-1] = CORE_ROLE, NOISE_ROLE
        cluster = np.arange(len(component)) % 2
        cluster[role == NOISE_ROLE] = -1
        return ComponentLabels(cluster, role, np.where(role == CORE_ROLE, 0.5, 0.0))

    def cluster_single(self, weights: Any) -> ComponentLabels:
        return ComponentLabels(np.full(len(weights), -1), np.full(len(weights), NOISE_ROLE))


def test_noise_roles_and_probabilities_arrive(new_table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bins, "build_component_algorithm", lambda _: Roles())
    table = new_table(100)
    event = table.bin_event(np.ones(100, np.bool_))
    reply = cluster_components(event)
    part = read(event.output)
    numbered = number_clusters(table.number_event((event.output,)))
    labels = read(str(table.folder / "labels.parquet"))
    assert list(labels) == ["point_id", "cluster", "role", "probability"]
    for number in range(table.component.max() + 1):
        rows = np.flatnonzero(table.component == number)
        if len(rows) == 1:
            assert (labels["cluster"][rows[0]], labels["role"][rows[0]]) == (-1, "noise")
            assert labels["probability"][rows[0]] == 1
            continue
        assert labels["role"][rows[-1]] == "noise"
        assert labels["probability"][rows[-1]] == 0
        if len(rows) > 2:
            assert labels["role"][rows[0]] == "core"
            assert labels["probability"][rows[0]] == 0.5
    assert reply.clusters == numbered.clusters == labels["cluster"].max() + 1
    keys = np.stack([part["component"], part["cluster"], labels["cluster"]])[:, part["cluster"] >= 0]
    assert len(np.unique(keys, axis=1).T) == numbered.clusters
    assert numbered.core_points == np.count_nonzero(labels["role"] == "core")
    assert numbered.noise_entities == table.weights[labels["cluster"] == -1].sum()


def test_without_probabilities_there_is_no_column(new_table: Any) -> None:
    table = new_table(20)
    event = table.bin_event(np.ones(20, np.bool_))
    cluster_components(event)
    number_clusters(table.number_event((event.output,)))
    assert list(read(str(table.folder / "labels.parquet"))) == ["point_id", "cluster", "role"]
    assert set(read(event.output)["probability"]) == {1.0}


def part_of(table: Table, name: str = "part", **changes: Any) -> tuple[str, ...]:
    """A part in which every point is a cluster of its own component, but for the changes."""
    count = table.count
    columns = {
        "point_id": np.arange(count),
        "component": np.arange(count),
        "cluster": np.zeros(count, np.int64),
        "role": np.full(count, int(MEMBER_ROLE)),
        "probability": np.ones(count),
    }
    return table.write(name, **(columns | changes))


def test_every_point_must_be_labelled_once(new_table: Any) -> None:
    table = new_table(5)
    assert number_clusters(table.number_event(part_of(table))).clusters == 5
    with pytest.raises(InputError, match="10 rows for 5 points"):
        number_clusters(table.number_event(part_of(table) * 2))
    with pytest.raises(InputError, match="once"):
        number_clusters(table.number_event(part_of(table, point_id=np.array([0, 1, 2, 3, 3]))))
    with pytest.raises(InputError, match="0 rows"):
        number_clusters(table.number_event(()))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("point_id", [0, 1, 2, 3, 5]),
        ("point_id", [0, 1, 2, 3, -1]),
        ("component", [0, 1, 2, 3, 5]),
        ("component", [0, 1, 2, 3, -1]),
        ("cluster", [0, 0, 0, 0, 1]),
        ("cluster", [0, 0, 0, 0, -2]),
        ("cluster", [0, 0, 0, 0, -1]),
        ("role", [3, 3, 3, 3, 0]),
        ("role", [3, 3, 3, 3, 4]),
        ("role", [3, 3, 3, 3, -1]),
        ("probability", [1.0, 1.0, 1.0, 1.0, 1.5]),
        ("probability", [1.0, 1.0, 1.0, 1.0, float("nan")]),
        ("probability", [1, 1, 1, 1, 1]),
    ],
)
def test_parts_that_no_bin_wrote_are_refused(new_table: Any, column: str, values: list[Any]) -> None:
    table = new_table(5)
    with pytest.raises(InputError):
        number_clusters(table.number_event(part_of(table, **{column: np.array(values)})))


def test_a_bin_must_be_whole(new_table: Any) -> None:
    table = new_table(60)
    every = np.ones(60, np.bool_)
    event = table.bin_event(every, point_count=61)
    with pytest.raises(InputError, match="promises 61"):
        cluster_components(event)
    event = table.bin_event(every)
    with pytest.raises(InputError, match="twice"):
        cluster_components(table.bin_event(every, points=event.points * 2, point_count=120))
    with pytest.raises(InputError, match="a pair comes twice"):
        cluster_components(table.bin_event(every, candidates=event.candidates * 2))
    largest = table.component == np.argmax(np.bincount(table.component))
    with pytest.raises(InputError, match="not in the bin"):
        cluster_components(table.bin_event(~largest, 1, candidates=event.candidates))
    table.component = np.arange(60)
    with pytest.raises(InputError, match="two components"):
        cluster_components(table.bin_event(every, 2))
    with pytest.raises(InputError, match="two components"):
        pack_components(table.pack_event())
    table.weights = np.zeros(60, np.int64)
    with pytest.raises(InputError, match="weight below 1"):
        cluster_components(table.bin_event(every, 3))


def test_points_have_one_component_each(new_table: Any) -> None:
    table = new_table(30)
    for component, wrong in (
        (np.where(table.component == 0, -1, table.component), "not a table of components"),
        (np.where(table.component == 0, 30, table.component), "not a table of components"),
        (np.where(table.component == 1, 29, table.component), "without gaps"),
    ):
        labels = table.write("wrong", point_id=np.arange(30), cluster=component.astype(np.int64))
        with pytest.raises(InputError, match=wrong):
            pack_components(table.pack_event(labels=labels))
    right = table.pack_event()
    with pytest.raises(InputError, match="60 rows for 30 points"):
        pack_components(table.pack_event(labels=right.labels * 2))
    with pytest.raises(ContractError, match="linkage"):
        cluster_components(
            table.bin_event(np.ones(30, np.bool_), algorithm={"type": "agglomerative", "linkage": "x"})
        )


def test_costs_are_for_numbers_and_for_arrays() -> None:
    for algorithm in (AVERAGE, {"type": "agglomerative", "linkage": "single"}, {"type": "unheard of"}):
        counts = np.array([1.0, 100.0]), np.array([3.0, 1e15]), np.array([0.0, 700.0])
        for cost in (component_memory_mb, component_seconds):
            both = cost(algorithm, *counts)
            assert both.tolist() == [cost(algorithm, *(float(count[k]) for count in counts)) for k in (0, 1)]
            assert 0 <= both[0] < both[1]


def measured_peak(event: PackEvent | ComponentsEvent | NumberEvent) -> float:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(event.to_json()),
        capture_output=True,
        text=True,
        check=True,
    )
    reply = json.loads(run.stdout)
    assert reply["ok"], reply["error"]
    peak_mb: float = reply["peak_memory_mb"]
    return peak_mb


def wide_bin(folder: Path, points: int, size: int, pairs: int, columns: str) -> ComponentsEvent:
    """Components of some size, each point near the next ones; features by an SQL expression over `i`."""
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute(
            f"COPY (SELECT i AS point_id, 1::BIGINT AS weight, i // {size} AS component, {columns} "
            f"FROM range({points}) r(i)) TO '{folder}/points.parquet' (FORMAT parquet)"
        )
        connection.execute(
            f"COPY (SELECT i AS point_a, i + k AS point_b, 0.4 + k / 1000 AS distance "
            f"FROM range({points}) r(i), range(1, {pairs} + 1) q(k) WHERE i // {size} = (i + k) // {size}) "
            f"TO '{folder}/pairs.parquet' (FORMAT parquet)"
        )
    return ComponentsEvent(
        points=(f"{folder}/points.parquet",),
        candidates=(f"{folder}/pairs.parquet",),
        point_count=points,
        kind="vector",
        columns=COLUMNS,
        metric="euclidean",
        threshold=0.5,
        algorithm=AVERAGE,
        output=f"{folder}/part.parquet",
    )


@pytest.mark.parametrize(
    ("points", "size", "pairs", "linkage"),
    [
        (4000, 4000, 20, "average"),
        (4000, 4000, 20, "complete"),
        (4000, 4000, 20, "ward"),
        (200_000, 200_000, 10, "single"),
        (400_000, 1, 1, "average"),
    ],
)
def test_a_bin_takes_the_memory_that_is_predicted(
    tmp_path: Path, points: int, size: int, pairs: int, linkage: str
) -> None:
    event = wide_bin(tmp_path, points, size, pairs, "sin(i) AS x0, cos(i * i) AS x1")
    algorithm = {"type": "agglomerative", "linkage": linkage}
    event = ComponentsEvent.from_json(event.to_json() | {"algorithm": algorithm})
    listed = float(points * pairs if size > 1 else 0)
    work = component_memory_mb(algorithm, float(size), float(size), listed) if size > 1 else 0.0
    assert measured_peak(event) == pytest.approx(bin_memory_mb(float(points), listed, 16.0, work), rel=0.25)


@pytest.mark.parametrize(
    ("kind", "columns", "point_bytes"),
    [
        ("embedding", "list_transform(range(64), lambda j: sin(i * j)) AS f", 8.0 * 64),
        (
            "set",
            "list_transform(range(12), lambda j: 'token' || ((i * 7919 + j * 104729) % 5003)) AS f",
            8.0 * 12,
        ),
        ("text", "left(repeat(md5(i::VARCHAR), 2), 48) AS f", 5.0 * 48),
    ],
)
def test_features_take_the_memory_that_is_predicted(
    tmp_path: Path, kind: str, columns: str, point_bytes: float
) -> None:
    event = wide_bin(tmp_path, 90_000, 1, 1, columns)
    event = ComponentsEvent.from_json(event.to_json() | {"kind": kind, "columns": ["f"]})
    assert measured_peak(event) == pytest.approx(bin_memory_mb(90_000.0, 0.0, point_bytes, 0.0), rel=0.25)


@pytest.mark.parametrize("size", [1, 50])
def test_packing_and_numbering_take_the_memory_that_is_predicted(tmp_path: Path, size: int) -> None:
    points = 800_000
    whole = wide_bin(
        tmp_path, points, size, 2, "1::DOUBLE AS probability, 3::BIGINT AS role, 0::BIGINT AS cluster"
    )
    event = PackEvent(
        points=whole.points,
        labels=(str(tmp_path / "labels.parquet"),),
        candidates=whole.candidates,
        point_count=points,
        algorithm=AVERAGE,
        memory_mb=1769.0,
        budget_s=60.0,
        output=str(tmp_path / "bins.parquet"),
    )
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT point_id, component AS cluster FROM '{whole.points[0]}') "
            f"TO '{event.labels[0]}' (FORMAT parquet)"
        )
    assert measured_peak(event) == pytest.approx(pack_memory_mb(points, points // size), rel=0.25)
    number = NumberEvent(
        points=whole.points, parts=whole.points, point_count=points, output=str(tmp_path / "out.parquet")
    )
    assert measured_peak(number) == pytest.approx(number_memory_mb(points), rel=0.25)
