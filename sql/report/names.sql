-- Fills: nothing; the names of some stable ids.
-- Reads: names
-- Parameters: :is_shown (condition on the stable id)
SELECT
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(name AS VARCHAR) AS name
FROM names
WHERE :is_shown
ORDER BY stable_id
