-- Fills: nothing; one row for each setting that two days have: min_samples, level, entities, together, today, before.
-- Reads: labels, members, labels_before, members_before
-- entities: that both days have. The other numbers count ordered pairs of these entities: those in one cluster on
-- both days, in one cluster today, and in one cluster before. Noise is in no cluster.
WITH common AS (
    SELECT
        members.point_id AS point_today,
        members_before.point_id AS point_before
    FROM members
    JOIN members_before ON members_before.entity = members.entity
),
moved AS (
    SELECT point_today, point_before, count(*) AS entities
    FROM common
    GROUP BY point_today, point_before
),
cells AS (
    SELECT
        labels.min_samples,
        labels.level,
        labels.cluster,
        labels_before.cluster AS cluster_before,
        sum(moved.entities) AS entities
    FROM moved
    JOIN labels ON labels.point_id = moved.point_today
    JOIN labels_before
        ON labels_before.point_id = moved.point_before
        AND labels_before.min_samples = labels.min_samples
        AND labels_before.level = labels.level
    GROUP BY labels.min_samples, labels.level, labels.cluster, labels_before.cluster
),
clusters_today AS (
    SELECT min_samples, level, cluster, sum(entities) AS entities
    FROM cells
    GROUP BY min_samples, level, cluster
),
clusters_before AS (
    SELECT min_samples, level, cluster_before, sum(entities) AS entities
    FROM cells
    GROUP BY min_samples, level, cluster_before
),
counts AS (
    SELECT
        min_samples, level, entities,
        CASE WHEN cluster >= 0 AND cluster_before >= 0 THEN entities * (entities - 1) ELSE 0 END AS together,
        0 AS today,
        0 AS before
    FROM cells
    UNION ALL
    SELECT min_samples, level, 0, 0, CASE WHEN cluster >= 0 THEN entities * (entities - 1) ELSE 0 END, 0
    FROM clusters_today
    UNION ALL
    SELECT min_samples, level, 0, 0, 0, CASE WHEN cluster_before >= 0 THEN entities * (entities - 1) ELSE 0 END
    FROM clusters_before
)
SELECT
    CAST(min_samples AS BIGINT) AS min_samples,
    CAST(level AS BIGINT) AS level,
    CAST(sum(entities) AS BIGINT) AS entities,
    CAST(sum(together) AS BIGINT) AS together,
    CAST(sum(today) AS BIGINT) AS today,
    CAST(sum(before) AS BIGINT) AS before
FROM counts
GROUP BY min_samples, level
ORDER BY min_samples, level
