-- Fills: nothing; from whom one id split off or was merged, and who split off from it or took it in, on all days.
-- Reads: overlaps
-- Parameters: :stable_id
SELECT
    CAST(day AS VARCHAR) AS day,
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(previous_stable_id AS VARCHAR) AS previous_stable_id
FROM overlaps
WHERE relation IN ('split', 'merge') AND (stable_id = :stable_id OR previous_stable_id = :stable_id)
