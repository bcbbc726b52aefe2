-- Fills: nothing; one row about the ids and weights of points and about the entities of members.
-- Reads: points, members
-- wrong_weights: points whose weight is not the number of their members, points without members, and members
-- without a point.
WITH sizes AS (
    SELECT
        point_id,
        count(*) AS entities
    FROM members
    GROUP BY point_id
),
matched AS (
    SELECT
        points.point_id,
        points.weight,
        sizes.entities
    FROM points
    FULL OUTER JOIN sizes ON sizes.point_id = points.point_id
),
of_points AS (
    SELECT
        count(point_id) AS points,
        count(DISTINCT point_id) AS ids,
        min(point_id) AS lowest,
        max(point_id) AS highest,
        sum(weight) AS weight,
        count(CASE WHEN point_id IS NULL OR entities IS NULL OR weight IS NULL OR weight <> entities THEN 1 END) AS wrong_weights
    FROM matched
),
of_members AS (
    SELECT
        count(*) AS members,
        count(DISTINCT entity) AS entities,
        count(CASE WHEN entity IS NULL THEN 1 END) AS null_entities
    FROM members
)
SELECT
    CAST(of_points.points AS BIGINT) AS points,
    CAST(of_points.ids AS BIGINT) AS ids,
    CAST(of_points.lowest AS BIGINT) AS lowest,
    CAST(of_points.highest AS BIGINT) AS highest,
    CAST(of_points.weight AS BIGINT) AS weight,
    CAST(of_points.wrong_weights AS BIGINT) AS wrong_weights,
    CAST(of_members.members AS BIGINT) AS members,
    CAST(of_members.entities AS BIGINT) AS entities,
    CAST(of_members.null_entities AS BIGINT) AS null_entities
FROM of_points
CROSS JOIN of_members
