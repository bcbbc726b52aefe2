"""Components packed into bins, clustered bin by bin and numbered: the same day however it is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from batches import in_batches
from component_days import answer, read
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering

from lambda_worker.clusterers.components import ComponentLabels, bins
from lambda_worker.clusterers.components.bins import cluster_components
from lambda_worker.clusterers.components.numbering import number_clusters
from lambda_worker.clusterers.components.packing import pack_components
from lambda_worker.contract import ClusterReply, ComponentsReply, PackReply
from lambda_worker.tables.labels import BORDER_ROLE, CORE_ROLE, NOISE_ROLE

if TYPE_CHECKING:
    import pytest

    from lambda_worker.clusterers.components import Component, Space


@settings(max_examples=15)
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


def test_bytes_depend_neither_on_files_nor_on_order_nor_on_batches(new_table: Any) -> None:
    table = new_table(60, reach=0.1)
    outputs = set()
    for seed, files, rows in ((0, 1, 1 << 16), (1, 4, 7), (2, 2, 1)):
        table.seed = seed
        pack = table.pack_event(files, memory_mb=50.2)
        in_batches(rows, pack_components, pack)
        event = table.bin_event(table.component % 3 > 0, files=files)
        in_batches(rows, cluster_components, event)
        rest = table.bin_event(table.component % 3 == 0, 1, files=files)
        in_batches(rows, cluster_components, rest)
        number = table.number_event((rest.output, event.output) if seed else (event.output, rest.output))
        in_batches(rows, number_clusters, number)
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
