-- Fills: candidates(point_a, point_b, distance) for sets and the threshold 1.
-- Reads: points, sets
-- Distances as in candidates/sets/candidates.sql, with the sizes a <= b and o common tokens.
-- Proof that no pair is lost: every distance is at most 1, so every pair of points is near, and every pair is made.
-- Tokens that one point holds are never common; a point with no others is not in `sets`.
WITH held AS (
    SELECT
        points.point_id,
        cardinality(points.tokens) AS size,
        coalesce(sets.bits, 0) AS bits,
        sets.ranks
    FROM points
    LEFT JOIN sets ON sets.point_id = points.point_id
),
pairs AS (
    SELECT
        a.point_id AS point_a,
        b.point_id AS point_b,
        CASE WHEN a.size < b.size THEN a.size ELSE b.size END AS smaller,
        CASE WHEN a.size < b.size THEN b.size ELSE a.size END AS larger,
        CASE
            WHEN bitwise_and(a.bits, b.bits) = 0 THEN 0
            ELSE cardinality(array_intersect(a.ranks, b.ranks))
        END AS common
    FROM held AS a
    JOIN held AS b ON a.point_id < b.point_id
)
SELECT
    CAST(point_a AS BIGINT) AS point_a,
    CAST(point_b AS BIGINT) AS point_b,
    CAST(
        {% if metric == 'jaccard' %}
        CAST(smaller + larger - 2 * common AS DOUBLE) / CAST(smaller + larger - common AS DOUBLE)
        {% elif metric == 'dice' %}
        CAST(smaller + larger - 2 * common AS DOUBLE) / CAST(smaller + larger AS DOUBLE)
        {% elif metric == 'overlap' %}
        CAST(smaller - common AS DOUBLE) / CAST(smaller AS DOUBLE)
        {% else %}
        DOUBLE '1' - CAST(common AS DOUBLE) / sqrt(CAST(smaller AS DOUBLE) * CAST(larger AS DOUBLE))
        {% endif %}
        AS DOUBLE
    ) AS distance
FROM pairs
