-- Fills: known(stable_id, last_seen, cluster, entities, first_seen), the input of the next day: one row for each id that lives or may reappear.
-- Reads: shared_entities, lineage, known
-- Parameters: :gap_days
-- It reads `known` of the day before.
WITH today AS (
    SELECT max(day) AS day
    FROM shared_entities
    WHERE days_back = 0
),
living AS (
    SELECT stable_id, last_seen, cluster, entities, first_seen
    FROM lineage
    WHERE cluster IS NOT NULL
),
states AS (
    SELECT stable_id, last_seen, cluster, entities, first_seen
    FROM living
    UNION ALL
    SELECT known.stable_id, known.last_seen, known.cluster, known.entities, known.first_seen
    FROM known
    CROSS JOIN today
    LEFT JOIN living ON living.stable_id = known.stable_id
    WHERE living.stable_id IS NULL
        AND date_diff('day', CAST(known.last_seen AS DATE), CAST(today.day AS DATE)) < :gap_days
)
SELECT
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(last_seen AS VARCHAR) AS last_seen,
    CAST(cluster AS BIGINT) AS cluster,
    CAST(entities AS BIGINT) AS entities,
    CAST(first_seen AS VARCHAR) AS first_seen
FROM states
