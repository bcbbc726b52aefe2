-- Fills: nothing; one row: an upper bound of the pairs of texts that the segment join will measure.
-- Reads: lengths
SELECT CAST(coalesce(sum(comparisons), 0) AS BIGINT) AS comparisons
FROM lengths
