"""Reads the published tables about a day's clusters that an index copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.serving.contract import ClusterAnswer
from lambda_worker.tables.labels import NOISE, NOISE_ROLE, ROLES
from lambda_worker.tables.reading import check_ids, read_features, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arro3.core import Schema

    from lambda_worker.arrays import Bytes, Floats, Ints

_COLUMNS = ("entity", "point_id", "cluster", "role")
_PROBABILITY = "probability"

EntityRow = tuple[str, int, int, float | None]
"""Name, cluster, code of the role and probability of an entity."""


@dataclass(frozen=True, slots=True)
class PointLabels:
    """The published labels of the points.

    Attributes:
        clusters: Shape (points,), int64.
        roles: Shape (points,), uint8: codes of `ROLES`.
        probability: Shape (points,); None if the algorithm has none.
    """

    clusters: Ints
    roles: Bytes
    probability: Floats | None


class ClusterReader:
    """Reads the table `clusters` in one pass: rows for entities, labels for points.

    Args:
        addresses: Its files.
        point_count: Points of the day.
    """

    def __init__(self, addresses: tuple[str, ...], point_count: int) -> None:
        self._addresses = addresses
        self._clusters = np.full(point_count, NOISE, np.int64)
        self._roles = np.full(point_count, NOISE_ROLE, np.uint8)
        self._probability: Floats | None = None
        self._seen = np.zeros(point_count, np.bool_)
        self.entities = 0

    def rows(self) -> Iterator[EntityRow]:
        """Yield the entities; the labels are complete when all have been read.

        Raises:
            InputError: A file is not of the contract, or a point has no entity.
        """
        codes = {name: code for code, name in enumerate(ROLES)}
        for address in self._addresses:
            for batch in read_rows(address, lambda schema: _require(schema, _COLUMNS)):
                ids, clusters = batch.column("point_id").to_numpy(), batch.column("cluster").to_numpy()
                check_ids(ids, len(self._clusters), address)
                roles = [codes[role] for role in batch.column("role").to_pylist()]
                probability: list[float | None] = [None] * len(ids)
                if _PROBABILITY in batch.schema.names:
                    values = batch.column(_PROBABILITY).to_numpy()
                    self._note_probability(ids, values)
                    probability = values.tolist()
                self._clusters[ids], self._roles[ids], self._seen[ids] = clusters, roles, True
                self.entities += len(ids)
                names = batch.column("entity").to_pylist()
                yield from zip(names, clusters.tolist(), roles, probability, strict=True)
        if not self._seen.all():
            raise InputError(f"point {int(np.argmin(self._seen))} has no entity in the table clusters")

    @property
    def labels(self) -> PointLabels:
        """The labels of the points."""
        return PointLabels(self._clusters, self._roles, self._probability)

    def _note_probability(self, ids: Ints, values: Floats) -> None:
        if self._probability is None:
            self._probability = np.zeros(len(self._clusters))
        self._probability[ids] = values


def read_cluster_answers(lineage: tuple[str, ...], profiles: tuple[str, ...]) -> list[ClusterAnswer]:
    """Return the clusters of a day by number, without noise.

    Raises:
        InputError: A file is not of the contract, or a cluster has no row in one of the tables.
    """
    lives = {row["cluster"]: row for row in _rows(lineage, ("cluster", "stable_id", "event", "first_seen"))}
    found = []
    for row in _rows(profiles, ("cluster", "entities")):
        number = row["cluster"]
        if number == NOISE:
            continue
        if number not in lives:
            raise InputError(f"cluster {number} has a profile, but no row in the table lineage")
        life = lives[number]
        found.append(
            ClusterAnswer(
                cluster=number,
                stable_id=life["stable_id"],
                name=row.get("name"),
                entities=row["entities"],
                event=life["event"],
                since=life["first_seen"],
                profile=row,
            )
        )
    return sorted(found, key=lambda one: one.cluster)


def read_scales(addresses: tuple[str, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return center and spread of each dimension; none without files.

    Raises:
        InputError: A file is not of the contract, or a dimension is missing.
    """
    rows: dict[int, tuple[float, float]] = {}
    for address in addresses:
        for (dimensions,), (centers, spreads) in read_features(address, ("dimension",), ("center", "spread")):
            rows |= dict(
                zip(dimensions.tolist(), zip(centers.tolist(), spreads.tolist(), strict=True), strict=True)
            )
    if sorted(rows) != list(range(len(rows))):
        raise InputError(f"the table scales has the dimensions {sorted(rows)}")
    ordered = [rows[dimension] for dimension in sorted(rows)]
    return tuple(center for center, _ in ordered), tuple(spread for _, spread in ordered)


def _rows(addresses: tuple[str, ...], columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for address in addresses:
        for batch in read_rows(address, lambda schema: _require(schema, columns)):
            names = batch.schema.names
            lists = [batch.column(name).to_pylist() for name in names]
            for values in zip(*lists, strict=True):
                yield dict(zip(names, values, strict=True))


def _require(schema: Schema, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in schema.names]
    if missing:
        raise InputError(f"a table has no column {', '.join(missing)}; it has {', '.join(schema.names)}")
