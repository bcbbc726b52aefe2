"""What reading a text file costs, beside DuckDB's own guess of the file and polars.

Ours looks at every value before it decides on types, and checks the columns; the others guess from a sample.
"""

from __future__ import annotations

import csv
import itertools
import json
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure.comparing import OURS, Side, compare
from benchmarks.measure.processes import Clock
from benchmarks.measure.readings import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure.options import Options

ROWS = 400_000
COLUMNS = ("at", "id", "name", "port", "x", "y")
QUERY = (
    "SELECT count(*) AS n, count(DISTINCT id) AS entities, max(name) AS name, "
    "max(port) AS port, max(x) AS x, min(y) AS y FROM {source}"
)
RESULTS = ("n", "entities", "name", "port", "x", "y")


def write(folder: Path, kind: str, rows: int) -> None:
    """A file of flows: times, names with commas and quotes, whole numbers and fractions."""
    chance = random.Random(7)  # noqa: S311  # a table, no secret
    with (folder / f"flows.{kind}").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if kind == "csv":
            writer.writerow(COLUMNS)
        for number in range(rows):
            moment = f"2026-01-01 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
            name = f'host {chance.randrange(9999)}, "{chance.choice("abc")}"'
            values = (moment, f"e{chance.randrange(max(1, rows // 9))}", name, chance.randrange(1 << 16))
            values += (round(chance.random() * 100, 6), chance.gauss(0, 1))
            if kind == "csv":
                writer.writerow(values)
            else:
                file.write(json.dumps(dict(zip(COLUMNS, values, strict=True))) + "\n")


def read_ours(path: Path) -> Any:
    """Through the product: list the file, check its columns, run a statement."""
    import sqlglot

    from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
    from cluster_assets.backends.ports import Statement
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.points.kinds import needed_columns
    from cluster_assets.stages.raw.files import check_columns, list_source_files, source_relation

    spec = PipelineSpec.model_validate(
        {
            "name": "bench",
            "start_date": "2026-01-01",
            "raw": {"files": str(path), "time_column": "at"},
            "entity": "id",
            "features": {
                "mixed": {"name": {"category": "max(name)"}}
                | {name: {"number": f"max({name})"} for name in ("port", "x", "y")}
            },
            "distance": {"metric": "gower", "threshold": 0.5},
            "algorithm": {"type": "dbscan"},
        }
    )
    statement = Statement("reading", sqlglot.parse_one(QUERY.format(source="raw"), read="athena"))
    with DuckDbEngine(DuckDbConfig(2, 2048, path.parent / "scratch")) as engine:
        files = list_source_files(str(path), root=path.parent, environment={})
        relation = source_relation(spec.raw, spec, files)
        check_columns(engine, relation, needed_columns(spec), spec.raw.columns)
        return tuple(engine.fetch(statement, {"raw": relation}).rows[0].values())


def read_duckdb(path: Path) -> Any:
    """As DuckDB reads a file that it is told nothing about."""
    import duckdb

    with duckdb.connect(config={"threads": 2}) as connection:
        return connection.execute(QUERY.format(source=f"'{path}'")).fetchone()


def read_polars(path: Path) -> Any:
    """As polars scans the file."""
    import polars as pl

    rows = pl.scan_csv(path, try_parse_dates=True) if path.suffix == ".csv" else pl.scan_ndjson(path)
    return (
        rows.select(
            pl.len().alias("n"),
            pl.col("id").n_unique().alias("entities"),
            pl.col("name", "port", "x").max(),
            pl.col("y").min(),
        )
        .collect(engine="streaming")
        .row(0)
    )


def count_rows(path: Path) -> Any:
    """The second reader, which counts the rows once for each state of a file."""
    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.backends.row_counts import LocalRowCounter

    kind = "csv" if path.suffix == ".csv" else "json"
    return (LocalRowCounter().count_rows(FileRelation((str(path),), kind), str(path)),)


SIDES: dict[str, Callable[[Path], Any]] = {
    "ours": read_ours,
    "duckdb": read_duckdb,
    "polars": read_polars,
    "count": count_rows,
}


def take(side: str, file: str) -> Outcome:
    """One reading, after one of ten rows."""
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / f"few{Path(file).suffix}"
        with Path(file).open("rb") as lines:
            few.write_bytes(b"".join(itertools.islice(lines, 10)))
        SIDES[side](few)  # imports and first calls are not timed
    with Clock() as clock:
        row = SIDES[side](Path(file))
    return Outcome(clock.spent, dict(zip(RESULTS, row, strict=False)))


def main(options: Options) -> None:
    """Compare both kinds of files."""
    rows = options.at(ROWS, 2_000)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("csv", "jsonl"):
            write(Path(folder), kind, rows)
            file = Path(folder) / f"flows.{kind}"
            compare(
                f"reading {kind}, {rows:,} rows, {file.stat().st_size / 1e6:,.0f} MB",
                Side(OURS, f"{__name__}:take", ("ours", str(file))),
                [
                    Side("DuckDB", f"{__name__}:take", ("duckdb", str(file))),
                    Side("polars", f"{__name__}:take", ("polars", str(file)), "polars"),
                    Side(
                        "our second reader, counting", f"{__name__}:take", ("count", str(file)), is_peer=False
                    ),
                ],
                options,
            )
