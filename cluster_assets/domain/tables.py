"""Table contracts: the columns and types that readers may rely on, with a description of each column.

Dagster and `docs/tables.md` show the descriptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: Its Athena type in lower case (`bigint`, `array(varchar)`).
        description: What it holds. Columns that differ only in their description are equal.
    """

    name: str
    type: str
    description: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class TableContract:
    """The contents of a table for one day.

    Attributes:
        name: Table name without the pipeline prefix.
        columns: Columns in order, with their Athena types.
        sort_by: Columns that order the rows; together they are unique.
        partitioned_by: The last column, a BIGINT, if each file holds the rows of one of its values and omits
            the column itself.
        description: What one row means, and when the table exists.
        is_exported: Whether users export it; the other tables serve checks and later stages.
        is_of_clusters: Whether its rows are clusters or pairs of them, and filling it takes no search. An
            engine may fill it in this process if its inputs are small.
    """

    name: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...]
    partitioned_by: str | None = None
    description: str = ""
    is_exported: bool = True
    is_of_clusters: bool = False


def scratch_table(
    name: str,
    columns: Mapping[str, str],
    *,
    sort_by: tuple[str, ...] = (),
    partitioned_by: str | None = None,
    is_of_clusters: bool = False,
) -> TableContract:
    """Return the contract of a table that a stage writes for its own next step only.

    Args:
        name: Its name.
        columns: The Athena type of each column.
        sort_by: Columns that order the rows; none if no statement needs an order.
        partitioned_by: As in `TableContract`.
        is_of_clusters: As in `TableContract`.
    """
    made = tuple(Column(column, kind) for column, kind in columns.items())
    return TableContract(name, made, sort_by, partitioned_by, is_of_clusters=is_of_clusters)


POINT_ID = Column("point_id", "bigint", "Number of the point in `points`, dense from 0")

