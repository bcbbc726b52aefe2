-- Fills: nothing; one row: the number of pairs of points.
-- Reads: points
SELECT CAST(count(*) * (count(*) - 1) / 2 AS BIGINT) AS comparisons
FROM points
