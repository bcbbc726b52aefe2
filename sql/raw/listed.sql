-- Fills: nothing; the rows of `files`, sorted; they are few.
-- Reads: files
SELECT
    CAST(uri AS VARCHAR) AS uri,
    CAST("rows" AS BIGINT) AS "rows",
    CAST(null_entities AS BIGINT) AS null_entities
FROM files
ORDER BY uri
