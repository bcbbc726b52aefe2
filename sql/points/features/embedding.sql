-- Fills: features(entity, embedding), one row for each entity of the day.
-- Reads: raw
-- Parameters: :is_of_day, :entity, :embedding (an aggregate that returns an array of numbers)
-- order-sensitive: an aggregate may add up floating-point numbers
-- Embeddings of another length than the day's become empty, because vectors of different lengths have no distance.
-- The day's length is the most frequent one, and the longest of several.
WITH shown AS (
    SELECT
        CAST(:entity AS VARCHAR) AS entity,
        CAST(:embedding AS ARRAY(DOUBLE)) AS embedding
    FROM raw
    WHERE :is_of_day AND :entity IS NOT NULL
    GROUP BY 1
),
votes AS (
    SELECT
        cardinality(embedding) AS length,
        count(*) AS entities
    FROM shown
    WHERE cardinality(embedding) > 0
    GROUP BY cardinality(embedding)
),
elected AS (
    SELECT max(entities * 1000000 + length) % 1000000 AS length
    FROM votes
)
-- Minus zero becomes zero, so that equal numbers have equal bits; values that are not numbers become NaN.
SELECT
    CAST(shown.entity AS VARCHAR) AS entity,
    CAST(
        CASE
            WHEN cardinality(shown.embedding) = elected.length THEN
                transform(
                    shown.embedding,
                    x -> CASE WHEN x = 0 THEN DOUBLE '0' ELSE coalesce(x, CAST('NaN' AS DOUBLE)) END
                )
            WHEN shown.embedding IS NOT NULL THEN CAST(ARRAY[] AS ARRAY(DOUBLE))
        END AS ARRAY(DOUBLE)
    ) AS embedding
FROM shown
CROSS JOIN elected
