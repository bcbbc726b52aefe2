-- Fills: nothing; answers one row: first_day, the earliest day of the source as YYYY-MM-DD, null without rows.
-- Reads: raw.
-- Parameters: :moment, a date, a timestamp, or a text that begins with the day.
SELECT CAST(substr(CAST(min(:moment) AS VARCHAR), 1, 10) AS VARCHAR) AS first_day
FROM raw
