-- Fills: nothing; one row about the source rows of a day: the numbers of rows, of rows without entity, and of entities.
-- Reads: raw
-- Parameters: :is_of_day (condition of the day and of raw.where), :entity
SELECT
    CAST(count(*) AS BIGINT) AS "rows",
    CAST(count(CASE WHEN :entity IS NULL THEN 1 END) AS BIGINT) AS null_entities,
    CAST(count(DISTINCT CAST(:entity AS VARCHAR)) AS BIGINT) AS entities
FROM raw
WHERE :is_of_day
