"""Table contracts: the columns and types other people may rely on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name and its Athena type in lower case (`bigint`, `array(varchar)`)."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class TableContract:
    """What a table holds for one day.

    Attributes:
        name: Table name without the pipeline prefix.
        columns: Columns in order, with their Athena types.
        sort_by: Columns that order the rows; together they are unique.
        partitioned_by: The last column, a BIGINT, where each file holds the rows of one of its values
            without the column itself.
    """

    name: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...]
    partitioned_by: str | None = None


SOURCE_FILES = TableContract(
    "files",
    (Column("uri", "varchar"), Column("rows", "bigint"), Column("null_entities", "bigint")),
    sort_by=("uri",),
)
MEMBERS = TableContract(
    "members",
    (Column("entity", "varchar"), Column("point_id", "bigint")),
    sort_by=("entity",),
)
# What the dimensions of a day's vectors are scaled by: one row a dimension, (value - center) / spread.
SCALES = TableContract(
    "scales",
    (
        Column("dimension", "bigint"),
        Column("entities", "bigint"),
        Column("center", "double"),
        Column("spread", "double"),
    ),
    sort_by=("dimension",),
)
# Scratch of `points`: how many entities of the day show a token, and whether it stays in the sets.
FREQUENCIES = TableContract(
    "frequencies",
    (Column("token", "varchar"), Column("entities", "bigint"), Column("is_kept", "boolean")),
    sort_by=("token",),
)
CANDIDATES = TableContract(
    "candidates",
    (Column("point_a", "bigint"), Column("point_b", "bigint"), Column("distance", "double")),
    sort_by=("point_a", "point_b"),
)
# Beside candidates that are a certificate: the points known to be core.
CORES = TableContract("cores", (Column("point_id", "bigint"),), sort_by=("point_id",))
LABELS = TableContract(
    "labels",
    (Column("point_id", "bigint"), Column("cluster", "bigint"), Column("role", "varchar")),
    sort_by=("point_id",),
)
CLUSTERS = TableContract(
    "clusters",
    (
        Column("entity", "varchar"),
        Column("point_id", "bigint"),
        Column("cluster", "bigint"),
        Column("role", "varchar"),
    ),
    sort_by=("entity",),
)


# Beside clusters by single linkage, on demand: all merges, numbered as by scipy.cluster.hierarchy.linkage.
DENDROGRAM = TableContract(
    "dendrogram",
    (
        Column("left", "bigint"),
        Column("right", "bigint"),
        Column("distance", "double"),
        Column("size", "bigint"),
    ),
    sort_by=("distance", "left", "right"),
)
# Scratch of `clusters`: which invocation clusters the component of a point.
BINS = TableContract(
    "bins",
    (Column("point_id", "bigint"), Column("component", "bigint"), Column("bin", "bigint")),
    sort_by=("point_id",),
)
BIN_PAIRS = TableContract(
    "bin_pairs",
    (*CANDIDATES.columns, Column("bin", "bigint")),
    sort_by=("bin", "point_a", "point_b"),
    partitioned_by="bin",
)
LABELS_WITH_PROBABILITY = TableContract(
    "labels", (*LABELS.columns, Column("probability", "double")), sort_by=("point_id",)
)
CLUSTERS_WITH_PROBABILITY = TableContract(
    "clusters", (*CLUSTERS.columns, Column("probability", "double")), sort_by=("entity",)
)


def bin_points_contract(feature_columns: tuple[Column, ...]) -> TableContract:
    """Scratch of `clusters`: the points of each bin, with their component and their features."""
    columns = (
        Column("point_id", "bigint"),
        Column("weight", "bigint"),
        Column("component", "bigint"),
        *feature_columns,
        Column("bin", "bigint"),
    )
    return TableContract("bin_points", columns, sort_by=("bin", "point_id"), partitioned_by="bin")


def features_contract(feature_columns: tuple[Column, ...]) -> TableContract:
    """The scratch table `features`: one row per entity of the day."""
    return TableContract("features", (Column("entity", "varchar"), *feature_columns), sort_by=("entity",))


def points_contract(feature_columns: tuple[Column, ...]) -> TableContract:
    """The table `points`: one row per distinct feature value, ids dense from 0."""
    columns = (Column("point_id", "bigint"), Column("weight", "bigint"), *feature_columns)
    return TableContract("points", columns, sort_by=("point_id",))
