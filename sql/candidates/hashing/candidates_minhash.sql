-- Fills: candidates(point_a, point_b, distance): most pairs of sets within a Jaccard threshold.
-- Reads: points, bands
-- Parameters: :threshold
-- Proof that no pair is lost: there is none, this rule is approximate. A pair of similarity s is found with probability
-- 1 - (1 - s^r)^t for t bands of r minima (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4).
-- The distances are exact: those of candidates/sets/candidates.sql. Whether a pair is found depends only on its two sets.
WITH met AS (
    {% include "candidates/hashing/met.jinja" %}

),
overlaps AS (
    SELECT
        met.point_a,
        met.point_b,
        cardinality(a.tokens) + cardinality(b.tokens) AS both,
        cardinality(array_intersect(a.tokens, b.tokens)) AS common
    FROM met
    JOIN points AS a ON a.point_id = met.point_a
    JOIN points AS b ON b.point_id = met.point_b
),
measured AS (
    SELECT
        point_a,
        point_b,
        CAST(both - 2 * common AS DOUBLE) / CAST(both - common AS DOUBLE) AS distance
    FROM overlaps
)
SELECT
    CAST(point_a AS BIGINT) AS point_a,
    CAST(point_b AS BIGINT) AS point_b,
    CAST(distance AS DOUBLE) AS distance
FROM measured
WHERE distance <= :threshold
