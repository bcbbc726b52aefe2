-- Fills: nothing; the values of at least a twentieth of a cluster's entities, most frequent first.
-- Reads: points, clusters
-- Parameters: :is_shown (condition on the cluster: the clusters in the picture)
WITH labelled AS (
    SELECT
        point_id,
        min(cluster) AS cluster,
        count(*) AS entities
    FROM clusters
    GROUP BY point_id
),
sizes AS (
    SELECT
        cluster,
        sum(entities) AS entities
    FROM labelled
    WHERE :is_shown
    GROUP BY cluster
),
shown AS (
    SELECT
        labelled.cluster,
        tokens.token,
        sum(labelled.entities) AS entities
    FROM labelled
    JOIN points ON points.point_id = labelled.point_id
    CROSS JOIN UNNEST(points.tokens) AS tokens (token)
    WHERE :is_shown
    GROUP BY labelled.cluster, tokens.token
)
SELECT
    CAST(shown.cluster AS BIGINT) AS cluster,
    CAST(shown.token AS VARCHAR) AS token,
    CAST(CAST(shown.entities AS DOUBLE) / CAST(sizes.entities AS DOUBLE) AS DOUBLE) AS share
FROM shown
JOIN sizes ON sizes.cluster = shown.cluster
WHERE shown.entities * 20 >= sizes.entities
ORDER BY shown.cluster, shown.entities DESC, shown.token
