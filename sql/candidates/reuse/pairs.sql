-- Fills: candidates(point_a, point_b, distance) of two kept points: the pairs of a former day by the ids of this one;
-- with blocks, scratch kept_pairs(point_a, point_b, distance, block), block being that of the lower id.
-- Reads: kept, former_candidates
-- Parameters: with blocks :size, the number of ids per block; :first and :last, the ids of this statement
WITH numbered AS (
    SELECT
        CASE WHEN a.point_id < b.point_id THEN a.point_id ELSE b.point_id END AS point_a,
        CASE WHEN a.point_id < b.point_id THEN b.point_id ELSE a.point_id END AS point_b,
        near.distance
    FROM former_candidates AS near
    JOIN kept AS a ON a.former_id = near.point_a
    JOIN kept AS b ON b.former_id = near.point_b
)
SELECT
    CAST(point_a AS BIGINT) AS point_a,
    CAST(point_b AS BIGINT) AS point_b,
    CAST(distance AS DOUBLE) AS distance
    {% if has_blocks %}
    , CAST(point_a / :size AS BIGINT) AS block
    {% endif %}
FROM numbered
{% if has_blocks %}
WHERE point_a BETWEEN :first AND :last
{% endif %}
