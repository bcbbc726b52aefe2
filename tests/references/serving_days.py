"""Indexes of small days, built from Parquet files as the stage does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, DataType, list_array

from lambda_worker.contract.serving import IndexEvent, Space
from lambda_worker.serving.build import build_index
from lambda_worker.serving.index import DayIndex
from lambda_worker.tables.writing import BIGINT, DOUBLE, VARCHAR, write_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DAY = "2026-01-05"
LISTS = {str: VARCHAR, float: DOUBLE}


@dataclass(frozen=True, slots=True)
class SmallDay:
    """A day of labelled entities.

    Attributes:
        space: How they are compared.
        algorithm: Type and parameters.
        features: The features of each entity in the unit of the points: a tuple of numbers or of tokens, or a
            text; for mixed features a tuple of these.
        clusters: The cluster of each entity.
        cores: Entities that are core; None for an algorithm without cores.
        probability: Of each entity, if the algorithm has one.
        more: Further fields of the event.
    """

    space: Space
    algorithm: Mapping[str, Any]
    features: Sequence[Any]
    clusters: Sequence[int]
    cores: frozenset[int] | None = None
    probability: Sequence[float] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def index(self, folder: Path) -> DayIndex:
        """Write the tables below a folder, build the index and open it."""
        folder.mkdir(parents=True, exist_ok=True)
        points: dict[Any, int] = {}
        of_entity = [points.setdefault(one, len(points)) for one in self.features]
        event = IndexEvent(
            points=(self._points(folder, list(points), of_entity),),
            point_count=len(points),
            output=str(folder / "index.safetensors"),
            entities=str(folder / "entities.sqlite"),
            pipeline="small",
            day=DAY,
            space=self.space,
            algorithm=dict(self.algorithm),
            clusters=(self._clusters(folder, of_entity),),
            **self._lives(folder),
            **self.more,
        )
        # The event travels as JSON.
        build_index(IndexEvent.from_json(event.to_json()))
        return DayIndex(folder / "index.safetensors", folder / "entities.sqlite", 1)

    def _points(self, folder: Path, values: list[Any], of_entity: list[int]) -> str:
        weights = np.bincount(of_entity, minlength=len(values))
        columns = [np.arange(len(values)), weights]
        types = {"point_id": BIGINT, "weight": BIGINT}
        kinds = [part.kind for part in self.space.parts] or [self.space.kind]
        parts = list(zip(*values, strict=True)) if self.space.parts else [values]
        names = iter(self.space.columns)
        for kind, part in zip(kinds, parts, strict=True):
            for column, kind_of_column in _columns(kind, list(part)):
                types[next(names)] = kind_of_column
                columns.append(column)
        path = str(folder / "points.parquet")
        write_rows(path, types, [tuple(columns)])
        return path

    def _clusters(self, folder: Path, of_entity: list[int]) -> str:
        cores = self.cores
        roles = ["noise" if cluster == -1 else "member" for cluster in self.clusters]
        if cores is not None:
            roles = [
                "core" if entity in cores else "noise" if cluster == -1 else "border"
                for entity, cluster in enumerate(self.clusters)
            ]
        types = {"entity": VARCHAR, "point_id": BIGINT, "cluster": BIGINT, "role": VARCHAR}
        columns = [
            Array([name_of(entity) for entity in range(len(of_entity))], type=VARCHAR),
            np.array(of_entity),
            np.array(self.clusters),
            Array(roles, type=VARCHAR),
        ]
        if self.probability is not None:
            types["probability"] = DOUBLE
            columns.append(np.array(self.probability, float))
        path = str(folder / "clusters.parquet")
        write_rows(path, types, [tuple(columns)])
        return path

    def _lives(self, folder: Path) -> dict[str, tuple[str, ...]]:
        numbers = sorted(set(self.clusters) - {-1})
        sizes = [list(self.clusters).count(number) for number in numbers]
        ids = Array([f"20260105-{number:06d}" for number in numbers], type=VARCHAR)
        born = Array(["born"] * len(numbers), type=VARCHAR)
        days = Array([DAY] * len(numbers), type=VARCHAR)
        lineage, profiles = str(folder / "lineage.parquet"), str(folder / "profiles.parquet")
        types = {"cluster": BIGINT, "stable_id": VARCHAR, "event": VARCHAR, "first_seen": VARCHAR}
        write_rows(lineage, types, [(np.array(numbers, int), ids, born, days)])
        sized = {"cluster": BIGINT, "entities": BIGINT}
        write_rows(profiles, sized, [(np.array(numbers, int), np.array(sizes, int))])
        return {"lineage": (lineage,), "profiles": (profiles,)}


def name_of(entity: int) -> str:
    """The name of an entity; names sort in the order of the entities."""
    return f"e{entity:06d}"


def _columns(kind: str, values: list[Any]) -> list[tuple[Any, DataType]]:
    if kind in ("vector", "geo"):
        numbers = np.array(values, float).reshape(len(values), -1 if values else 1)
        return [(np.ascontiguousarray(column), DOUBLE) for column in numbers.T]
    if kind == "number":
        return [(np.array(values, float), DOUBLE)]
    if kind in ("text", "category"):
        return [(Array(values, type=VARCHAR), VARCHAR)]
    item = DOUBLE if kind == "embedding" else VARCHAR
    offsets = np.cumsum([0, *map(len, values)]).astype(np.int32)
    listed = list_array(
        Array.from_numpy(offsets), Array([one for value in values for one in value], type=item)
    )
    return [(listed, listed.type)]
