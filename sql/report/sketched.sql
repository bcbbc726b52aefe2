-- Fills: scratch sketched(point_id, weight, component, <feature columns>): a sample of the points with their cluster.
-- Reads: points, clusters
-- Parameters: :step, :kept (about :kept of :step points are sampled)
-- The choice depends only on the point id, as in sampled.sql.
WITH labelled AS (
    SELECT
        point_id,
        min(cluster) AS cluster
    FROM clusters
    WHERE point_id * 48271 % 2147483647 % :step < :kept
    GROUP BY point_id
)
SELECT
    CAST(points.point_id AS BIGINT) AS point_id,
    CAST(points.weight AS BIGINT) AS weight,
    CAST(labelled.cluster AS BIGINT) AS component
    {% for name in columns %}
    , points.{{ name }}
    {% endfor %}
FROM points
JOIN labelled ON labelled.point_id = points.point_id
