-- Fills: nothing; one row that counts the tokens of a day that count and those that do not.
-- Reads: frequencies
SELECT
    CAST(count(CASE WHEN is_kept THEN 1 END) AS BIGINT) AS kept,
    CAST(count(CASE WHEN NOT is_kept THEN 1 END) AS BIGINT) AS dropped
FROM frequencies
