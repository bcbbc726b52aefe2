-- Fills: files(uri, rows, null_entities), one row for each file with rows of the day.
-- Reads: raw
-- Parameters: :is_read (condition of the day and of raw.where; also true for a time in another unit than
-- declared), :one (1; fails on such a time), :entity
-- "$path" is Athena's hidden column with the URI of the row's file.
SELECT
    CAST("$path" AS VARCHAR) AS uri,
    CAST(count(:one) AS BIGINT) AS "rows",
    CAST(count(CASE WHEN :entity IS NULL THEN 1 END) AS BIGINT) AS null_entities
FROM raw
WHERE :is_read
GROUP BY "$path"
