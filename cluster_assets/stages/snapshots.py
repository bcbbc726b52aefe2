"""Tables of a published day as readers see them: each a consistent snapshot, found through the clusters."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.files import literal_path
from cluster_assets.backends.duckdb.sessions import interruptibly
from cluster_assets.backends.duckdb.types import duckdb_type
from cluster_assets.backends.sql_base import empty_item
from cluster_assets.domain.errors import EngineError, SpecError
from cluster_assets.domain.tables import CONDENSED_TREE, DENDROGRAM, REACHABILITY
from cluster_assets.stages.ledger.published import describing_day, published_stage
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest, TableData
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.day.stage import Stage
    from cluster_assets.stages.ledger.ledger import Ledger

TABLES: dict[str, tuple[TableContract, Stage]] = {
    table.name: (table, stage) for stage in STAGES for table in stage.tables if table.is_exported
}
"""Tables that can be exported, each with its stage."""

# The algorithm that publishes a table.
_ALGORITHMS = {
    DENDROGRAM.name: "single_linkage, dendrogram: true",
    CONDENSED_TREE.name: "hdbscan",
    REACHABILITY.name: "optics",
}

PARALLEL_READS = 16
"""Files or manifests that are read at a time."""


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """One table of one published day.

    Attributes:
        contract: Its name and key; the columns of the day are those of `data`.
        manifest: The version of the stage that the published clusters belong to.
        uris: Addresses of its files, in order.
    """

    contract: TableContract
    manifest: Manifest
    uris: tuple[str, ...]

    @property
    def data(self) -> TableData:
        """Columns and files of the day."""
        return self.manifest.tables[self.contract.name]

    def query(self, paths: Mapping[str, str]) -> exp.Select:
        """Return the DuckDB query for all rows in order of the key.

        Args:
            paths: Where the files are on this machine, by URI; see `local_files`.
        """
        columns = self.data.columns
        if not self.uris:
            return exp.select("*").from_(empty_item(columns, duckdb_type))
        files = exp.Array(expressions=[exp.Literal.string(literal_path(paths[uri])) for uri in self.uris])
        keys = [exp.column(name, quoted=True) for name in self.contract.sort_by]
        names = [exp.column(column.name, quoted=True) for column in columns]
        return exp.select(*names).from_(_parquet(files)).order_by(*keys)


def table_named(table: str) -> tuple[TableContract, Stage]:
    """Return a table that can be exported and its stage.

    Raises:
        SpecError: There is no such table.
    """
    if table not in TABLES:
        raise SpecError(f"there is no table {table!r}", remedy=f"choose one of: {', '.join(TABLES)}")
    return TABLES[table]


def read_snapshot(ledger: Ledger, table: str, day: Day, *, verify: bool = True) -> TableSnapshot:
    """Return a table of a day, of the version that belongs to the published clusters.

    Args:
        ledger: The pipeline.
        table: One of `TABLES`.
        day: A published day.
        verify: As for `Ledger.uris`.

    Raises:
        SpecError: Unknown table, or the day has no such table.
        UpstreamMissingError: The day has no clusters yet, or no lineage or profiles of them.
    """
    contract, stage = table_named(table)
    manifest = (
        describing_day(ledger, stage.name, day)
        if stage.describes_clusters
        else published_stage(ledger, stage.name, day)
    )
    if table not in manifest.tables:
        raise _no_such_table(ledger, day, table, manifest)
    return TableSnapshot(contract, manifest, ledger.uris(manifest, table, verify=verify))


def write_snapshot(snapshot: TableSnapshot, options: str, output: Path, store: ObjectStore | None) -> int:
    """Write the rows of a table to a file, ordered by the key, atomically.

    Args:
        snapshot: The table.
        options: Of DuckDB's COPY: the format.
        output: The file.
        store: Holds the table's files; None if they are on this machine.

    Returns:
        Rows written.

    Raises:
        EngineError: The file cannot be written, or a data file cannot be read.
    """
    with local_files(snapshot.uris, store) as paths:
        return _copy(snapshot.query(paths), options, output)


def is_remote(uris: Iterable[str]) -> bool:
    """Whether files are in an object store."""
    return any("://" in uri for uri in uris)


@contextmanager
def local_files(uris: Collection[str], store: ObjectStore | None) -> Iterator[Mapping[str, str]]:
    """Yield the paths of files on this machine, by URI.

    Files of an object store are copied, and the copies are removed afterwards. A path ends in the key of its
    file.

    Raises:
        FileNotFoundError: A file no longer exists.
    """
    if store is None or not is_remote(uris):
        yield {uri: uri for uri in uris}
        return
    with TemporaryDirectory(prefix="cluster-assets-") as folder:
        paths = {uri: Path(folder, store.key(uri)) for uri in uris}

        def copy(uri: str) -> None:
            paths[uri].parent.mkdir(parents=True, exist_ok=True)
            paths[uri].write_bytes(store.read(store.key(uri)))

        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            list(pool.map(copy, paths))
        yield {uri: str(path) for uri, path in paths.items()}


def _no_such_table(ledger: Ledger, day: Day, table: str, manifest: Manifest) -> SpecError:
    if table in _ALGORITHMS:
        return SpecError(
            f"{day} has no table {table}",
            where=f"{ledger.pipeline}, algorithm",
            remedy=f"set algorithm: {{type: {_ALGORITHMS[table]}}}, and run the day again",
        )
    return SpecError(
        f"{day} has no table {table}: its vectors are not scaled, or they have the scale of another day",
        where=f"{ledger.pipeline}, features.scale",
        remedy=f"choose a day that computes its own scale; reference day: "
        f"{manifest.metrics.get('reference_day', 'none')}",
    )


def _parquet(files: exp.Expr) -> exp.Expr:
    """Select the rows of the files; folders `day=…` do not become a column."""
    not_of_folders = exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())
    return exp.func("read_parquet", files, not_of_folders)


def _copy(query: exp.Select, options: str, output: Path) -> int:
    draft = output.with_name(f".{output.name}.{uuid.uuid4().hex}")
    target = exp.Literal.string(str(draft)).sql(dialect="duckdb")
    try:
        with duckdb.connect() as connection:
            statement = f"COPY ({query.sql(dialect='duckdb')}) TO {target} ({options})"
            found = interruptibly(connection, lambda: connection.execute(statement).fetchall())
        rows = int(found[0][0])
        draft.replace(output)
    except (duckdb.Error, OSError) as error:
        raise EngineError(
            f"the table could not be written: {error}",
            where=str(output),
            remedy="choose a folder that exists and is writable",
        ) from error
    finally:
        if draft.exists():
            draft.unlink()
    return rows
