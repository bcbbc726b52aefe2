-- Fills: nothing; one row: first_time, the earliest time of the source as text, null without rows.
-- Reads: raw
-- Parameters: :moment (a date, a timestamp, a number, or a text that begins with the day)
-- Engines print fractions of a second with up to nine digits; six are kept.
SELECT CAST(regexp_replace(CAST(min(:moment) AS VARCHAR), '(\.[0-9]{6})[0-9]+', '$1') AS VARCHAR) AS first_time
FROM raw
