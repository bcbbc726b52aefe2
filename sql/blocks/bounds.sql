-- Fills: nothing; one row: how many points there are, their largest id, and how many dimensions they have.
-- Reads: points
SELECT
    CAST(count(*) AS BIGINT) AS points,
    CAST(max(point_id) AS BIGINT) AS last_id,
    CAST({{ 'max(cardinality(' ~ columns[0] ~ '))' if is_array else columns | length }} AS BIGINT) AS dimensions
FROM points
