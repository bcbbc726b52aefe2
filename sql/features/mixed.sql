-- Fills: features(entity, <feature columns>), one row for each entity of the day.
-- Reads: raw
-- Parameters: :is_of_day, :entity, :value0, :value1, ... (an aggregate for each column, or one member of a set)
-- order-sensitive: an average adds up floating-point numbers
-- Sets are sorted by code point and hold neither nulls nor repetitions; a set is null when nothing is left.
-- Minus zero becomes zero, so that equal numbers have equal bits.
WITH measured AS (
    SELECT
        CAST(:entity AS VARCHAR) AS entity
        {% for name, type in columns %}
        {% if type == 'array(varchar)' %}
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
    {% if type == 'array(varchar)' %}
    , CAST(array_sort(value{{ loop.index0 }}) AS ARRAY(VARCHAR)) AS "{{ name }}"
    {% elif type == 'double' %}
    , CAST(CASE WHEN value{{ loop.index0 }} = 0 THEN 0 ELSE value{{ loop.index0 }} END AS DOUBLE) AS "{{ name }}"
    {% else %}
    , CAST(value{{ loop.index0 }} AS {{ type }}) AS "{{ name }}"
    {% endif %}
    {% endfor %}
FROM measured
