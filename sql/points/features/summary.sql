-- Fills: nothing; one row with the number of entities of the day, and of those without a defined distance.
-- Reads: features
-- Parameters: one condition for each reason; an entity counts for the first true one.
WITH judged AS (
    SELECT
        CASE
            {% for reason in reasons %}
            WHEN :{{ reason }} THEN '{{ reason }}'
            {% endfor %}
            ELSE 'valid'
        END AS verdict
    FROM features
)
SELECT
    CAST(count(*) AS BIGINT) AS entities,
    CAST(count(CASE WHEN verdict = 'valid' THEN 1 END) AS BIGINT) AS valid
    {% for reason in reasons %}
    , CAST(count(CASE WHEN verdict = '{{ reason }}' THEN 1 END) AS BIGINT) AS {{ reason }}
    {% endfor %}
FROM judged
