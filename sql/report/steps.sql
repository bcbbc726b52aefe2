-- Fills: nothing; a sample of the steps of a reachability plot in order, with the cluster of the point.
-- Reads: reachability, clusters
-- Parameters: :step (about every step-th point is sampled)
-- The choice depends only on the point id, as in sampled.sql. Without the alias, Trino takes `reachability.start` for a
-- field of the output column.
WITH labelled AS (
    SELECT
        point_id,
        min(cluster) AS cluster
    FROM clusters
    WHERE point_id * 48271 % 2147483647 % :step = 0
    GROUP BY point_id
)
SELECT
    CAST(steps.reachability AS DOUBLE) AS reachability,
    CAST(labelled.cluster AS BIGINT) AS cluster
FROM reachability AS steps
JOIN labelled ON labelled.point_id = steps.point_id
ORDER BY steps.start, steps.position
