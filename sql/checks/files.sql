-- Fills: nothing; one row per source file with rows: their number, on all days.
-- Reads: raw
-- "$path" is Athena's hidden column with the URI of the row's file.
SELECT
    CAST("$path" AS VARCHAR) AS uri,
    CAST(count(*) AS BIGINT) AS "rows"
FROM raw
GROUP BY "$path"
