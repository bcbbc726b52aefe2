-- Fills: scratch sketched(point_id, weight, component, <feature columns>): a sample of the points.
-- Reads: points
-- Parameters: :step, :kept (about :kept of :step points are sampled)
-- The choice depends only on the point id. All points are of one component.
SELECT
    CAST(point_id AS BIGINT) AS point_id,
    CAST(weight AS BIGINT) AS weight,
    CAST(0 AS BIGINT) AS component
    {% for name in columns %}
    , {{ name }}
    {% endfor %}
FROM points
WHERE point_id * 48271 % 2147483647 % :step < :kept
