-- Fills: nothing; one row: the number of points, their largest id, and the number of dimensions.
-- Reads: points
SELECT
    CAST(count(*) AS BIGINT) AS points,
    CAST(max(point_id) AS BIGINT) AS last_id,
    CAST({{ 'max(cardinality(' ~ columns[0] ~ '))' if is_array else columns | length }} AS BIGINT) AS dimensions
FROM points
