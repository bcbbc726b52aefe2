"""Contracts of scratch tables, which a stage writes only for its own next step."""

from __future__ import annotations

from cluster_assets.domain.tables import (
    CANDIDATES,
    CONDENSED_TREE,
    PROBABILITY,
    Column,
    TableContract,
    scratch_table,
)

# Scratch of `points`: how many entities of the day have a token, and whether the sets keep it.
FREQUENCIES = scratch_table(
    "frequencies", {"token": "varchar", "entities": "bigint", "is_kept": "boolean"}, sort_by=("token",)
)
LABELS = scratch_table(
    "labels", {"point_id": "bigint", "cluster": "bigint", "role": "varchar"}, sort_by=("point_id",)
)
LABELS_WITH_PROBABILITY = TableContract("labels", (*LABELS.columns, PROBABILITY), sort_by=("point_id",))
# Scratch of `clusters`: the worker's condensed tree.
TREE = TableContract("tree", CONDENSED_TREE.columns, sort_by=CONDENSED_TREE.sort_by)
# Scratch of `clusters`: a reachability plot, with -1 for what is undefined.
PLOT = scratch_table(
    "plot",
    {
        "start": "bigint",
        "position": "bigint",
        "point_id": "bigint",
        "copies": "bigint",
        "reachability": "double",
        "predecessor": "bigint",
        "core_distance": "double",
    },
    sort_by=("start", "position"),
)
# Scratch of `clusters`: which invocation clusters the component of a point.
BINS = scratch_table(
    "bins", {"point_id": "bigint", "component": "bigint", "bin": "bigint"}, sort_by=("point_id",)
)
BIN_PAIRS = TableContract(
    "bin_pairs",
    (*CANDIDATES.columns, Column("bin", "bigint")),
    sort_by=("bin", "point_a", "point_b"),
    partitioned_by="bin",
)
# Scratch of `lineage`: what the clusters of a day have in common with those of earlier days.
_TWO_CLUSTERS = {"days_back": "bigint", "previous_cluster": "bigint", "cluster": "bigint"}
SHARED_ENTITIES = scratch_table(
    "shared_entities",
    {"day": "varchar", **_TWO_CLUSTERS, "shared": "bigint"},
    sort_by=tuple(_TWO_CLUSTERS),
    is_of_clusters=True,
)
SHARED_FEATURES = scratch_table(
    "shared_features", {**_TWO_CLUSTERS, "similarity": "double"}, sort_by=tuple(_TWO_CLUSTERS)
)
CLUSTER_PAIRS = scratch_table(
    "pairs",
    {
        "cluster": "bigint",
        "entities": "bigint",
        "stable_id": "varchar",
        "previous_day": "varchar",
        "previous_cluster": "bigint",
        "previous_entities": "bigint",
        "shared": "bigint",
        "jaccard": "double",
        "kept": "double",
        "share": "double",
        "similarity": "double",
        "evidence": "varchar",
    },
    sort_by=("cluster", "previous_day", "previous_cluster"),
    is_of_clusters=True,
)
# Scratch of `profiles`: what the worker measured.
MEDOIDS = scratch_table(
    "medoids",
    {
        "cluster": "bigint",
        "rank": "bigint",
        "point_id": "bigint",
        "distance": "double",
        "cohesion": "double",
        "points": "bigint",
    },
    sort_by=("cluster", "rank"),
)
SILHOUETTES = scratch_table(
    "silhouettes",
    {"point_id": "bigint", "cluster": "bigint", "weight": "bigint", "silhouette": "double"},
    sort_by=("cluster", "point_id"),
)
# Scratch of `cluster-assets explore`: the clusters of every setting.
EXPLORED = scratch_table(
    "labels",
    {"min_samples": "bigint", "level": "bigint", "point_id": "bigint", "cluster": "bigint"},
    sort_by=("min_samples", "level", "point_id"),
)


def bin_points_contract(feature_columns: tuple[Column, ...]) -> TableContract:
    """Scratch of `clusters`: the points of each bin, with their component and features."""
    features = {column.name: column.type for column in feature_columns}
    return scratch_table(
        "bin_points",
        {"point_id": "bigint", "weight": "bigint", "component": "bigint", **features, "bin": "bigint"},
        sort_by=("bin", "point_id"),
        partitioned_by="bin",
    )


def sketched_contract(feature_columns: tuple[Column, ...]) -> TableContract:
    """Scratch of `report`: a sample of the points, with their cluster as component."""
    features = {column.name: column.type for column in feature_columns}
    columns = {"point_id": "bigint", "weight": "bigint", "component": "bigint", **features}
    return scratch_table("sketched", columns, sort_by=("point_id",))


def features_contract(feature_columns: tuple[Column, ...]) -> TableContract:
    """The scratch table `features`: one row per entity of the day."""
    return TableContract("features", (Column("entity", "varchar"), *feature_columns), sort_by=("entity",))
