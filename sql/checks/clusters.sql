-- Fills: nothing; one row about the labels and roles of clusters, and whether its entities equal those of members.
-- Reads: clusters, members
-- strangers: 0 if both tables have the same rows of entity and point, by their number and an order-independent sum of
-- 64-bit hashes; else 1, and sql/checks/entities.sql finds the differences. It hashes one text, because Trino's hash of
-- a ROW is a sum over its fields and ignores which entity is on which point. Only points of several entities can be torn.
WITH of_rows AS (
    SELECT
        count(*) AS "rows",
        checksum(concat(CAST(point_id AS VARCHAR), ' ', entity)) AS hashes,
        count(CASE WHEN role IS NULL OR role NOT IN ({% for role in roles %}{{ ', ' if not loop.first else '' }}'{{ role }}'{% endfor %}) THEN 1 END) AS strange_roles,
        count(CASE WHEN cluster IS NULL OR cluster < -1 OR (cluster = -1) <> (role = 'noise') THEN 1 END) AS wrong_noise
    FROM clusters
),
of_members AS (
    SELECT
        count(*) AS "rows",
        checksum(concat(CAST(point_id AS VARCHAR), ' ', entity)) AS hashes
    FROM members
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
)
{% if has_shared_points %}
, by_point AS (
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
{% endif %}
SELECT
    CAST(of_rows."rows" AS BIGINT) AS "rows",
    CAST(
        CASE WHEN of_rows."rows" <> of_members."rows" OR of_rows.hashes <> of_members.hashes THEN 1 ELSE 0 END AS BIGINT
    ) AS strangers,
    CAST(of_rows.strange_roles AS BIGINT) AS strange_roles,
    CAST(of_rows.wrong_noise AS BIGINT) AS wrong_noise,
    CAST(of_labels.labels AS BIGINT) AS labels,
    CAST(of_labels.lowest AS BIGINT) AS lowest,
    CAST(of_labels.highest AS BIGINT) AS highest,
    CAST(of_labels.coreless AS BIGINT) AS coreless,
    CAST({{ 'of_points.torn_points' if has_shared_points else '0' }} AS BIGINT) AS torn_points
FROM of_rows
CROSS JOIN of_members
CROSS JOIN of_labels
{% if has_shared_points %}
CROSS JOIN of_points
{% endif %}
