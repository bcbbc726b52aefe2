-- Fills: nothing; one row: an upper bound of the token matches in the join of sets, from token counts only.
-- Reads: prefixes
-- It is a bound because it counts tokens and bands of sizes without the filters of single matches, a pair may match in
-- several tokens, and hot tokens are counted by points although the join compares classes. Every near pair is counted
-- at least once.
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
