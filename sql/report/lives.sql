-- Fills: nothing; the days of the largest identities, and how many identities there are in all.
-- Reads: lineage (of several days)
-- Parameters: :most (identities to tell)
-- The window runs over one row an identity.
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
JOIN ranked ON ranked.stable_id = lineage.stable_id
CROSS JOIN living
WHERE ranked.place <= :most
ORDER BY lineage.day, lineage.stable_id
