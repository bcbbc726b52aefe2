-- Fills: scales(dimension, entities, center, spread): the lowest value of each dimension and its range.
-- Reads: features
-- Parameters: :is_valid, :narrowest (a smaller range counts as constant and becomes 1, as in scikit-learn)
WITH listed AS (
    {% include 'points/scales/listed.sql' %}
),
ranges AS (
    SELECT
        dimension,
        count(*) AS entities,
        min(value) AS low,
        max(value) - min(value) AS width
    FROM listed
    GROUP BY dimension
)
SELECT
    CAST(dimension AS BIGINT) AS dimension,
    CAST(entities AS BIGINT) AS entities,
    CAST(low AS DOUBLE) AS center,
    CAST(CASE WHEN width < :narrowest THEN DOUBLE '1' ELSE width END AS DOUBLE) AS spread
FROM ranges
