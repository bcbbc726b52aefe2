-- Fills: the part `listed` of other statements: one row for each valid entity and dimension.
-- Reads: features
-- Parameters: :is_valid
-- One array per entity, so that 500 dimensions cost no more than 500 numbers.
WITH valid AS (
    SELECT
        ARRAY[{% for k in range(dimensions) %}{{ ', ' if k else '' }}x{{ k }}{% endfor %}] AS numbers
    FROM features
    WHERE :is_valid
)
SELECT
    CAST(t.place - 1 AS BIGINT) AS dimension,
    CAST(valid.numbers[t.place] AS DOUBLE) AS value
FROM valid
CROSS JOIN UNNEST(sequence(1, {{ dimensions }})) AS t (place)
