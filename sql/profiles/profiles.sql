-- Fills: profiles, one row for each cluster of the day and one for its noise, cluster -1.
-- Reads: clusters, medoids, silhouettes, lineage, names
-- Parameters: :medoid_points (larger clusters were sampled), :separation_basis ('exact' or 'sampled')
-- Noise has no centre and is not a neighbour, so its measures of distance are null.
-- order-sensitive: adds up floating-point numbers
WITH sizes AS (
    SELECT
        cluster,
        count(*) AS entities,
        count(DISTINCT point_id) AS points,
        count(CASE WHEN role = 'core' THEN 1 END) AS core_entities,
        count(CASE WHEN role = 'border' THEN 1 END) AS border_entities
    FROM clusters
    GROUP BY cluster
),
day AS (
    SELECT CAST(count(*) AS DOUBLE) AS entities
    FROM clusters
),
firsts AS (
    SELECT
        point_id,
        min(entity) AS entity
    FROM clusters
    GROUP BY point_id
),
middles AS (
    SELECT
        medoids.cluster,
        max(CASE WHEN medoids.rank = 0 THEN firsts.entity END) AS medoid,
        max(CASE WHEN medoids.rank = 0 THEN medoids.point_id END) AS medoid_point,
        array_agg(firsts.entity ORDER BY medoids.rank) AS exemplars,
        max(medoids.cohesion) AS cohesion,
        max(medoids.points) AS points
    FROM medoids
    JOIN firsts ON firsts.point_id = medoids.point_id
    GROUP BY medoids.cluster
),
separations AS (
    SELECT
        cluster,
        sum(CAST(weight AS DOUBLE) * silhouette) / sum(CAST(weight AS DOUBLE)) AS separation,
        count(*) AS points
    FROM silhouettes
    GROUP BY cluster
)
SELECT
    CAST(sizes.cluster AS BIGINT) AS cluster,
    CAST(lineage.stable_id AS VARCHAR) AS stable_id,
    CAST(names.name AS VARCHAR) AS name,
    CAST(lineage.first_seen AS VARCHAR) AS first_seen,
    CAST(lineage.last_seen AS VARCHAR) AS last_seen,
    CAST(sizes.entities AS BIGINT) AS entities,
    CAST(sizes.points AS BIGINT) AS points,
    CAST(sizes.core_entities AS BIGINT) AS core_entities,
    CAST(sizes.border_entities AS BIGINT) AS border_entities,
    CAST(CAST(sizes.entities AS DOUBLE) / day.entities AS DOUBLE) AS share,
    CAST(middles.medoid AS VARCHAR) AS medoid,
    CAST(middles.medoid_point AS BIGINT) AS medoid_point,
    CAST(middles.exemplars AS ARRAY(VARCHAR)) AS exemplars,
    CAST(middles.cohesion AS DOUBLE) AS cohesion,
    CAST(
        CASE
            WHEN middles.points IS NULL THEN NULL
            WHEN sizes.points > :medoid_points THEN 'sampled'
            ELSE 'exact'
        END AS VARCHAR
    ) AS cohesion_basis,
    CAST(middles.points AS BIGINT) AS cohesion_points,
    CAST(separations.separation AS DOUBLE) AS separation,
    CAST(CASE WHEN separations.points IS NOT NULL THEN :separation_basis END AS VARCHAR) AS separation_basis,
    CAST(separations.points AS BIGINT) AS separation_points
FROM sizes
CROSS JOIN day
LEFT JOIN middles ON middles.cluster = sizes.cluster
LEFT JOIN separations ON separations.cluster = sizes.cluster
LEFT JOIN lineage ON lineage.cluster = sizes.cluster
LEFT JOIN names ON names.stable_id = lineage.stable_id
