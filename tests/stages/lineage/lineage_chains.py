"""Days of clusters written straight into a ledger, and the lineage of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.tables import CLUSTERS, Column, points_contract
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.publish import publish_day, publish_days_after
from cluster_assets.stages.ledger.ledger import Draft, Ledger
from cluster_assets.stages.lineage.chain import StaleDay, stale_days
from cluster_assets.stages.lineage.stage import LineageStage

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Backend
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.day.job import DayResult
    from cluster_assets.stages.ledger.ledger import Attempt

POINTS = points_contract((Column("text", "varchar"),))


class Seen(NamedTuple):
    """Where an entity is on a day: its cluster, -1 for noise, and its feature value."""

    cluster: int
    value: str


Day = Mapping[str, Seen]


def clusters_of(*groups: str, noise: str = "", value: str = "{entity}") -> dict[str, Seen]:
    """A day of one-letter entities: `clusters_of("abc", "de", noise="x")`."""
    day = {
        entity: Seen(number, value.format(entity=entity, cluster=number))
        for number, group in enumerate(groups)
        for entity in group
    }
    return day | {entity: Seen(-1, value.format(entity=entity, cluster=-1)) for entity in noise}


def spec_of(name: str, **lineage: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": name,
            "start_date": "2026-01-01",
            "raw": {"files": "none/*.parquet", "time_column": "at"},
            "entity": "id",
            "features": {"text": "max(x)"},
            "distance": {"metric": "levenshtein", "threshold": 1},
            "algorithm": {"type": "dbscan", "min_samples": 2},
            "lineage": lineage,
        }
    )


@dataclass
class Chain:
    """A pipeline whose clusters are given."""

    backend: Backend
    spec: PipelineSpec

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.backend.store, self.backend.catalog, self.spec.name)

    def job(self, day: str, *, force: bool = False) -> DayJob:
        return DayJob(self.spec, self.backend, self.ledger, parse_day(day), force=force)

    def give(self, day: str, seen: Day) -> None:
        """Publish points and clusters of a day."""
        points = {value: number for number, value in enumerate(sorted({one.value for one in seen.values()}))}
        weights = [sum(one.value == value for one in seen.values()) for value in points]
        content = self._commit(
            "points",
            day,
            (POINTS, [(number, weights[number], value) for value, number in points.items()]),
            {"raw": digest_of({"points": points})},
        )
        labels = [
            (entity, points[one.value], one.cluster, "core" if one.cluster >= 0 else "noise")
            for entity, one in sorted(seen.items())
        ]
        self._commit("clusters", day, (CLUSTERS, labels), {"points": content, "labels": str(labels)})

    def tell(self, day: str, *, force: bool = False) -> DayResult:
        """Publish the lineage of a day, and carry it on, as the asset does."""
        result = publish_day(LineageStage(), self.job(day, force=force))
        self.moved = [moved.manifest.day.key for moved in publish_days_after(LineageStage(), self.job(day))]
        return result

    def rows(self, day: str, table: str = "lineage") -> list[dict[str, Any]]:
        """A table of a day, in order of its key."""
        manifest = self.ledger.require("lineage", parse_day(day))
        uris = list(self.ledger.uris(manifest, table))
        if not uris:
            return []
        with duckdb.connect() as connection:
            found = connection.execute("SELECT * FROM read_parquet(?, hive_partitioning = false)", [uris])
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def ids(self, day: str) -> dict[int, str]:
        return {row["cluster"]: row["stable_id"] for row in self.rows(day) if row["cluster"] is not None}

    def events(self, day: str) -> dict[str, str]:
        return {row["stable_id"]: row["event"] for row in self.rows(day)}

    def days(self) -> list[str]:
        return [day.key for day in self.ledger.days("lineage")]

    def state(self) -> dict[str, Any]:
        """All tables of all days."""
        return {
            f"{day} {table}": self.rows(day, table)
            for day in self.days()
            for table in ("lineage", "overlaps", "known")
        }

    def stale(self) -> tuple[StaleDay, ...]:
        return stale_days(self.ledger, self.spec)

    def _commit(
        self, stage: str, day: str, table: tuple[TableContract, list[tuple[Any, ...]]], inputs: dict[str, str]
    ) -> str:
        contract, rows = table
        input_digest = digest_of(inputs)
        found = self.ledger.find_reusable(stage, parse_day(day), input_digest)
        if found is not None:
            return found.content_digest
        attempt = self.ledger.start_attempt(stage, parse_day(day))
        files = (_write(attempt, contract, rows),) if rows else ()
        draft = Draft(
            stage=stage,
            day=parse_day(day),
            attempt=attempt,
            input_digest=input_digest,
            inputs=inputs,
            tables={contract.name: (contract, files)},
        )
        return self.ledger.commit(draft).content_digest


def _write(attempt: Attempt, contract: TableContract, rows: list[tuple[Any, ...]]) -> WrittenFile:
    path = Path(attempt.prefix_uri(contract.name)) / "part-00000.parquet"
    path.parent.mkdir(parents=True)
    with duckdb.connect() as connection:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in contract.columns)
        connection.execute(f"CREATE TABLE rows ({columns})")
        connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(contract.columns))})", rows)
        connection.execute(f"COPY rows TO '{path}' (FORMAT parquet)")
    return WrittenFile(str(path), rows=len(rows), bytes=path.stat().st_size)
