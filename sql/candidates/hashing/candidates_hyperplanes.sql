-- Fills: candidates(point_a, point_b, distance): most pairs of embeddings within a cosine threshold.
-- Reads: units, bands
-- Parameters: :threshold
-- Proof that no pair is lost: there is none, this rule is approximate. A pair at the angle a is found with probability
-- 1 - (1 - s^r)^t for t bands of r planes, s = 1 - a / pi. The distances are exact: those of
-- candidates/grid/candidates_cosine.sql. Whether a pair is found depends only on its two embeddings.
WITH met AS (
    {% include "candidates/hashing/met.jinja" %}

),
multiplied AS (
    SELECT
        met.point_a,
        met.point_b,
        reduce(
            transform(sequence(1, cardinality(a.embedding)), k -> a.embedding[k] * b.embedding[k]),
            DOUBLE '0',
            (total, x) -> total + x,
            total -> total
        ) AS product
    FROM met
    JOIN units AS a ON a.point_id = met.point_a
    JOIN units AS b ON b.point_id = met.point_b
),
measured AS (
    SELECT
        point_a,
        point_b,
        CASE WHEN product >= 1 THEN DOUBLE '0' WHEN product <= -1 THEN DOUBLE '2' ELSE 1 - product END AS distance
    FROM multiplied
)
SELECT
    CAST(point_a AS BIGINT) AS point_a,
    CAST(point_b AS BIGINT) AS point_b,
    CAST(distance AS DOUBLE) AS distance
FROM measured
WHERE distance <= :threshold
