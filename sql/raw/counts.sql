-- Fills: nothing; one row about the source rows of a day, without copying them.
-- Reads: raw
-- Parameters: :is_read (condition of the day and of raw.where; also true for a time in another unit than
-- declared), :one (1; fails on such a time), :entity
SELECT
    CAST(count(:one) AS BIGINT) AS "rows",
    CAST(count(CASE WHEN :entity IS NULL THEN 1 END) AS BIGINT) AS null_entities
FROM raw
WHERE :is_read
