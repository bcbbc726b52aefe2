-- Fills: nothing; one row: at most how many token matches the join of sets will see, from token counts alone.
-- Reads: sets, hot_sets
-- Parameters: :hot_rank, :share, :own, :ratio as in candidates/sets.sql
-- A bound, not the number: bitmaps and point ids are left out of it, a pair may match in several tokens, and hot
-- tokens are counted by points, although the join compares classes of them. Every near pair is counted once or more.
{% macro enough(a, b) -%}
{% if metric in ('jaccard', 'dice') -%}
:share * ({{ a }} + {{ b }})
{%- elif metric == 'overlap' -%}
:share * {{ a }}
{%- else -%}
:share * sqrt(CAST({{ a }} AS DOUBLE) * CAST({{ b }} AS DOUBLE))
{%- endif %}
{%- endmacro %}
{% macro prefixes(name, table, bound, rare) -%}
{{ name }}_sets AS (
    SELECT
        size,
        cardinality(ranks) AS held,
        {{ 'filter(' if rare }}slice(
            ranks, 1, CAST(greatest(
                DOUBLE '0', cardinality(ranks) + 1 - greatest(DOUBLE '1', ceil({{ bound }} * size))
            ) AS BIGINT)
        ){{ ', r -> r < :hot_rank)' if rare }} AS prefix
    FROM {{ table }}
),
{{ name }} AS (
    SELECT
        {{ name }}_sets.size,
        {{ name }}_sets.held,
        t.rank,
        array_position({{ name }}_sets.prefix, t.rank) AS position
    FROM {{ name }}_sets
    CROSS JOIN UNNEST({{ name }}_sets.prefix) AS t (rank)
)
{%- endmacro %}
{% macro counted(bound) -%}
{{ prefixes('rare_' + bound, 'sets', ':' + bound, true) }},
{{ prefixes('hot_' + bound, 'hot_sets', ':' + bound, false) }},
all_{{ bound }} AS (
    SELECT
        rank,
        size,
        held,
        position
    FROM rare_{{ bound }}
    UNION ALL
    SELECT
        rank,
        size,
        held,
        position
    FROM hot_{{ bound }}
),
by_{{ bound }} AS (
    SELECT
        rank,
        size,
        held,
        position,
        count(*) AS points
    FROM all_{{ bound }}
    GROUP BY rank, size, held, position
)
{%- endmacro %}
WITH {{ counted('own') }},
{{ counted('ratio') }}
SELECT CAST(coalesce(sum(a.points * b.points), 0) AS BIGINT) AS comparisons
FROM by_own AS a
JOIN by_ratio AS b ON b.rank = a.rank
WHERE
    a.size <= b.size
    AND a.size >= :ratio * b.size
    AND CASE WHEN a.position < b.position THEN a.position ELSE b.position END
    + CASE WHEN a.held - a.position < b.held - b.position THEN a.held - a.position ELSE b.held - b.position END
    >= {{ enough('a.size', 'b.size') }}
