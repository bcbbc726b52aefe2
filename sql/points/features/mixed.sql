-- Fills: features(entity, <feature columns>), one row for each entity of the day.
-- Reads: raw
-- Parameters: :is_of_day, :entity, :value0, :value1, ... (an aggregate for each column; for a set, a member,
-- or a list of members at the positions in `lists`)
-- order-sensitive: an average adds up floating-point numbers
-- Sets are sorted by code point, without nulls and duplicates; a set without members is null.
-- Minus zero becomes zero, so that equal numbers have equal bits.
WITH measured AS (
    SELECT
        CAST(:entity AS VARCHAR) AS entity
        {% for name, type in columns %}
        {% if loop.index0 in lists %}
        , flatten(
            array_agg(DISTINCT CAST(:value{{ loop.index0 }} AS ARRAY(VARCHAR)))
                FILTER (WHERE :value{{ loop.index0 }} IS NOT NULL)
        ) AS value{{ loop.index0 }}
        {% elif type == 'array(varchar)' %}
        , array_agg(DISTINCT CAST(:value{{ loop.index0 }} AS VARCHAR))
            FILTER (WHERE CAST(:value{{ loop.index0 }} AS VARCHAR) IS NOT NULL) AS value{{ loop.index0 }}
        {% else %}
        , CAST(:value{{ loop.index0 }} AS {{ type }}) AS value{{ loop.index0 }}
        {% endif %}
        {% endfor %}
    FROM raw
    WHERE :is_of_day AND :entity IS NOT NULL
    GROUP BY 1
)
SELECT
    CAST(entity AS VARCHAR) AS entity
    {% for name, type in columns %}
    {% if loop.index0 in lists %}
    , CAST(
        CASE WHEN cardinality(filter(value{{ loop.index0 }}, x -> x IS NOT NULL)) > 0
            THEN array_distinct(array_sort(filter(value{{ loop.index0 }}, x -> x IS NOT NULL)))
        END AS ARRAY(VARCHAR)
    ) AS "{{ name }}"
    {% elif type == 'array(varchar)' %}
    , CAST(array_sort(value{{ loop.index0 }}) AS ARRAY(VARCHAR)) AS "{{ name }}"
    {% elif type == 'double' %}
    , CAST(CASE WHEN value{{ loop.index0 }} = 0 THEN 0 ELSE value{{ loop.index0 }} END AS DOUBLE) AS "{{ name }}"
    {% else %}
    , CAST(value{{ loop.index0 }} AS {{ type }}) AS "{{ name }}"
    {% endif %}
    {% endfor %}
FROM measured
