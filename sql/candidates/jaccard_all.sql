-- Fills: candidates(point_a, point_b, distance) for the Jaccard threshold 1.
-- Reads: points, tokens
-- Proof that no pair is lost: every distance is at most 1, so every pair of points is near, and every pair is made.
-- A pair without a common token is not in `overlaps`; its distance is 1.
WITH overlaps AS (
    SELECT
        a.point_id AS point_a,
        b.point_id AS point_b,
        count(*) AS common
    FROM tokens AS a
    JOIN tokens AS b ON b.token = a.token
    WHERE a.point_id < b.point_id
    GROUP BY a.point_id, b.point_id
),
pairs AS (
    SELECT
        a.point_id AS point_a,
        b.point_id AS point_b,
        cardinality(a.tokens) + cardinality(b.tokens) AS both
    FROM points AS a
    JOIN points AS b ON a.point_id < b.point_id
),
counted AS (
    SELECT
        pairs.point_a,
        pairs.point_b,
        pairs.both,
        coalesce(overlaps.common, 0) AS common
    FROM pairs
    LEFT JOIN overlaps ON overlaps.point_a = pairs.point_a AND overlaps.point_b = pairs.point_b
)
SELECT
    CAST(point_a AS BIGINT) AS point_a,
    CAST(point_b AS BIGINT) AS point_b,
    CAST(CAST(both - 2 * common AS DOUBLE) / CAST(both - common AS DOUBLE) AS DOUBLE) AS distance
FROM counted
