-- Fills: points(point_id, weight, <feature columns>), one row for each distinct feature value of the day.
-- Reads: features
-- Parameters: :is_valid
-- Point ids count from 0 in the order of each point's first entity, by code point.
-- No window spans the day, because a single Trino node would have to sort it: ids are counted within ranges of
-- entities with the same prefix (three characters longer than the common prefix of all entities), and start where
-- the earlier ranges end. A prefix keeps the order of code points, so the ranges are in order. The common prefix of
-- all entities is that of the first and the last one.
WITH distinct_values AS (
    SELECT
        {% for name in columns %}
        {{ name }},
        {% endfor %}
        min(entity) AS first_entity,
        count(*) AS weight
    FROM features
    WHERE :is_valid
    GROUP BY {{ columns | join(', ') }}
),
ends AS (
    SELECT
        min(first_entity) AS lowest,
        max(first_entity) AS highest
    FROM distinct_values
),
prefixes AS (
    SELECT coalesce(max(t.characters), 0) + 3 AS characters
    FROM ends
    CROSS JOIN UNNEST(sequence(1, 250)) AS t (characters)
    WHERE substr(ends.lowest, 1, t.characters) = substr(ends.highest, 1, t.characters)
),
ranged AS (
    SELECT
        {% for name in columns %}
        distinct_values.{{ name }},
        {% endfor %}
        distinct_values.first_entity,
        distinct_values.weight,
        substr(distinct_values.first_entity, 1, prefixes.characters) AS prefix
    FROM distinct_values
    CROSS JOIN prefixes
),
sizes AS (
    SELECT
        prefix,
        count(*) AS points
    FROM ranged
    GROUP BY prefix
),
starts AS (
    SELECT
        prefix,
        sum(points) OVER (ORDER BY prefix) - points AS first_id
    FROM sizes
)
SELECT
    CAST(
        starts.first_id + row_number() OVER (PARTITION BY ranged.prefix ORDER BY ranged.first_entity) - 1 AS BIGINT
    ) AS point_id,
    CAST(ranged.weight AS BIGINT) AS weight
    {% for name in columns %}
    , CAST(ranged.{{ name }} AS {{ types[loop.index0] }}) AS {{ name }}
    {% endfor %}
FROM ranged
JOIN starts ON starts.prefix = ranged.prefix
