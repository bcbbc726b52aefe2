-- Fills: nothing; one row with the mean length of each list or text of the points, to estimate the cost of distances.
-- Reads: points
SELECT
    CAST(count(*) AS BIGINT) AS points
    {% for part in parts %}
    , CAST(
        CAST(sum({{ 'length' if part[1] else 'cardinality' }}(points."{{ part[0] }}")) AS DOUBLE)
        / CAST(count(*) AS DOUBLE) AS DOUBLE
    ) AS size{{ loop.index0 }}
    {% endfor %}
FROM points
