-- Fills: nothing; the events of the clusters of a day, the largest clusters of each event first.
-- Reads: lineage (of one day)
-- Parameters: :most (rows per event)
-- The window has one row per cluster.
WITH ranked AS (
    SELECT
        cluster,
        stable_id,
        event,
        entities,
        previous_entities,
        shared,
        jaccard,
        previous_day,
        first_seen,
        parent,
        successor,
        row_number() OVER (
            PARTITION BY event
            ORDER BY greatest(entities, previous_entities) DESC, stable_id
        ) AS place
    FROM lineage
)
SELECT
    CAST(cluster AS BIGINT) AS cluster,
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(event AS VARCHAR) AS event,
    CAST(entities AS BIGINT) AS entities,
    CAST(previous_entities AS BIGINT) AS previous_entities,
    CAST(shared AS BIGINT) AS shared,
    CAST(jaccard AS DOUBLE) AS jaccard,
    CAST(previous_day AS VARCHAR) AS previous_day,
    CAST(first_seen AS VARCHAR) AS first_seen,
    CAST(parent AS VARCHAR) AS parent,
    CAST(successor AS VARCHAR) AS successor
FROM ranked
WHERE place <= :most
ORDER BY event, place
