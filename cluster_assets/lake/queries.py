"""DuckDB queries over the files of many days, with the column `day`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cluster_assets.backends.duckdb.files import file_list, quoted_name
from cluster_assets.backends.duckdb.types import duckdb_type
from cluster_assets.backends.sql_base import empty_item
from cluster_assets.domain.tables import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.stages.snapshots import TableSnapshot

DAY = Column("day", "date", "UTC day")
_DAY_LENGTH = len("2013-03-04")


def columns_of(snapshots: Mapping[Day, TableSnapshot]) -> tuple[Column, ...]:
    """Return the columns of all days and `day`; those of the newest day come first.

    `day` replaces a column of this name, which some tables have as a text.
    """
    columns: dict[str, Column] = {}
    for _, snapshot in sorted(snapshots.items(), reverse=True):
        columns = columns | {one.name: one for one in snapshot.data.columns if one.name not in columns}
    columns.pop(DAY.name, None)
    return (*columns.values(), DAY)


def rows_of_days(snapshots: Mapping[Day, TableSnapshot], paths: Mapping[str, str]) -> str:
    """Return the query for all rows of some days, in no order.

    DuckDB takes the day from the path of a file, so that a condition on `day` prunes files before it opens
    them. Days of equal columns share one `read_parquet`, because it reads the schema of its first file only;
    a column that some days do not have is null there.

    Args:
        snapshots: The days, at least one.
        paths: Their files on this machine by URI, each below a folder `day=YYYY-MM-DD`.
    """
    groups: dict[tuple[tuple[Column, ...], int], list[str]] = defaultdict(list)
    for day, snapshot in sorted(snapshots.items(), reverse=True):
        for uri in snapshot.uris:
            groups[snapshot.data.columns, _place_of_day(paths[uri], day)].append(paths[uri])
    selects = [_select(columns, place, files) for (columns, place), files in groups.items()]
    columns = columns_of(snapshots)
    selects.append(empty_item(columns, duckdb_type).this.sql("duckdb"))
    names = ", ".join(quoted_name(column.name) for column in columns)
    return f"SELECT {names} FROM ({' UNION ALL BY NAME '.join(selects)})"


def ordered_rows(snapshots: Mapping[Day, TableSnapshot], paths: Mapping[str, str]) -> str:
    """Return the query of `rows_of_days` with its rows in order of the day and the key of the table."""
    (snapshot, *_) = snapshots.values()
    keys = (DAY.name, *(name for name in snapshot.contract.sort_by if name != DAY.name))
    return f"SELECT * FROM ({rows_of_days(snapshots, paths)}) ORDER BY {', '.join(map(quoted_name, keys))}"


def _place_of_day(path: str, day: Day) -> int:
    """Return the position of the day in a path, counted from 1 as in SQL."""
    return path.rindex(f"/{day.prefix}/") + len("/day=") + 1


def _select(columns: Sequence[Column], place: int, files: Sequence[str]) -> str:
    names = [quoted_name(column.name) for column in columns if column.name != DAY.name]
    day = f"CAST(substr(filename, {place}, {_DAY_LENGTH}) AS DATE) AS {quoted_name(DAY.name)}"
    source = f"read_parquet({file_list(files)}, hive_partitioning=false, filename=true)"
    return f"SELECT {', '.join([*names, day])} FROM {source}"
