-- Fills: nothing; one row: at most how many token matches the join of sets will see, from token counts alone.
-- Reads: sets, hot_sets
-- Parameters: :hot_rank, :ratio, :reach, :widest, :bands as in candidates/sets.sql
-- A bound, not the number: tokens and bands of sizes are counted, the filters of single matches are left out of it, a
-- pair may match in several tokens, and hot tokens are counted by points, although the join compares classes of them.
-- Every near pair is counted once or more.
{% macro within(value) -%}
CAST(least(DOUBLE '4294967296', floor({{ value }})) AS BIGINT)
{%- endmacro %}
{% macro band(size) -%}
CAST(floor(:bands * ln(CAST({{ size }} AS DOUBLE))) AS BIGINT)
{%- endmacro %}
{% macro prefixes(offered, asked, table, rare) -%}
{{ asked }}_sets AS (
    SELECT
        size,
        ranks,
        {{ 'filter(' if rare }}slice(
            ranks, 1, CAST(greatest(
                DOUBLE '0', cardinality(ranks) + 1 - greatest(DOUBLE '1', ceil(:ratio * size))
            ) AS BIGINT)
        ){{ ', r -> r < :hot_rank)' if rare }} AS prefix
    FROM {{ table }}
),
{{ asked }}_tokens AS (
    SELECT
        {{ asked }}_sets.size,
        t.rank,
        cardinality({{ asked }}_sets.ranks) + 1 - array_position({{ asked }}_sets.prefix, t.rank) AS left_over
    FROM {{ asked }}_sets
    CROSS JOIN UNNEST({{ asked }}_sets.prefix) AS t (rank)
),
{{ asked }} AS (
    SELECT
        size,
        rank,
        {% if metric in ('jaccard', 'dice') -%}
        {{ within(':reach * left_over') }} - size
        {%- elif metric == 'overlap' -%}
        {{ within(':reach * left_over') }}
        {%- else -%}
        {{ within('(:reach * left_over) * (:reach * left_over) / size') }}
        {%- endif %} AS reach,
        {{ band('size') }} AS band
    FROM {{ asked }}_tokens
),
{{ offered }}_most AS (
    SELECT
        rank,
        band,
        {{ within(':widest * size') if metric == 'overlap' else 'least(reach, ' + within(':widest * size') + ')' }} AS most
    FROM {{ asked }}
    WHERE reach >= size
),
{{ offered }}_bands AS (
    SELECT
        rank,
        sequence(band, {{ band('most') }}) AS bands
    FROM {{ offered }}_most
),
{{ offered }} AS (
    SELECT
        {{ offered }}_bands.rank,
        t.band
    FROM {{ offered }}_bands
    CROSS JOIN UNNEST({{ offered }}_bands.bands) AS t (band)
)
{%- endmacro %}
WITH {{ prefixes('offered', 'asked', 'sets', true) }},
{{ prefixes('hot_offered', 'hot_asked', 'hot_sets', false) }},
all_offered AS (
    SELECT
        rank,
        band
    FROM offered
    UNION ALL
    SELECT
        rank,
        band
    FROM hot_offered
),
all_asked AS (
    SELECT
        rank,
        band
    FROM asked
    UNION ALL
    SELECT
        rank,
        band
    FROM hot_asked
),
counts AS (
    SELECT
        rank,
        band,
        count(*) AS points
    FROM all_asked
    GROUP BY rank, band
)
SELECT CAST(coalesce(sum(counts.points), 0) AS BIGINT) AS comparisons
FROM all_offered
JOIN counts ON counts.rank = all_offered.rank AND counts.band = all_offered.band
