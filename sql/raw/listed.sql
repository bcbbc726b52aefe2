-- Fills: nothing; the rows of `files`, which are few, in order.
-- Reads: files
SELECT
    CAST(uri AS VARCHAR) AS uri,
    CAST("rows" AS BIGINT) AS "rows",
    CAST(null_entities AS BIGINT) AS null_entities
FROM files
ORDER BY uri
