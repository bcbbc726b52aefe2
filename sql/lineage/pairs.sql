-- Fills: pairs(cluster, entities, stable_id, previous_day, previous_cluster, previous_entities, shared, jaccard, kept, share, similarity, evidence),
-- one row for each pair of a known cluster and a cluster of the day that share an entity or a feature value.
-- Reads: shared_entities, shared_features, known
-- Parameters: :match, :similar
-- kept: of the known cluster's entities that occur today, the share in today's cluster.
-- share: of today's cluster's entities that occurred on that day, the share in the known cluster.
-- evidence: why today's cluster may inherit the known id; null if it may not.
WITH days AS (
    SELECT day, days_back
    FROM shared_entities
    WHERE days_back > 0
    GROUP BY day, days_back
),
remembered AS (
    SELECT known.stable_id, known.last_seen, days.days_back, known.cluster, known.entities
    FROM known
    JOIN days ON days.day = known.last_seen
),
sizes AS (
    SELECT cluster, shared AS entities
    FROM shared_entities
    WHERE days_back = 0 AND previous_cluster = cluster AND cluster >= 0
),
returned AS (
    SELECT days_back, previous_cluster, sum(shared) AS entities
    FROM shared_entities
    GROUP BY days_back, previous_cluster
),
familiar AS (
    SELECT days_back, cluster, sum(shared) AS entities
    FROM shared_entities
    GROUP BY days_back, cluster
),
by_entities AS (
    SELECT days_back, previous_cluster, cluster, shared
    FROM shared_entities
    WHERE days_back > 0 AND previous_cluster >= 0 AND cluster >= 0
),
touching AS (
    SELECT
        coalesce(by_entities.days_back, shared_features.days_back) AS days_back,
        coalesce(by_entities.previous_cluster, shared_features.previous_cluster) AS previous_cluster,
        coalesce(by_entities.cluster, shared_features.cluster) AS cluster,
        coalesce(by_entities.shared, 0) AS shared,
        coalesce(shared_features.similarity, DOUBLE '0') AS similarity
    FROM by_entities
    FULL OUTER JOIN shared_features
        ON shared_features.days_back = by_entities.days_back
        AND shared_features.previous_cluster = by_entities.previous_cluster
        AND shared_features.cluster = by_entities.cluster
),
measured AS (
    SELECT
        touching.cluster,
        sizes.entities,
        remembered.stable_id,
        remembered.last_seen AS previous_day,
        touching.previous_cluster,
        remembered.entities AS previous_entities,
        touching.shared,
        CAST(touching.shared AS DOUBLE)
        / CAST(sizes.entities + remembered.entities - touching.shared AS DOUBLE) AS jaccard,
        CAST(touching.shared AS DOUBLE) / CAST(coalesce(returned.entities, 1) AS DOUBLE) AS kept,
        CAST(touching.shared AS DOUBLE) / CAST(coalesce(familiar.entities, 1) AS DOUBLE) AS share,
        touching.similarity
    FROM touching
    JOIN remembered
        ON remembered.days_back = touching.days_back AND remembered.cluster = touching.previous_cluster
    JOIN sizes ON sizes.cluster = touching.cluster
    LEFT JOIN returned
        ON returned.days_back = touching.days_back
        AND returned.previous_cluster = touching.previous_cluster
    LEFT JOIN familiar
        ON familiar.days_back = touching.days_back AND familiar.cluster = touching.cluster
)
SELECT
    CAST(cluster AS BIGINT) AS cluster,
    CAST(entities AS BIGINT) AS entities,
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(previous_day AS VARCHAR) AS previous_day,
    CAST(previous_cluster AS BIGINT) AS previous_cluster,
    CAST(previous_entities AS BIGINT) AS previous_entities,
    CAST(shared AS BIGINT) AS shared,
    CAST(jaccard AS DOUBLE) AS jaccard,
    CAST(kept AS DOUBLE) AS kept,
    CAST(share AS DOUBLE) AS share,
    CAST(similarity AS DOUBLE) AS similarity,
    CAST(
        CASE
            WHEN kept >= :match OR share >= :match THEN 'entities'
            WHEN similarity >= :similar THEN 'features'
        END AS VARCHAR
    ) AS evidence
FROM measured
