-- Fills: nothing; one row: at most how many token matches the join of sets will see, from token counts alone.
-- Reads: prefixes
-- A bound, not the number: tokens and bands of sizes are counted, the filters of single matches are left out of it, a
-- pair may match in several tokens, and hot tokens are counted by points, although the join compares classes of them.
-- Every near pair is counted once or more.
WITH offering AS (
    SELECT
        rank,
        points,
        sequence(band, last_band) AS bands
    FROM prefixes
    WHERE last_band IS NOT NULL
),
offered AS (
    SELECT
        offering.rank,
        t.band,
        offering.points
    FROM offering
    CROSS JOIN UNNEST(offering.bands) AS t (band)
),
asked AS (
    SELECT
        rank,
        band,
        sum(points) AS points
    FROM prefixes
    GROUP BY rank, band
)
SELECT CAST(coalesce(sum(offered.points * asked.points), 0) AS BIGINT) AS comparisons
FROM offered
JOIN asked ON asked.rank = offered.rank AND asked.band = offered.band
