-- Fills: nothing; one row: how many pairs of texts the segment join will measure, at most.
-- Reads: lengths
SELECT CAST(coalesce(sum(comparisons), 0) AS BIGINT) AS comparisons
FROM lengths
