-- Fills: candidates(point_a, point_b, distance) for a Jaccard threshold below 1.
-- Reads: tokens
-- Parameters: :threshold; :similarity and :share, see below
--
-- Proof that no pair is lost. Let A and B be sets of a <= b tokens, o of them common, u = a + b - o in the union.
-- The test is fl((a + b - 2o) / u) <= threshold. Sizes are exact in doubles and a division is rounded once, so a near
-- pair has (u - o) / u <= threshold * (1 + 2^-53) as real numbers, that is o / u >= 1 - threshold - 2^-53. The caller
-- computes :similarity, s, with exact fractions as (1 - threshold - 2^-50) * (1 - 2^-40), not below 0, and
-- :share, h, as s / (1 + s) * (1 - 2^-40), rounded down. Hence for a near pair, with room for the rounding of each
-- product below (2^-53 relative each):
--   (1) o >= 1: a pair without a common token has distance 1, above the threshold;
--   (2) a >= o >= s * u >= s * b (size filter), and o >= s * b;
--   (3) o >= s * u = s * (a + b - o), so o >= h * (a + b) >= 2 * h * a.
-- Prefix filter: order all tokens in one way. Let c be the first common token. The o - 1 others come after it in both
-- sets, so c stands in A at a position <= a - o + 1 <= a - ceil(2ha) + 1 by (3), and in B at a position
-- <= b - o + 1 <= b - ceil(sb) + 1 by (2); with (1), ceil(...) may be raised to at least 1. So the pair meets in c when
-- A offers the first a - max(1, ceil(2ha)) + 1 tokens and B asks for the first b - max(1, ceil(sb)) + 1.
-- Positional filter: if A and B share the token at positions p and q, then o <= min(p, q) + min(a - p, b - q): what is
-- common stands before it, is it, or stands after it. With (3), pairs below h * (a + b) cannot be near.
-- Of two sets of one size the one with the lower point id plays A, so each pair is met in one direction only.
WITH offered AS (
    SELECT
        point_id,
        token,
        position,
        size
    FROM tokens
    WHERE position <= size + 1 - greatest(DOUBLE '1', ceil(2 * :share * size))
),
asked AS (
    SELECT
        point_id,
        token,
        position,
        size
    FROM tokens
    WHERE position <= size + 1 - greatest(DOUBLE '1', ceil(:similarity * size))
),
met AS (
    SELECT DISTINCT
        a.point_id AS smaller,
        b.point_id AS larger,
        a.size AS smaller_size,
        b.size AS larger_size
    FROM offered AS a
    JOIN asked AS b ON b.token = a.token
    WHERE
        (a.size < b.size OR (a.size = b.size AND a.point_id < b.point_id))
        AND a.size >= :similarity * b.size
        AND CASE WHEN a.position < b.position THEN a.position ELSE b.position END
        + CASE WHEN a.size - a.position < b.size - b.position THEN a.size - a.position ELSE b.size - b.position END
        >= :share * (a.size + b.size)
),
overlaps AS (
    SELECT
        met.smaller,
        met.larger,
        met.smaller_size + met.larger_size AS both,
        count(*) AS common
    FROM met
    JOIN tokens AS a ON a.point_id = met.smaller
    JOIN tokens AS b ON b.point_id = met.larger AND b.token = a.token
    GROUP BY met.smaller, met.larger, met.smaller_size + met.larger_size
),
measured AS (
    SELECT
        smaller,
        larger,
        CAST(both - 2 * common AS DOUBLE) / CAST(both - common AS DOUBLE) AS distance
    FROM overlaps
)
SELECT
    CAST(CASE WHEN smaller < larger THEN smaller ELSE larger END AS BIGINT) AS point_a,
    CAST(CASE WHEN smaller < larger THEN larger ELSE smaller END AS BIGINT) AS point_b,
    CAST(distance AS DOUBLE) AS distance
FROM measured
WHERE distance <= :threshold
