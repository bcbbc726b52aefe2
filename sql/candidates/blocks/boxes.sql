-- Fills: scratch boxes(block, points, low0, high0, ...): the extent of a block's home points on each axis.
-- Reads: points
-- Parameters: :home, the number of a point's home block: nested CASEs over its coordinates
WITH homes AS (
    SELECT
        :home AS block
        {% for name in columns %}
        , {{ name }}
        {% endfor %}
    FROM points
)
SELECT
    CAST(block AS BIGINT) AS block,
    CAST(count(*) AS BIGINT) AS points
    {% for name in columns %}
    , CAST(min({{ name }}) AS DOUBLE) AS low{{ loop.index0 }}
    , CAST(max({{ name }}) AS DOUBLE) AS high{{ loop.index0 }}
    {% endfor %}
FROM homes
GROUP BY block
