-- Fills: nothing; one row with the numbers of kept and omitted tokens of the day.
-- Reads: frequencies
SELECT
    CAST(count(CASE WHEN is_kept THEN 1 END) AS BIGINT) AS kept,
    CAST(count(CASE WHEN NOT is_kept THEN 1 END) AS BIGINT) AS dropped
FROM frequencies
