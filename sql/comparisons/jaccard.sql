-- Fills: nothing; one row: at most how many token matches the Jaccard join will see, from token counts alone.
-- Reads: tokens
-- Parameters: :similarity, :share as in candidates/jaccard.sql
-- A bound, not the number: positions and point ids are left out of it, and a pair may match in several tokens.
WITH offered AS (
    SELECT
        token,
        size,
        count(*) AS points
    FROM tokens
    WHERE position <= size + 1 - greatest(DOUBLE '1', ceil(2 * :share * size))
    GROUP BY token, size
),
asked AS (
    SELECT
        token,
        size,
        count(*) AS points
    FROM tokens
    WHERE position <= size + 1 - greatest(DOUBLE '1', ceil(:similarity * size))
    GROUP BY token, size
)
SELECT CAST(coalesce(sum(a.points * b.points), 0) AS BIGINT) AS comparisons
FROM offered AS a
JOIN asked AS b ON b.token = a.token
WHERE a.size <= b.size AND a.size >= :similarity * b.size
