-- Fills: nothing; one row about the labels and roles of clusters, and about its entities compared with members.
-- Reads: clusters, members
-- unmatched: entities of one table that the other one lacks or has on another point.
WITH matched AS (
    SELECT
        clusters.entity AS clustered,
        members.entity AS member,
        clusters.point_id AS clustered_point,
        members.point_id AS member_point
    FROM clusters
    FULL OUTER JOIN members ON members.entity = clusters.entity
),
of_entities AS (
    SELECT
        count(
            CASE WHEN clustered IS NULL OR member IS NULL OR clustered_point <> member_point THEN 1 END
        ) AS unmatched
    FROM matched
),
of_rows AS (
    SELECT
        count(*) AS "rows",
        count(DISTINCT entity) AS entities,
        count(CASE WHEN role IS NULL OR role NOT IN ({% for role in roles %}{{ ', ' if not loop.first else '' }}'{{ role }}'{% endfor %}) THEN 1 END) AS strange_roles,
        count(CASE WHEN cluster IS NULL OR cluster < -1 OR (cluster = -1) <> (role = 'noise') THEN 1 END) AS wrong_noise
    FROM clusters
),
labels AS (
    SELECT
        cluster,
        count(CASE WHEN role = 'core' THEN 1 END) AS cores
    FROM clusters
    WHERE cluster >= 0
    GROUP BY cluster
),
of_labels AS (
    SELECT
        count(*) AS labels,
        min(cluster) AS lowest,
        max(cluster) AS highest,
        count(CASE WHEN cores = 0 THEN 1 END) AS coreless
    FROM labels
),
by_point AS (
    SELECT
        point_id,
        min(cluster) AS lowest,
        max(cluster) AS highest
    FROM clusters
    GROUP BY point_id
),
of_points AS (
    SELECT count(CASE WHEN lowest <> highest THEN 1 END) AS torn_points
    FROM by_point
)
SELECT
    CAST(of_rows."rows" AS BIGINT) AS "rows",
    CAST(of_rows.entities AS BIGINT) AS entities,
    CAST(of_entities.unmatched AS BIGINT) AS unmatched,
    CAST(of_rows.strange_roles AS BIGINT) AS strange_roles,
    CAST(of_rows.wrong_noise AS BIGINT) AS wrong_noise,
    CAST(of_labels.labels AS BIGINT) AS labels,
    CAST(of_labels.lowest AS BIGINT) AS lowest,
    CAST(of_labels.highest AS BIGINT) AS highest,
    CAST(of_labels.coreless AS BIGINT) AS coreless,
    CAST(of_points.torn_points AS BIGINT) AS torn_points
FROM of_rows
CROSS JOIN of_entities
CROSS JOIN of_labels
CROSS JOIN of_points
