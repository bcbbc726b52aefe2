"""Published days as a pipeline leaves them, without running one: versions of `clusters` and their inputs."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.tables import CANDIDATES, CLUSTERS, LINEAGE, MEMBERS, points_contract
from cluster_assets.stages.ledger.ledger import Draft, Ledger

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.tables import TableContract

PIPELINE = "demo"


class Warehouse:
    """The days of a pipeline.

    Args:
        s3: A client, for a store on S3.
    """

    def __init__(self, store: ObjectStore, catalog: Catalog, s3: Any = None) -> None:
        self.ledger = Ledger(store, catalog, PIPELINE)
        self.store = store
        self._s3 = s3

    def commit(self, day: str, rows: int, cluster: int, suffix: str = "") -> int:
        """Publish a day whose entities are all of one cluster, which tells versions apart; its version."""
        tables: list[tuple[str, dict[str, tuple[TableContract, str | None]]]] = [
            ("points", {"points": (points_contract(()), None), "members": (MEMBERS, None)}),
            ("candidates", {"candidates": (CANDIDATES, None)}),
            ("clusters", {"clusters": (CLUSTERS, _clusters(rows, cluster, suffix) if rows else None)}),
        ]
        inputs: dict[str, str] = {"source": "of the test"}
        for stage, contents in tables:
            manifest = self._commit(stage, day, contents, inputs)
            inputs[stage] = manifest.content_digest
        query = _lineage(day, cluster) if rows else None
        self._commit("lineage", day, {"lineage": (LINEAGE, query)}, inputs)
        return manifest.version

    def _commit(
        self,
        stage: str,
        day: str,
        contents: dict[str, tuple[TableContract, str | None]],
        inputs: dict[str, str],
    ) -> Manifest:
        attempt = self.ledger.start_attempt(stage, parse_day(day))
        tables = {}
        for name, (contract, query) in contents.items():
            files = (
                () if query is None else (self._write(f"{attempt.prefix_uri(name)}/00000.parquet", query),)
            )
            tables[name] = (contract, files)
        draft = Draft(
            stage=stage,
            day=parse_day(day),
            attempt=attempt,
            input_digest=attempt.id,
            inputs=dict(inputs),
            tables=tables,
            metrics={"rows": 0},
        )
        return self.ledger.commit(draft)

    def _write(self, uri: str, query: str) -> WrittenFile:
        with TemporaryDirectory() as folder:
            path = Path(folder, "rows.parquet") if "://" in uri else Path(uri)
            path.parent.mkdir(parents=True, exist_ok=True)
            (rows,) = duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)").fetchone() or (0,)
            if "://" in uri:
                bucket, _, key = uri.removeprefix("s3://").partition("/")
                self._s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
            return WrittenFile(uri, int(rows), path.stat().st_size)


def _clusters(rows: int, cluster: int, suffix: str) -> str:
    return (
        f"SELECT 'e' || i || '{suffix}' AS entity, i::BIGINT AS point_id, {cluster}::BIGINT AS cluster, "
        f"'core' AS role FROM range({rows}) AS t(i)"
    )


def _lineage(day: str, cluster: int) -> str:
    kinds = {"varchar": "VARCHAR", "bigint": "BIGINT", "double": "DOUBLE"}
    known = {"day": f"'{day}'", "cluster": str(cluster), "stable_id": "'20130304-000000'", "jaccard": "0.1"}
    columns = (
        f'CAST({known.get(column.name, "NULL")} AS {kinds[column.type]}) AS "{column.name}"'
        for column in LINEAGE.columns
    )
    return f"SELECT {', '.join(columns)}"
