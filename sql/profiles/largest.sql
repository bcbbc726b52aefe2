-- Fills: nothing; the largest clusters of a day, largest first.
-- Reads: profiles
-- Parameters: :most (number of clusters)
-- The window has one row per cluster.
WITH ranked AS (
    SELECT
        cluster,
        stable_id,
        name,
        entities,
        share,
        first_seen,
        row_number() OVER (PARTITION BY cluster = -1 ORDER BY entities DESC, cluster) AS place
    FROM profiles
    WHERE cluster >= 0
)
SELECT
    CAST(name AS VARCHAR) AS name,
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(cluster AS BIGINT) AS cluster,
    CAST(entities AS BIGINT) AS entities,
    CAST(share AS DOUBLE) AS share,
    CAST(first_seen AS VARCHAR) AS first_seen
FROM ranked
WHERE place <= :most
ORDER BY place
