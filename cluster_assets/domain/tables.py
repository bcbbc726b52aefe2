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
# Beside points: how many entities show a value, in bins that do not depend on the day.
HISTOGRAMS = TableContract(
    "histograms",
    (
        Column("day", "varchar"),
        Column("feature", "varchar"),
        Column("bin", "varchar"),
        Column("entities", "bigint"),
    ),
    sort_by=("feature", "bin"),
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

# What became of the clusters of the previous day; one row a cluster of the day, and one each that died.
LINEAGE = TableContract(
    "lineage",
    (
        Column("day", "varchar"),
        Column("cluster", "bigint"),
        Column("stable_id", "varchar"),
        Column("event", "varchar"),
        Column("previous_cluster", "bigint"),
        Column("shared", "bigint"),
        Column("jaccard", "double"),
        Column("previous_day", "varchar"),
        Column("entities", "bigint"),
        Column("previous_entities", "bigint"),
        Column("first_seen", "varchar"),
        Column("last_seen", "varchar"),
        Column("evidence", "varchar"),
        Column("similarity", "double"),
        Column("parent", "varchar"),
        Column("successor", "varchar"),
    ),
    sort_by=("stable_id",),
)
OVERLAPS = TableContract(
    "overlaps",
    (
        Column("cluster", "bigint"),
        Column("previous_cluster", "bigint"),
        Column("shared", "bigint"),
        Column("jaccard", "double"),
        Column("entities", "bigint"),
        Column("previous_entities", "bigint"),
        Column("previous_day", "varchar"),
        Column("stable_id", "varchar"),
        Column("previous_stable_id", "varchar"),
        Column("kept", "double"),
        Column("share", "double"),
        Column("similarity", "double"),
        Column("evidence", "varchar"),
        Column("relation", "varchar"),
        Column("day", "varchar"),
    ),
    sort_by=("cluster", "previous_day", "previous_cluster"),
)
# All that the lineage of the next day needs of the days before it.
KNOWN = TableContract(
    "known",
    (
        Column("stable_id", "varchar"),
        Column("last_seen", "varchar"),
        Column("cluster", "bigint"),
        Column("entities", "bigint"),
        Column("first_seen", "varchar"),
    ),
    sort_by=("stable_id",),
)
# Scratch of `lineage`: what the clusters of a day have in common with those of the days it remembers.
_TWO_CLUSTERS = (
    Column("days_back", "bigint"),
    Column("previous_cluster", "bigint"),
    Column("cluster", "bigint"),
)
SHARED_ENTITIES = TableContract(
    "shared_entities",
    (Column("day", "varchar"), *_TWO_CLUSTERS, Column("shared", "bigint")),
    sort_by=("days_back", "previous_cluster", "cluster"),
)
SHARED_FEATURES = TableContract(
    "shared_features",
    (*_TWO_CLUSTERS, Column("similarity", "double")),
    sort_by=("days_back", "previous_cluster", "cluster"),
)
CLUSTER_PAIRS = TableContract(
    "pairs",
    (
        Column("cluster", "bigint"),
        Column("entities", "bigint"),
        Column("stable_id", "varchar"),
        Column("previous_day", "varchar"),
        Column("previous_cluster", "bigint"),
        Column("previous_entities", "bigint"),
        Column("shared", "bigint"),
        Column("jaccard", "double"),
        Column("kept", "double"),
        Column("share", "double"),
        Column("similarity", "double"),
        Column("evidence", "varchar"),
    ),
    sort_by=("cluster", "previous_day", "previous_cluster"),
)


# One row a cluster and one for noise, cluster -1. The day is the partition, as of all tables.
PROFILES = TableContract(
    "profiles",
    (
        Column("cluster", "bigint"),
        Column("stable_id", "varchar"),
        Column("first_seen", "varchar"),
        Column("last_seen", "varchar"),
        Column("entities", "bigint"),
        Column("points", "bigint"),
        Column("core_entities", "bigint"),
        Column("border_entities", "bigint"),
        Column("share", "double"),
        Column("medoid", "varchar"),
        Column("medoid_point", "bigint"),
        Column("exemplars", "array(varchar)"),
        Column("cohesion", "double"),
        Column("cohesion_basis", "varchar"),
        Column("cohesion_points", "bigint"),
        Column("separation", "double"),
        Column("separation_basis", "varchar"),
        Column("separation_points", "bigint"),
    ),
    sort_by=("cluster",),
)
# What tells a cluster from its day: columns that a kind does not have are null.
CLUSTER_FEATURES = TableContract(
    "cluster_features",
    (
        Column("cluster", "bigint"),
        Column("kind", "varchar"),
        Column("rank", "bigint"),
        Column("feature", "varchar"),
        Column("value", "varchar"),
        Column("entities", "bigint"),
        Column("share", "double"),
        Column("day_share", "double"),
        Column("lift", "double"),
        Column("mean", "double"),
        Column("day_mean", "double"),
        Column("day_spread", "double"),
        Column("zscore", "double"),
        Column("latitude", "double"),
        Column("longitude", "double"),
        Column("radius_m", "double"),
    ),
    sort_by=("cluster", "kind", "rank"),
)
# Scratch of `profiles`: what the worker measured.
MEDOIDS = TableContract(
    "medoids",
    (
        Column("cluster", "bigint"),
        Column("rank", "bigint"),
        Column("point_id", "bigint"),
        Column("distance", "double"),
        Column("cohesion", "double"),
        Column("points", "bigint"),
    ),
    sort_by=("cluster", "rank"),
)
SILHOUETTES = TableContract(
    "silhouettes",
    (
        Column("point_id", "bigint"),
        Column("cluster", "bigint"),
        Column("weight", "bigint"),
        Column("silhouette", "double"),
    ),
    sort_by=("cluster", "point_id"),
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
