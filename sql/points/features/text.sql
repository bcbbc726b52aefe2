-- Fills: features(entity, text), one row for each entity of the day.
-- Reads: raw
-- Parameters: :is_of_day, :entity, :text (an aggregate)
-- order-sensitive: an aggregate may add up floating-point numbers
SELECT
    CAST(:entity AS VARCHAR) AS entity,
    CAST(:text AS VARCHAR) AS text
FROM raw
WHERE :is_of_day AND :entity IS NOT NULL
GROUP BY 1
