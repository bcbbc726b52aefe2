-- Fills: nothing; all that the names of some clusters depend on: one row for each of their best features, or one row
-- if a cluster has none, and one row for each name of a cluster that does not exist today, with a null cluster.
-- Reads: lineage, clusters, medoids, cluster_features, before (the table `names` of an earlier day)
-- Parameters: :first, :last (numbers of clusters), :most (ranks of features), :oldest (first day that is remembered)
WITH living AS (
    SELECT cluster, stable_id
    FROM lineage
    WHERE cluster IS NOT NULL
),
middles AS (
    SELECT
        medoids.cluster,
        min(clusters.entity) AS entity
    FROM medoids
    JOIN clusters ON clusters.point_id = medoids.point_id
    WHERE medoids.rank = 0 AND medoids.cluster BETWEEN :first AND :last
    GROUP BY medoids.cluster
),
features AS (
    SELECT cluster, kind, rank, feature, value, share, day_share, zscore, latitude, longitude, radius_m
    FROM cluster_features
    WHERE rank <= :most AND cluster BETWEEN :first AND :last
),
remembered AS (
    SELECT
        before.stable_id,
        before.name,
        before.basis,
        before.last_seen,
        places.cluster AS seen_in
    FROM before
    LEFT JOIN clusters AS places ON places.entity = before.entity
),
named AS (
    SELECT
        living.cluster,
        coalesce(living.stable_id, remembered.stable_id) AS stable_id,
        remembered.name,
        remembered.basis,
        remembered.seen_in
    FROM living
    FULL OUTER JOIN remembered ON remembered.stable_id = living.stable_id
    WHERE living.cluster BETWEEN :first AND :last
        OR (living.cluster IS NULL AND remembered.last_seen >= :oldest AND :first = 0)
)
SELECT
    CAST(named.cluster AS BIGINT) AS cluster,
    CAST(named.stable_id AS VARCHAR) AS stable_id,
    CAST(named.name AS VARCHAR) AS name,
    CAST(named.basis AS VARCHAR) AS basis,
    CAST(named.seen_in AS BIGINT) AS seen_in,
    CAST(middles.entity AS VARCHAR) AS medoid,
    CAST(features.kind AS VARCHAR) AS kind,
    CAST(features.rank AS BIGINT) AS rank,
    CAST(features.feature AS VARCHAR) AS feature,
    CAST(features.value AS VARCHAR) AS value,
    CAST(features.share AS DOUBLE) AS share,
    CAST(features.day_share AS DOUBLE) AS day_share,
    CAST(features.zscore AS DOUBLE) AS zscore,
    CAST(features.latitude AS DOUBLE) AS latitude,
    CAST(features.longitude AS DOUBLE) AS longitude,
    CAST(features.radius_m AS DOUBLE) AS radius_m
FROM named
LEFT JOIN middles ON middles.cluster = named.cluster
LEFT JOIN features ON features.cluster = named.cluster
ORDER BY named.cluster, named.stable_id, features.kind, features.rank
