-- Fills: nothing; the coordinates of every k-th point, k = :every, few enough to cut in memory.
-- Reads: points
-- Parameters: :every
SELECT
    CAST(point_id AS BIGINT) AS point_id
    {% for name in columns %}
    , CAST({{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
FROM points
WHERE point_id % :every = 0
