-- Fills: nothing; one row for each of the largest clusters of a day, and one for noise (cluster -1), largest first.
-- Reads: profiles, lineage
-- Parameters: :most (number of clusters)
-- The window has one row per cluster.
WITH ranked AS (
    SELECT
        cluster,
        stable_id,
        name,
        first_seen,
        entities,
        points,
        core_entities,
        share,
        medoid,
        cohesion,
        separation,
        row_number() OVER (PARTITION BY cluster = -1 ORDER BY entities DESC, cluster) AS place
    FROM profiles
)
SELECT
    CAST(ranked.cluster AS BIGINT) AS cluster,
    CAST(ranked.stable_id AS VARCHAR) AS stable_id,
    CAST(ranked.name AS VARCHAR) AS name,
    CAST(ranked.first_seen AS VARCHAR) AS first_seen,
    CAST(ranked.entities AS BIGINT) AS entities,
    CAST(ranked.points AS BIGINT) AS points,
    CAST(ranked.core_entities AS BIGINT) AS core_entities,
    CAST(ranked.share AS DOUBLE) AS share,
    CAST(ranked.medoid AS VARCHAR) AS medoid,
    CAST(ranked.cohesion AS DOUBLE) AS cohesion,
    CAST(ranked.separation AS DOUBLE) AS separation,
    CAST(lineage.event AS VARCHAR) AS event,
    CAST(lineage.previous_entities AS BIGINT) AS previous_entities
FROM ranked
LEFT JOIN lineage ON lineage.cluster = ranked.cluster
WHERE ranked.place <= :most
ORDER BY ranked.entities DESC, ranked.cluster
