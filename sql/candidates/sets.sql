-- Fills: candidates(point_a, point_b, distance) for sets and a threshold below 1.
-- Reads: sets, hot_sets
-- Parameters: :threshold; :hot_rank, the lowest rank of a hot token; :share, :own and :ratio, see below
--
-- Sources: the prefix, size and positional filters are those of PPJoin (Xiao, Wang, Lin, Yu, WWW 2008); the bitmap
-- filter is that of Sandes, Teodoro, Melo, "Bitmap filter" (Information Systems 88, 2020). Hot tokens are our own.
--
-- Let A and B be sets of a <= b tokens, o of them common. Distances, in doubles, as scipy computes them:
--   jaccard (a + b - 2o) / (a + b - o);  dice (a + b - 2o) / (a + b);  overlap (a - o) / a;  cosine 1 - o / sqrt(ab).
--
-- Proof that no pair is lost. Sizes and their products are exact in doubles. jaccard, dice and overlap round once, a
-- relative 2^-53; cosine rounds the root, the quotient and the difference, together below 2^-51. So a pair whose
-- distance in doubles is at most :threshold has a similarity, as a real number, of at least 1 - threshold - 2^-50. The
-- caller takes s = (1 - threshold - 2^-50) * (1 - 2^-40), not below 0, with exact fractions, and makes of it, rounded
-- down after another factor 1 - 2^-40, the three bounds below. The factors are far above the rounding of the few
-- products here (2^-53 each), so every comparison below may be read as one of real numbers. For a near pair
--   (1) o >= 1: without a common token the distance is 1, above the threshold;
--   (2) o >= share * f(a, b):
--       jaccard s / (1 + s) * (a + b);  dice s / 2 * (a + b);  overlap s * a;  cosine s * sqrt(ab);
--   (3) a >= ratio * b, which is (2) with o <= a solved for a:  jaccard s;  dice s / (2 - s);  overlap 0;  cosine s^2;
--   (4) o >= own * a, which is (2) at b = a, the least b:  jaccard 2s / (1 + s);  dice, overlap, cosine s;
--   (5) o >= ratio * b, since o >= share * f(a, b) at the least a that (3) allows is just that (overlap: 0).
-- Size filter: (3). Positions: order all tokens in one way, here by `rank`; tokens of one point only come first, are
-- never common and are left out, so positions count the tokens that are `held`, from 1.
-- Prefix filter: let c be the first common token. The o - 1 others come after it in both sets, so its position in a
-- set is at most held - o + 1. With (1), (4) and (5) the pair meets in c when A, the smaller one, offers its tokens up
-- to position held + 1 - max(1, ceil(own * a)) and B asks for those up to held + 1 - max(1, ceil(ratio * b)). Of two
-- sets of one size the one with the lower id plays A, so each pair is met in one direction only.
-- Positional filter: when A and B share the token at positions p and q, o is at most min(p, q) + min(held of A - p,
-- held of B - q): what is common stands before it, is it, or stands after it. Below (2) the pair cannot be near.
-- Bitmap filter: each held token sets one bit. A bit that only one of the sets has stands for at least one token that
-- only this set has, other bits for other tokens, so held of A + held of B - 2o >= popcount(bits of A xor bits of B).
--
-- Hot tokens, held by many points, are the last ones in the order. If c is not hot, the pair is met as above, in
-- tokens that are not hot (`met`). If c is hot, all o common tokens are hot, so the hot tokens alone satisfy (2), and
-- o as well as the distance are the same for all points with these sizes and hot tokens: the same filters, applied to
-- the hot part of each set, run over classes of such points (`hot_met`), and a pair of classes that is near stands
-- for pairs of points that are all near. In the hot part the last position at which c may stand is as far from the
-- end as in the whole set, so the prefixes are as long as (4) and (5) say, counted from the end. A pair found by its
-- hot tokens may share other tokens too; then it is near all the more, it is met by its first common token as well,
-- and the lower distance, that of all common tokens, is kept.
{% macro enough(a, b) -%}
{% if metric in ('jaccard', 'dice') -%}
:share * ({{ a }} + {{ b }})
{%- elif metric == 'overlap' -%}
:share * {{ a }}
{%- else -%}
:share * sqrt(CAST({{ a }} AS DOUBLE) * CAST({{ b }} AS DOUBLE))
{%- endif %}
{%- endmacro %}
{% macro distance(a, b, o) -%}
{% if metric == 'jaccard' -%}
CAST({{ a }} + {{ b }} - 2 * {{ o }} AS DOUBLE) / CAST({{ a }} + {{ b }} - {{ o }} AS DOUBLE)
{%- elif metric == 'dice' -%}
CAST({{ a }} + {{ b }} - 2 * {{ o }} AS DOUBLE) / CAST({{ a }} + {{ b }} AS DOUBLE)
{%- elif metric == 'overlap' -%}
CAST({{ a }} - {{ o }} AS DOUBLE) / CAST({{ a }} AS DOUBLE)
{%- else -%}
DOUBLE '1' - CAST({{ o }} AS DOUBLE) / sqrt(CAST({{ a }} AS DOUBLE) * CAST({{ b }} AS DOUBLE))
{%- endif %}
{%- endmacro %}
{% macro prefixes(name, table, id, bound, rare) -%}
{{ name }}_sets AS (
    SELECT
        {{ id }} AS item,
        size,
        cardinality(ranks) AS held,
        bits,
        {{ 'filter(' if rare }}slice(
            ranks, 1, CAST(greatest(
                DOUBLE '0', cardinality(ranks) + 1 - greatest(DOUBLE '1', ceil({{ bound }} * size))
            ) AS BIGINT)
        ){{ ', r -> r < :hot_rank)' if rare }} AS prefix
    FROM {{ table }}
),
{{ name }} AS (
    SELECT
        {{ name }}_sets.item,
        {{ name }}_sets.size,
        {{ name }}_sets.held,
        {{ name }}_sets.bits,
        t.rank,
        array_position({{ name }}_sets.prefix, t.rank) AS position
    FROM {{ name }}_sets
    CROSS JOIN UNNEST({{ name }}_sets.prefix) AS t (rank)
)
{%- endmacro %}
{% macro meetings(offered, asked, before) -%}
SELECT DISTINCT
        a.item AS smaller,
        b.item AS larger
    FROM {{ offered }} AS a
    JOIN {{ asked }} AS b ON b.rank = a.rank
    WHERE
        a.size <= b.size
        AND a.size >= :ratio * b.size
        AND a.held + b.held - bit_count(bitwise_xor(a.bits, b.bits), 64) >= 2 * {{ enough('a.size', 'b.size') }}
        AND (a.size <> b.size OR a.item {{ before }} b.item)
        AND CASE WHEN a.position < b.position THEN a.position ELSE b.position END
        + CASE WHEN a.held - a.position < b.held - b.position THEN a.held - a.position ELSE b.held - b.position END
        >= {{ enough('a.size', 'b.size') }}
{%- endmacro %}
WITH {{ prefixes('offered', 'sets', 'point_id', ':own', true) }},
{{ prefixes('asked', 'sets', 'point_id', ':ratio', true) }},
met AS (
    {{ meetings('offered', 'asked', '<') }}
),
met_sizes AS (
    SELECT
        met.smaller,
        met.larger,
        a.size AS smaller_size,
        b.size AS larger_size,
        cardinality(array_intersect(a.ranks, b.ranks)) AS common
    FROM met
    JOIN sets AS a ON a.point_id = met.smaller
    JOIN sets AS b ON b.point_id = met.larger
),
measured AS (
    SELECT
        smaller,
        larger,
        {{ distance('smaller_size', 'larger_size', 'common') }} AS distance
    FROM met_sizes
),
classes AS (
    SELECT
        class,
        size,
        bits,
        ranks
    FROM hot_sets
    WHERE point_id = class
),
{{ prefixes('hot_offered', 'classes', 'class', ':own', false) }},
{{ prefixes('hot_asked', 'classes', 'class', ':ratio', false) }},
hot_met AS (
    {{ meetings('hot_offered', 'hot_asked', '<=') }}
),
hot_sizes AS (
    SELECT
        hot_met.smaller,
        hot_met.larger,
        a.size AS smaller_size,
        b.size AS larger_size,
        cardinality(array_intersect(a.ranks, b.ranks)) AS common
    FROM hot_met
    JOIN classes AS a ON a.class = hot_met.smaller
    JOIN classes AS b ON b.class = hot_met.larger
),
hot_measured AS (
    SELECT
        smaller,
        larger,
        {{ distance('smaller_size', 'larger_size', 'common') }} AS distance
    FROM hot_sizes
),
found AS (
    SELECT
        smaller,
        larger,
        distance
    FROM measured
    WHERE distance <= :threshold
    UNION ALL
    SELECT
        a.point_id AS smaller,
        b.point_id AS larger,
        hot_measured.distance
    FROM hot_measured
    JOIN hot_sets AS a ON a.class = hot_measured.smaller
    JOIN hot_sets AS b ON b.class = hot_measured.larger
    WHERE
        hot_measured.distance <= :threshold
        AND (hot_measured.smaller <> hot_measured.larger OR a.point_id < b.point_id)
)
SELECT
    CAST(CASE WHEN smaller < larger THEN smaller ELSE larger END AS BIGINT) AS point_a,
    CAST(CASE WHEN smaller < larger THEN larger ELSE smaller END AS BIGINT) AS point_b,
    CAST(min(distance) AS DOUBLE) AS distance
FROM found
GROUP BY 1, 2
