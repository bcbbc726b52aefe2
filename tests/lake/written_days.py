"""Days with rows that a test chooses, published as runs publish them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from cluster_assets.backends.duckdb.files import quoted_name
from cluster_assets.backends.duckdb.types import duckdb_type
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.tables import CANDIDATES, CLUSTERS, MEMBERS, points_contract
from cluster_assets.stages.ledger.ledger import Draft

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.ledger.ledger import Ledger

EMPTY = {"points": points_contract(()), "members": MEMBERS, "candidates": CANDIDATES, "clusters": CLUSTERS}


class DayWriter:
    """Publishes days of a pipeline.

    Args:
        ledger: The pipeline.
        store: The store of the ledger.
        folder: For files on the way to the store.
    """

    def __init__(self, ledger: Ledger, store: ObjectStore, folder: Path) -> None:
        self._ledger = ledger
        self._store = store
        self._folder = folder

    def publish(self, day: Day, **queries: tuple[TableContract, str]) -> Manifest:
        """Publish points, candidates and clusters of a day; tables without a query are empty.

        Args:
            day: The day.
            queries: By table, its contract and the DuckDB query of its rows.
        """
        inputs: dict[str, str] = {}
        for stage, names in (
            ("points", ["points", "members"]),
            ("candidates", ["candidates"]),
            ("clusters", ["clusters"]),
        ):
            tables = {name: queries.get(name, (EMPTY[name], "")) for name in names}
            manifest = self.stage(stage, day, tables, {"source": "of the test", **inputs})
            inputs[stage] = manifest.content_digest
        return manifest

    def stage(
        self, stage: str, day: Day, tables: dict[str, tuple[TableContract, str]], inputs: dict[str, str]
    ) -> Manifest:
        """Publish the tables of one stage."""
        attempt = self._ledger.start_attempt(stage, day)
        written = {
            name: (contract, self._written(attempt.prefix_uri(name), contract, query))
            for name, (contract, query) in tables.items()
        }
        draft = Draft(
            stage=stage,
            day=day,
            attempt=attempt,
            input_digest=attempt.id,
            inputs=inputs,
            tables=written,
            metrics={"rows": 0, "source_digest": "of the test"},
        )
        return self._ledger.commit(draft)

    def _written(self, folder: str, table: TableContract, query: str) -> tuple[WrittenFile, ...]:
        if not query:
            return ()
        names = [(quoted_name(one.name), duckdb_type(one.type).sql("duckdb")) for one in table.columns]
        columns = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in names)
        staged = self._folder / "staged.parquet"
        with duckdb.connect() as connection:
            written = connection.execute(
                f"COPY (SELECT {columns} FROM ({query})) TO '{staged}' (FORMAT parquet)"
            ).fetchall()
        body = staged.read_bytes()
        uri = f"{folder}/part-00000.parquet"
        assert self._store.put_if_absent(self._store.key(uri), body)
        return (WrittenFile(uri, written[0][0], len(body)),)
