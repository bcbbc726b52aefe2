-- Fills: features(entity, x0, x1, ...), one row for each entity of the day, not yet scaled.
-- Reads: raw
-- Parameters: :is_of_day, :entity, :x0, :x1, ... (one aggregate for each dimension)
-- order-sensitive: an average adds up floating-point numbers
WITH measured AS (
    SELECT
        CAST(:entity AS VARCHAR) AS entity
        {% for k in range(dimensions) %}
        , CAST(:x{{ k }} AS DOUBLE) AS x{{ k }}
        {% endfor %}
    FROM raw
    WHERE :is_of_day AND :entity IS NOT NULL
    GROUP BY 1
)
-- Minus zero becomes zero, so that equal numbers have equal bits.
SELECT
    CAST(entity AS VARCHAR) AS entity
    {% for k in range(dimensions) %}
    , CAST(CASE WHEN x{{ k }} = 0 THEN 0 ELSE x{{ k }} END AS DOUBLE) AS x{{ k }}
    {% endfor %}
FROM measured