SOURCE_FILES = TableContract(
    "files",
    (
        Column("uri", "varchar", "Path or address of the file"),
        Column("rows", "bigint", "Rows of the day in the file"),
        Column("null_entities", "bigint", "Rows of the day whose entity is null"),
    ),
    sort_by=("uri",),
    description="One row for each source file that holds rows of the day. Exists for `raw.files`.",
    is_exported=False,
)
MEMBERS = TableContract(
    "members",
    (
        Column("entity", "varchar", "The value of the expression `entity`, as text"),
        Column("point_id", "bigint", "Point of the entity"),
    ),
    sort_by=("entity",),
    description="One row for each entity of the day that has valid features.",
)
SCALES = TableContract(
    "scales",
    (
        Column("dimension", "bigint", "Position of the dimension in `features.vector`, from 0"),
        Column("entities", "bigint", "Entities the statistics were computed from"),
        Column("center", "double", "Value that is subtracted"),
        Column("spread", "double", "Value that the difference is divided by"),
    ),
    sort_by=("dimension",),
    description="One row for each dimension of a vector that is scaled by the statistics of its own day: "
    "scaled value = (value - center) / spread.",
)
HISTOGRAMS = TableContract(
    "histograms",
    (
        Column("day", "varchar", "Day as YYYY-MM-DD"),
        Column("feature", "varchar", "Column of `points`, or `place`"),
        Column("bin", "varchar", "Name of the bin; bins do not depend on the day"),
        Column("entities", "bigint", "Entities with a value in the bin"),
    ),
    sort_by=("feature", "bin"),
    description="One row for each bin of a feature's values before scaling. The check `drift` compares them.",
    is_exported=False,
)
CANDIDATES = TableContract(
    "candidates",
    (
        Column("point_a", "bigint", "Point with the lower id"),
        Column("point_b", "bigint", "Point with the higher id"),
        Column("distance", "double", "Their distance, at most `distance.threshold`"),
    ),
    sort_by=("point_a", "point_b"),
    description="One row for each pair of points within the threshold. Where the day's metadata says "
    "`certificate`, enough of them to give the same clusters.",
)
CORES = TableContract(
    "cores",
    (Column("point_id", "bigint", "A core point"),),
    sort_by=("point_id",),
    description="One row for each core point. Exists where the candidates are a certificate.",
    is_exported=False,
)
CLUSTERS = TableContract(
    "clusters",
    (
        Column("entity", "varchar", "The value of the expression `entity`, as text"),
        Column("point_id", "bigint", "Point of the entity"),
        Column(
            "cluster",
            "bigint",
            "Number of the cluster that day, dense from 0 by first core entity; -1 is noise",
        ),
        Column(
            "role", "varchar", "`core`, `border` or `noise`; `member` where the algorithm has no core points"
        ),
    ),
    sort_by=("entity",),
    description="One row for each entity of `members`.",
)
PROBABILITY = Column("probability", "double", "How strongly the entity belongs to its cluster, 0 to 1")
CLUSTERS_WITH_PROBABILITY = TableContract(
    "clusters",
    (*CLUSTERS.columns, PROBABILITY),
    sort_by=("entity",),
    description=CLUSTERS.description,
)
DENDROGRAM = TableContract(
    "dendrogram",
    (
        Column(
            "left", "bigint", "First of the merged clusters, numbered as by `scipy.cluster.hierarchy.linkage`"
        ),
        Column("right", "bigint", "Second of the merged clusters"),
        Column("distance", "double", "Distance of the merge"),
        Column("size", "bigint", "Entities of the merged cluster"),
    ),
    sort_by=("distance", "left", "right"),
    description="One row for each merge up to the threshold. Exists with `dendrogram: true`.",
)
CONDENSED_TREE = TableContract(
    "condensed_tree",
    (
        Column("parent", "bigint", "Cluster of the tree; the root has the number of points of the day"),
        Column("child", "bigint", "A point that leaves the parent, or a cluster that the parent splits into"),
        Column(
            "distance",
            "double",
            "Mutual reachability at which the child leaves; the last search radius where it is farther",
        ),
        Column("entities", "bigint", "Entities of the child"),
    ),
    sort_by=("parent", "child"),
    description="One row for each point and each cluster of HDBSCAN's condensed tree, except its root. A "
    "cluster has a lower number than those it splits into. Exists for `hdbscan`.",
)
REACHABILITY = TableContract(
    "reachability",
    (
        Column("start", "bigint", "First point of the run; runs are ordered by it"),
        Column("position", "bigint", "Place within the run, ascending, with gaps"),
        Column("point_id", "bigint", "The point; twice if it has several entities"),
        Column("entities", "bigint", "Entities in the row: the first one of a point, or all others"),
        Column("reachability", "double", "Reachability distance; null at the start of a run"),
        Column("core_distance", "double", "Core distance of the point; null if it is above the threshold"),
        Column("predecessor", "bigint", "Point from which it was reached; null at the start of a run"),
    ),
    sort_by=("start", "position"),
    description="One row for each step of the reachability plot of OPTICS, in order. Exists for `optics`.",
)
CENTRES = TableContract(
    "centres",
    (
        Column("centre", "bigint", "Number of the centre"),
        Column("cluster", "bigint", "Cluster of the points nearest to it; several centres may share one"),
        Column("dimension", "bigint", "Position of the dimension, from 0"),
        Column("value", "double", "Coordinate, in the (scaled) unit of the points"),
    ),
    sort_by=("centre", "dimension"),
    description="One row for each coordinate of a centre that has points. Exists for `kmeans`, "
    "`minibatch_kmeans`, `birch` (its subclusters) and `mean_shift`.",
    is_exported=False,
)
LINEAGE = TableContract(
    "lineage",
    (
        Column("day", "varchar", "Day as YYYY-MM-DD"),
        Column("cluster", "bigint", "Number of the cluster in `clusters`; null where it died"),
        Column(
            "stable_id", "varchar", "Day of birth and number then, such as `20130304-000012`; unique in a day"
        ),
        Column(
            "event",
            "varchar",
            "`born`, `continued`, `grown`, `shrunk`, `split`, `merged`, `died` or `reappeared`",
        ),
        Column("previous_cluster", "bigint", "Cluster it was or came from; null where it was born"),
        Column("shared", "bigint", "Entities in both clusters; 0 where it was born"),
        Column("jaccard", "double", "`shared` per entity in the union of both clusters; 0 where it was born"),
        Column("previous_day", "varchar", "Day of `previous_cluster`; null where it was born"),
        Column("entities", "bigint", "Entities of the cluster"),
        Column("previous_entities", "bigint", "Entities of `previous_cluster`"),
        Column("first_seen", "varchar", "Day of birth"),
        Column("last_seen", "varchar", "This day; where it died, the last day it existed"),
        Column(
            "evidence", "varchar", "`entities` or `features`: how it was recognised; null where it was not"
        ),
        Column("similarity", "double", "Overlap of the feature values, where `evidence` is `features`"),
        Column("parent", "varchar", "Stable id it split off from, or the largest one that merged into it"),
        Column(
            "successor",
            "varchar",
            "Where it died: stable id that holds most of its returning entities, if at least `lineage.part`",
        ),
    ),
    sort_by=("stable_id",),
    description="One row for each cluster of the day, and one for each cluster of the previous day whose id "
    "ends. Noise has no row.",
    is_of_clusters=True,
)
OVERLAPS = TableContract(
    "overlaps",
    (
        Column("cluster", "bigint", "Number of the cluster in `clusters`"),
        Column("previous_cluster", "bigint", "Number of the earlier cluster on its day"),
        Column("shared", "bigint", "Entities in both"),
        Column("jaccard", "double", "`shared` per entity in the union of both"),
        Column("entities", "bigint", "Entities of the cluster"),
        Column("previous_entities", "bigint", "Entities of the earlier cluster"),
        Column("previous_day", "varchar", "Day of the earlier cluster"),
        Column("stable_id", "varchar", "Stable id of the cluster"),
        Column("previous_stable_id", "varchar", "Stable id of the earlier cluster"),
        Column("kept", "double", "Share of the earlier cluster's returning entities that are in the cluster"),
        Column(
            "share", "double", "Share of the cluster's familiar entities that were in the earlier cluster"
        ),
        Column("similarity", "double", "Overlap of the feature values, where it was computed"),
        Column("evidence", "varchar", "`entities` or `features`, where the two can be one cluster"),
        Column("relation", "varchar", "`same`, `split` or `merge`; null where a few entities only moved"),
        Column("day", "varchar", "Day as YYYY-MM-DD"),
    ),
    sort_by=("cluster", "previous_day", "previous_cluster"),
    description="One row for each pair of a cluster and an earlier cluster that share an entity or are one.",
    is_of_clusters=True,
)
KNOWN = TableContract(
    "known",
    (
        Column("stable_id", "varchar", "Stable id"),
        Column("last_seen", "varchar", "Last day it existed"),
        Column("cluster", "bigint", "Number of its cluster on that day"),
        Column("entities", "bigint", "Entities of that cluster"),
        Column("first_seen", "varchar", "Day of birth"),
    ),
    sort_by=("stable_id",),
    description="One row for each id that lives or may reappear: all that the lineage of the next day needs.",
    is_exported=False,
    is_of_clusters=True,
)
PROFILES = TableContract(
    "profiles",
    (
        Column("cluster", "bigint", "Number of the cluster in `clusters`; -1 is noise"),
        Column("stable_id", "varchar", "Identity from `lineage`; null for noise"),
        Column(
            "name",
            "varchar",
            "What distinguishes the cluster, in a few words; unique in a day, kept over its life while it is "
            "true; null for noise",
        ),
        Column("first_seen", "varchar", "Day of birth from `lineage`; null for noise"),
        Column("last_seen", "varchar", "Last day from `lineage`; null for noise"),
        Column("entities", "bigint", "Entities of the cluster"),
        Column("points", "bigint", "Distinct feature values of its entities"),
        Column("core_entities", "bigint", "Entities of role core; 0 where the algorithm has no core points"),
        Column(
            "border_entities", "bigint", "Entities of role border; 0 where the algorithm has no core points"
        ),
        Column("share", "double", "Entities per entity of the day, noise included"),
        Column("medoid", "varchar", "First entity of `medoid_point`"),
        Column(
            "medoid_point",
            "bigint",
            "Point whose distances to the entities of the cluster have the least sum",
        ),
        Column(
            "exemplars", "array(varchar)", "Entities from the medoid to the farthest, at equal steps by rank"
        ),
        Column(
            "cohesion", "double", "Mean distance of the entities to the medoid, in the unit of the distance"
        ),
        Column("cohesion_basis", "varchar", "`exact`, or `sampled` where the cluster has too many points"),
        Column("cohesion_points", "bigint", "Points that were measured for `cohesion`"),
        Column(
            "separation",
            "double",
            "Mean silhouette of the entities, -1 to 1; 0 for a single entity, null on a day of one cluster",
        ),
        Column(
            "separation_basis", "varchar", "`exact`, or `sampled` where the day has too many clustered points"
        ),
        Column("separation_points", "bigint", "Points of the cluster that were measured for `separation`"),
    ),
    sort_by=("cluster",),
    description="One row for each cluster of the day, and one for noise.",
    is_of_clusters=True,
)
NAMES = TableContract(
    "names",
    (
        Column("stable_id", "varchar", "Stable id"),
        Column("last_seen", "varchar", "Last day it existed"),
        Column("name", "varchar", "Its name"),
        Column("basis", "varchar", "What the name says, as JSON"),
        Column("entity", "varchar", "Medoid on the day on which the name was chosen"),
    ),
    sort_by=("stable_id",),
    description="One row for each id that lives or may reappear: all that the names of the next day need.",
    is_exported=False,
    is_of_clusters=True,
)
CLUSTER_FEATURES = TableContract(
    "cluster_features",
    (
        Column("cluster", "bigint", "Number of the cluster in `clusters`; -1 is noise"),
        Column("kind", "varchar", "`token`, `category`, `text`, `number` or `place`"),
        Column("rank", "bigint", "Rank of the feature within cluster and kind, from 1"),
        Column("feature", "varchar", "Name of the feature, or its expression in the YAML"),
        Column("value", "varchar", "Token, category or text; null for numbers and places"),
        Column("entities", "bigint", "Entities of the cluster that show the value"),
        Column("share", "double", "Those entities per entity of the cluster"),
        Column("day_share", "double", "Entities of the day that show the value, per entity of the day"),
        Column("lift", "double", "share / day_share"),
        Column("mean", "double", "Mean of the cluster, in the (scaled) unit of the points"),
        Column("day_mean", "double", "Mean of the day"),
        Column("day_spread", "double", "Population standard deviation of the day"),
        Column("zscore", "double", "(mean - day_mean) / day_spread; null where the day is constant"),
        Column("latitude", "double", "Latitude of the centre, in degrees"),
        Column("longitude", "double", "Longitude of the centre, in degrees"),
        Column("radius_m", "double", "Distance of the farthest entity from the centre, in metres"),
    ),
    sort_by=("cluster", "kind", "rank"),
    description="One row for each feature that distinguishes a cluster from the day. Columns that a kind "
    "does not have are null.",
)


def points_contract(feature_columns: tuple[Column, ...]) -> TableContract:
    """The table `points`: one row per distinct feature value, ids dense from 0."""
    weight = Column("weight", "bigint", "Number of entities at the point")
    return TableContract(
        "points",
        (POINT_ID, weight, *feature_columns),
        sort_by=("point_id",),
        description="One row for each distinct feature value of the day, in order of the first entities.",
    )
