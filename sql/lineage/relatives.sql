-- Fills: nothing; the ids that an id split off from or merged with, and those that split off from it or absorbed it.
-- Reads: overlaps
-- Parameters: :stable_id
SELECT
    CAST(day AS VARCHAR) AS day,
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(previous_stable_id AS VARCHAR) AS previous_stable_id
FROM overlaps
WHERE relation IN ('split', 'merge') AND (stable_id = :stable_id OR previous_stable_id = :stable_id)
