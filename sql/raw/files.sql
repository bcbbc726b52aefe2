-- Fills: files(uri, rows, null_entities), one row for each file that holds rows of the day.
-- Reads: raw
-- Parameters: :is_of_day (condition of the day and of raw.where), :entity
-- "$path" is Athena's hidden column with the address of the file a row comes from.
SELECT
    CAST("$path" AS VARCHAR) AS uri,
    CAST(count(*) AS BIGINT) AS "rows",
    CAST(count(CASE WHEN :entity IS NULL THEN 1 END) AS BIGINT) AS null_entities
FROM raw
WHERE :is_of_day
GROUP BY "$path"
