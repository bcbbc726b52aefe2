-- Fills: features(entity, tokens), one row for each entity of the day.
-- Reads: raw
-- Parameters: :is_of_day, :entity, :value (of one row: a member of the set, or with `lists` a list of members)
-- The set is sorted by code point, without nulls and duplicates; it is null if it has no members. A row whose list
-- is null or empty adds no member, but its entity is kept.
WITH shown AS (
    SELECT
        CAST(:entity AS VARCHAR) AS entity,
        CAST({{ 't.token' if lists else ':value' }} AS VARCHAR) AS token
    FROM raw
    {% if lists %}
    LEFT JOIN UNNEST(:value) AS t (token) ON TRUE
    {% endif %}
    WHERE :is_of_day AND :entity IS NOT NULL
    GROUP BY 1, 2
)
SELECT
    CAST(entity AS VARCHAR) AS entity,
    CAST(array_sort(array_agg(token) FILTER (WHERE token IS NOT NULL)) AS ARRAY(VARCHAR)) AS tokens
FROM shown
GROUP BY entity
