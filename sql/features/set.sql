-- Fills: features(entity, tokens), one row for each entity of the day.
-- Reads: raw
-- Parameters: :is_of_day, :entity, :value (one member of the set, from one row)
-- The set is sorted by code point and holds neither nulls nor repetitions; it is null when nothing is left.
WITH shown AS (
    SELECT
        CAST(:entity AS VARCHAR) AS entity,
        CAST(:value AS VARCHAR) AS token
    FROM raw
    WHERE :is_of_day AND :entity IS NOT NULL
    GROUP BY 1, 2
)
SELECT
    CAST(entity AS VARCHAR) AS entity,
    CAST(array_sort(array_agg(token) FILTER (WHERE token IS NOT NULL)) AS ARRAY(VARCHAR)) AS tokens
FROM shown
GROUP BY entity
