-- Fills: nothing; one row: uri, the first file with a given text in the time column.
-- Reads: raw
-- Parameters: :time (the text of a row), :text
SELECT CAST(min("$path") AS VARCHAR) AS uri
FROM raw
WHERE :time = :text
