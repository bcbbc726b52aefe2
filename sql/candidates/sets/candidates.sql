-- Fills: candidates(point_a, point_b, distance) for sets and a threshold below 1.
-- Reads: sets, hot_sets, prefixes
-- Parameters: :threshold; :hot_rank, the lowest rank of a hot token; :share. And of candidates/sets/prefixes.sql, see below:
-- :ratio, :reach, :widest, :bands
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
--   (4) o >= ratio * b, since o >= share * f(a, b) at the least a that (3) allows is just that (overlap: 0).
-- :reach is 1 / share and :widest is 1 / ratio, both at most 2^32, rounded to the nearest double: again far below the
-- factors. Sizes stay below 2^31, so the limit and least(2^32, ...) below take nothing from a pair.
-- Positions: order all tokens, here by `rank`; tokens of one point only come first, are never common and are
-- omitted, so positions count the tokens that are `held`, from 1.
-- Prefix and positional filter: let c be the first common token. Only c and the o - 1 others are at or after it, so
-- o <= left, the number held from c to the end, in A and in B. Only the match in c must satisfy this, so it is a
-- sharper filter than one that every match of a near pair passes. With (1) and (4) c lies in B, and in A as well, since
-- a <= b, before position held + 2 - max(1, ceil(ratio * size)): the prefix. Solved for the size of the partner, left >=
-- share * f(a, b) is
--   jaccard, dice: partner <= left * reach - size;  cosine: partner <= (left * reach)^2 / size;
--   overlap: in B partner <= left * reach, in A that very bound on its own size.
-- Whole numbers, so the floor of the right side is taken once a row, `reach`, and not once a match. A takes the lower
-- of it and size * widest, which is (3), as `most`; a row that cannot reach its own size is not offered.
-- Of two sets of one size the one with the lower id plays A, so each pair is met in one direction only.
-- Bands: sizes fall into bands, floor(bands * ln(size)). The logarithms of two whole numbers below 2^31 lie 2^-31 or
-- more apart, far more than their rounding, so bands do not fall as sizes grow: a partner from size to `most` is in a
-- band from that of size to that of `most`. A is offered to each of these, at most 6 as :bands is 4 / ln(widest), so
-- tokens match within a band only.
-- Bitmap filter: each held token sets one bit. A bit that only one of the sets has comes from at least one token that
-- only this set has, other bits from other tokens, so held of A + held of B - 2o >= popcount(bits of A xor bits of B).
--
-- Hot tokens, held by many points, are the last ones in the order. If c is not hot, the pair is met as above, in
-- tokens that are not hot. If c is hot, all o common tokens are hot, so the hot tokens alone satisfy (2), and
-- o as well as the distance are the same for all points with these sizes and hot tokens: the same filters, applied to
-- the hot part of each set, run over classes of such points (`is_hot`), and a near pair of classes
-- represents pairs of points that are all near. In the hot part, the last possible position of c is as far from the
-- end as in the whole set, so the prefixes end where (4) says, counted from the end. A pair found by its hot tokens
-- may share other tokens too; then it is even nearer, it is also met by its first common token, and the lower
-- distance, that of all common tokens, is kept.
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
WITH offering AS (
    SELECT
        item,
        size,
        held,
        bits,
        rank,
        most,
        sequence(band, last_band) AS bands
    FROM prefixes
    WHERE last_band IS NOT NULL
),
offered AS (
    SELECT
        offering.item,
        offering.size,
        offering.held,
        offering.bits,
        offering.rank,
        offering.most,
        t.band
    FROM offering
    CROSS JOIN UNNEST(offering.bands) AS t (band)
),
met AS (
    SELECT DISTINCT
        a.item AS smaller,
        b.item AS larger,
        a.rank >= :hot_rank AS is_hot
    FROM offered AS a
    JOIN prefixes AS b ON b.rank = a.rank AND b.band = a.band
    WHERE
        a.size <= b.size
        AND b.size <= a.most
        AND a.size <= b.reach
        AND (a.size <> b.size OR a.item < b.item OR (a.rank >= :hot_rank AND a.item = b.item))
        AND a.held + b.held - bit_count(bitwise_xor(a.bits, b.bits), 64) >= 2 * {{ enough('a.size', 'b.size') }}
),
shown AS (
    {% for table, condition in [('sets', 'NOT met.is_hot'), ('hot_sets', 'met.is_hot')] %}
    {{ 'UNION ALL' if loop.index0 }}
    SELECT
        met.smaller,
        met.larger,
        met.is_hot,
        a.size AS smaller_size,
        b.size AS larger_size,
        cardinality(array_intersect(a.ranks, b.ranks)) AS common
    FROM met
    JOIN {{ table }} AS a ON a.point_id = met.smaller
    JOIN {{ table }} AS b ON b.point_id = met.larger
    WHERE {{ condition }}
    {% endfor %}
),
measured AS (
    SELECT
        smaller,
        larger,
        is_hot,
        {{ distance('smaller_size', 'larger_size', 'common') }} AS distance
    FROM shown
),
near AS (
    SELECT
        smaller,
        larger,
        is_hot,
        distance
    FROM measured
    WHERE distance <= :threshold
),
found AS (
    SELECT
        smaller,
        larger,
        distance
    FROM near
    WHERE NOT is_hot
    UNION ALL
    SELECT
        a.point_id AS smaller,
        b.point_id AS larger,
        near.distance
    FROM near
    JOIN hot_sets AS a ON a.class = near.smaller
    JOIN hot_sets AS b ON b.class = near.larger
    WHERE near.is_hot AND (near.smaller <> near.larger OR a.point_id < b.point_id)
)
SELECT
    CAST(CASE WHEN smaller < larger THEN smaller ELSE larger END AS BIGINT) AS point_a,
    CAST(CASE WHEN smaller < larger THEN larger ELSE smaller END AS BIGINT) AS point_b,
    CAST(min(distance) AS DOUBLE) AS distance
FROM found
GROUP BY 1, 2
