-- Fills: features(entity, latitude, longitude) in degrees, one row for each entity of the day.
-- Reads: raw
-- Parameters: :is_of_day, :entity, :latitude, :longitude (aggregates)
-- order-sensitive: an average adds up floating-point numbers
WITH measured AS (
    SELECT
        CAST(:entity AS VARCHAR) AS entity,
        CAST(:latitude AS DOUBLE) AS latitude,
        CAST(:longitude AS DOUBLE) AS longitude
    FROM raw
    WHERE :is_of_day AND :entity IS NOT NULL
    GROUP BY 1
)
-- Minus zero becomes zero, so that equal numbers have equal bits.
SELECT
    CAST(entity AS VARCHAR) AS entity,
    CAST(CASE WHEN latitude = 0 THEN 0 ELSE latitude END AS DOUBLE) AS latitude,
    CAST(CASE WHEN longitude = 0 THEN 0 ELSE longitude END AS DOUBLE) AS longitude
FROM measured
