-- Fills: tokens(point_id, token, position, size): the sets of the points, rarest token first.
-- Reads: points
-- Positions count from 1. Tokens are ordered by (points that have it, token): any one order would do for the prefix
-- filter; this one puts tokens that few points have into the prefixes.
WITH shown AS (
    SELECT
        points.point_id,
        t.token,
        cardinality(points.tokens) AS size
    FROM points
    CROSS JOIN UNNEST(points.tokens) AS t (token)
),
frequencies AS (
    SELECT
        token,
        count(*) AS frequency
    FROM shown
    GROUP BY token
)
SELECT
    CAST(shown.point_id AS BIGINT) AS point_id,
    CAST(shown.token AS VARCHAR) AS token,
    CAST(
        row_number() OVER (PARTITION BY shown.point_id ORDER BY frequencies.frequency, shown.token) AS BIGINT
    ) AS position,
    CAST(shown.size AS BIGINT) AS size
FROM shown
JOIN frequencies ON frequencies.token = shown.token
