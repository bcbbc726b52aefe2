"""One table of one published day as a file that other tools read."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import sqlglot.expressions as exp

from cluster_assets.domain.errors import EngineError, SpecError
from cluster_assets.domain.tables import (
    CANDIDATES,
    CLUSTER_FEATURES,
    CLUSTERS,
    DENDROGRAM,
    LINEAGE,
    MEMBERS,
    OVERLAPS,
    PROFILES,
    SCALES,
    points_contract,
)
from cluster_assets.stages.published import describing_day, published_day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.domain.manifests import Manifest, TableData
    from cluster_assets.domain.partitions import Day
    from cluster_assets.ports import ObjectStore
    from cluster_assets.stages.ledger import Ledger

TABLES = {
    "points": "points",
    "members": "points",
    "scales": "points",
    "candidates": "candidates",
    "clusters": "clusters",
    "dendrogram": "clusters",
    "lineage": "lineage",
    "overlaps": "lineage",
    "profiles": "profiles",
    "cluster_features": "profiles",
}
# Of these stages a day is exported that describes the clusters readers see.
_DESCRIBING = ("lineage", "profiles")
_FORMATS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".csv": "FORMAT csv, HEADER true",
    ".json": "FORMAT json",
    ".jsonl": "FORMAT json",
    ".ndjson": "FORMAT json",
}
_SORT_BY = {
    table.name: table.sort_by
    for table in (
        points_contract(()),
        MEMBERS,
        SCALES,
        CANDIDATES,
        CLUSTERS,
        DENDROGRAM,
        LINEAGE,
        OVERLAPS,
        PROFILES,
        CLUSTER_FEATURES,
    )
}


def export_table(ledger: Ledger, table: str, day: Day, output: Path, store: ObjectStore | None = None) -> int:
    """Write a table of a day, ordered by its key, whole or not at all.

    Args:
        ledger: The pipeline.
        table: One of `TABLES`.
        day: A published day.
        output: Its ending tells the format.
        store: Where the files are; needed where they are not on this machine.

    Returns:
        Rows written.

    Raises:
        SpecError: Unknown table or file ending, or the day has no such table.
        UpstreamMissingError: The day has no clusters yet, or nothing describes them.
        EngineError: The file cannot be written, or a data file cannot be read.
    """
    if table not in TABLES:
        raise SpecError(f"there is no table {table!r}", remedy=f"choose one of: {', '.join(TABLES)}")
    options = _FORMATS.get(output.suffix.lower())
    if options is None:
        raise SpecError(
            f"cannot tell the format of {output.name!r}",
            remedy=f"let the file end in one of: {', '.join(_FORMATS)}",
        )
    stage = TABLES[table]
    manifest = (
        describing_day(ledger, stage, day) if stage in _DESCRIBING else published_day(ledger, day)[stage]
    )
    if table not in manifest.tables:
        raise _no_such_table(ledger, day, table, manifest)
    with _local_files(ledger.uris(manifest, table), store) as paths:
        return _copy(_query(manifest.tables[table], paths), options, output)


def _no_such_table(ledger: Ledger, day: Day, table: str, manifest: Manifest) -> SpecError:
    if table == DENDROGRAM.name:
        return SpecError(
            f"{day} has no table {table}",
            where=f"{ledger.pipeline}, algorithm",
            remedy="set algorithm: {type: single_linkage, dendrogram: true}, and run the day again",
        )
    return SpecError(
        f"{day} has no table {table}: its vectors are not scaled, or by those of another day",
        where=f"{ledger.pipeline}, features.scale",
        remedy=f"choose a day with features.scale of its own; reference day: "
        f"{manifest.metrics.get('reference_day', 'none')}",
    )


@contextmanager
def _local_files(uris: tuple[str, ...], store: ObjectStore | None) -> Iterator[tuple[str, ...]]:
    """Files as paths; those elsewhere are copied, one at a time through memory, and removed afterwards."""
    if store is None or not any("://" in uri for uri in uris):
        yield uris
        return
    with TemporaryDirectory(prefix="cluster-assets-export-") as folder:
        paths = tuple(Path(folder, f"{number:05d}.parquet") for number in range(len(uris)))
        for uri, path in zip(uris, paths, strict=True):
            path.write_bytes(store.read(store.key(uri)))
        yield tuple(map(str, paths))


def _query(data: TableData, uris: tuple[str, ...]) -> exp.Select:
    columns = [exp.column(column.name, quoted=True) for column in data.columns]
    if not uris:
        empty = [
            exp.cast(exp.null(), exp.DataType.build(column.type, dialect="athena")).as_(
                column.name, quoted=True
            )
            for column in data.columns
        ]
        return exp.select(*empty).where(exp.false())
    files = exp.Array(expressions=[exp.Literal.string(uri) for uri in uris])
    keys = [exp.column(name, quoted=True) for name in _SORT_BY[data.name]]
    return exp.select(*columns).from_(_parquet(files)).order_by(*keys)


def _parquet(files: exp.Expr) -> exp.Expr:
    """The rows as they are in the files: a folder `day=…` above them makes no column."""
    not_of_folders = exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())
    return exp.func("read_parquet", files, not_of_folders)


def _copy(query: exp.Select, options: str, output: Path) -> int:
    draft = output.with_name(f".{output.name}.{uuid.uuid4().hex}")
    target = exp.Literal.string(str(draft)).sql(dialect="duckdb")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            statement = f"COPY ({query.sql(dialect='duckdb')}) TO {target} ({options})"
            rows = int(connection.execute(statement).fetchall()[0][0])
        draft.replace(output)
    except (duckdb.Error, OSError) as error:
        raise EngineError(
            f"the table could not be written: {error}",
            where=str(output),
            remedy="choose a file in a folder that exists and is writable",
        ) from error
    finally:
        if draft.exists():
            draft.unlink()
    return rows
