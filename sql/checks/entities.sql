-- Fills: nothing; one row about the entities of clusters, compared with members.
-- Reads: clusters, members
-- unmatched: entities of one table that are missing in the other, or on another point there.
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
            CASE WHEN clustered IS NULL OR member IS NULL OR clustered_point IS DISTINCT FROM member_point THEN 1 END
        ) AS unmatched
    FROM matched
),
of_rows AS (
    SELECT
        count(*) AS "rows",
        count(DISTINCT entity) AS entities
    FROM clusters
)
SELECT
    CAST(of_rows."rows" AS BIGINT) AS "rows",
    CAST(of_rows.entities AS BIGINT) AS entities,
    CAST(of_entities.unmatched AS BIGINT) AS unmatched
FROM of_rows
CROSS JOIN of_entities
