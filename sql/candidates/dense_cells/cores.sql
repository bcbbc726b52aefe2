-- Fills: cores(point_id), one row for each core point of the day.
-- Reads: core_points
SELECT CAST(point_id AS BIGINT) AS point_id
FROM core_points
