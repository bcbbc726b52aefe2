-- Fills: nothing; the features that distinguish the largest clusters of a day.
-- Reads: profiles, cluster_features
-- Parameters: :most (number of clusters), :best (features per kind)
-- The window has one row per cluster.
WITH ranked AS (
    SELECT
        cluster,
        row_number() OVER (PARTITION BY cluster = -1 ORDER BY entities DESC, cluster) AS place
    FROM profiles
)
SELECT
    CAST(cluster_features.cluster AS BIGINT) AS cluster,
    CAST(cluster_features.kind AS VARCHAR) AS kind,
    CAST(cluster_features.feature AS VARCHAR) AS feature,
    CAST(cluster_features.value AS VARCHAR) AS value,
    CAST(cluster_features.share AS DOUBLE) AS share,
    CAST(cluster_features.lift AS DOUBLE) AS lift,
    CAST(cluster_features.mean AS DOUBLE) AS mean,
    CAST(cluster_features.day_mean AS DOUBLE) AS day_mean,
    CAST(cluster_features.zscore AS DOUBLE) AS zscore,
    CAST(cluster_features.latitude AS DOUBLE) AS latitude,
    CAST(cluster_features.longitude AS DOUBLE) AS longitude,
    CAST(cluster_features.radius_m AS DOUBLE) AS radius_m
FROM cluster_features
JOIN ranked ON ranked.cluster = cluster_features.cluster
WHERE ranked.place <= :most AND cluster_features.rank <= :best AND ranked.cluster >= 0
ORDER BY cluster_features.cluster, cluster_features.kind, cluster_features.rank
