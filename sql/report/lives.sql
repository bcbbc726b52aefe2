-- Fills: nothing; the days of the largest ids, the ends of ids that merged into them, and the total number of ids.
-- Reads: lineage (of several days)
-- Parameters: :most (number of ids)
-- The window has one row per id.
WITH sizes AS (
    SELECT
        stable_id,
        sum(entities) AS entities
    FROM lineage
    GROUP BY stable_id
),
ranked AS (
    SELECT
        stable_id,
        row_number() OVER (PARTITION BY entities > 0 ORDER BY entities DESC, stable_id) AS place
    FROM sizes
    WHERE entities > 0
),
largest AS (
    SELECT stable_id
    FROM ranked
    WHERE place <= :most
),
living AS (
    SELECT count(*) AS identities
    FROM sizes
    WHERE entities > 0
)
SELECT
    CAST(lineage.day AS VARCHAR) AS "day",
    CAST(lineage.cluster AS BIGINT) AS cluster,
    CAST(lineage.stable_id AS VARCHAR) AS stable_id,
    CAST(lineage.event AS VARCHAR) AS event,
    CAST(lineage.entities AS BIGINT) AS entities,
    CAST(lineage.previous_day AS VARCHAR) AS previous_day,
    CAST(lineage.shared AS BIGINT) AS shared,
    CAST(lineage.first_seen AS VARCHAR) AS first_seen,
    CAST(lineage.parent AS VARCHAR) AS parent,
    CAST(lineage.successor AS VARCHAR) AS successor,
    CAST(living.identities AS BIGINT) AS identities
FROM lineage
CROSS JOIN living
LEFT JOIN largest ON largest.stable_id = lineage.stable_id
LEFT JOIN largest AS heirs ON heirs.stable_id = lineage.successor
WHERE largest.stable_id IS NOT NULL OR (lineage.event = 'died' AND heirs.stable_id IS NOT NULL)
ORDER BY lineage.day, lineage.stable_id
