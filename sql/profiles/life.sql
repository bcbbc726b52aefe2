-- Fills: nothing; the names of one id by day.
-- Reads: names (of several days)
-- Parameters: :stable_id
SELECT DISTINCT
    CAST(last_seen AS VARCHAR) AS day,
    CAST(name AS VARCHAR) AS name
FROM names
WHERE stable_id = :stable_id
ORDER BY day, name
