-- Fills: scratch prefixes(item, points, size, held, bits, rank, reach, band, most, last_band): the tokens by which a set
-- may meet another one.
-- Reads: sets, hot_sets
-- Parameters: :ratio, :reach, :widest, :bands as in candidates/sets/candidates.sql
-- An item is a point with the tokens of its prefix that are not hot, or a class of `points` points with its hot ones; the
-- rank decides. A partner of equal or larger size has at most `most` tokens and a band up to `last_band`, which are null
-- if there can be none; a partner of equal or smaller size has at most `reach`.
{% macro within(value) -%}
CAST(least(DOUBLE '4294967296', floor({{ value }})) AS BIGINT)
{%- endmacro %}
{% macro band(size) -%}
CAST(floor(:bands * ln(CAST({{ size }} AS DOUBLE))) AS BIGINT)
{%- endmacro %}
{% set length -%}
CAST(greatest(DOUBLE '0', cardinality(ranks) + 1 - greatest(DOUBLE '1', ceil(:ratio * size))) AS BIGINT)
{%- endset %}
WITH classes AS (
    SELECT
        class,
        count(*) AS points
    FROM hot_sets
    GROUP BY class
),
entries AS (
    SELECT
        point_id AS item,
        1 AS points,
        size,
        cardinality(ranks) AS held,
        bits,
        slice(ranks, 1, least(rare, {{ length }})) AS prefix
    FROM sets
    UNION ALL
    SELECT
        classes.class AS item,
        classes.points,
        hot_sets.size,
        cardinality(hot_sets.ranks) AS held,
        hot_sets.bits,
        slice(hot_sets.ranks, 1, {{ length }}) AS prefix
    FROM classes
    JOIN hot_sets ON hot_sets.point_id = classes.class
),
listed AS (
    SELECT
        entries.item,
        entries.points,
        entries.size,
        entries.held,
        entries.bits,
        t.rank,
        entries.held + 1 - array_position(entries.prefix, t.rank) AS left_over
    FROM entries
    CROSS JOIN UNNEST(entries.prefix) AS t (rank)
),
reaching AS (
    SELECT
        item,
        points,
        size,
        held,
        bits,
        rank,
        {% if metric in ('jaccard', 'dice') -%}
        {{ within(':reach * left_over') }} - size
        {%- elif metric == 'overlap' -%}
        {{ within(':reach * left_over') }}
        {%- else -%}
        {{ within('(:reach * left_over) * (:reach * left_over) / size') }}
        {%- endif %} AS reach
    FROM listed
),
bounded AS (
    SELECT
        item,
        points,
        size,
        held,
        bits,
        rank,
        reach,
        CASE
            WHEN reach >= size
                THEN {{ within(':widest * size') if metric == 'overlap' else 'least(reach, ' + within(':widest * size') + ')' }}
        END AS most
    FROM reaching
)
SELECT
    CAST(item AS BIGINT) AS item,
    CAST(points AS BIGINT) AS points,
    CAST(size AS BIGINT) AS size,
    CAST(held AS BIGINT) AS held,
    CAST(bits AS BIGINT) AS bits,
    CAST(rank AS BIGINT) AS rank,
    CAST(reach AS BIGINT) AS reach,
    CAST({{ band('size') }} AS BIGINT) AS band,
    CAST(most AS BIGINT) AS most,
    CAST(CASE WHEN most >= 1 THEN {{ band('most') }} END AS BIGINT) AS last_band
FROM bounded
