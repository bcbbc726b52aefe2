-- Fills: cluster_features, the rows of places: the centre of each cluster and how far it reaches.
-- Reads: clusters, points
-- Parameters: :feature0, :feature1, ... (names of the places), :diameter, of the Earth's mean sphere in metres
-- The centre is the direction of the sum of the entities' unit vectors, which knows no date line and no pole; the
-- radius the great-circle distance from there to the farthest entity, by the formula of candidates/haversine.sql.
-- order-sensitive: adds up floating-point numbers
WITH labelled AS (
    SELECT
        point_id,
        max(cluster) AS cluster,
        CAST(count(*) AS DOUBLE) AS entities
    FROM clusters
    GROUP BY point_id
),
located AS (
    {% for part in parts %}
    {{ 'UNION ALL' if loop.index0 }}
    SELECT
        labelled.cluster,
        labelled.entities,
        {{ loop.index0 }} AS part,
        points."{{ part.latitude }}" * DOUBLE '0.017453292519943295' AS latitude,
        points."{{ part.longitude }}" * DOUBLE '0.017453292519943295' AS longitude
    FROM points
    JOIN labelled ON labelled.point_id = points.point_id
    {% endfor %}
),
sums AS (
    SELECT
        cluster,
        part,
        sum(entities) AS entities,
        sum(entities * (cos(latitude) * cos(longitude))) AS x,
        sum(entities * (cos(latitude) * sin(longitude))) AS y,
        sum(entities * sin(latitude)) AS z
    FROM located
    GROUP BY cluster, part
),
centres AS (
    SELECT
        cluster,
        part,
        entities,
        atan2(z, sqrt(x * x + y * y)) AS latitude,
        atan2(y, x) AS longitude
    FROM sums
),
halves AS (
    SELECT
        centres.cluster,
        centres.part,
        centres.entities,
        centres.latitude,
        centres.longitude,
        cos(centres.latitude) * cos(located.latitude) AS cosines,
        sin(DOUBLE '0.5' * (located.latitude - centres.latitude)) AS sine_north,
        sin(DOUBLE '0.5' * (located.longitude - centres.longitude)) AS sine_east
    FROM centres
    JOIN located ON located.cluster = centres.cluster AND located.part = centres.part
),
reaches AS (
    SELECT
        cluster,
        part,
        max(entities) AS entities,
        max(latitude) AS latitude,
        max(longitude) AS longitude,
        max(sine_north * sine_north + cosines * sine_east * sine_east) AS reduced
    FROM halves
    GROUP BY cluster, part
)
SELECT
    CAST(cluster AS BIGINT) AS cluster,
    CAST('place' AS VARCHAR) AS kind,
    CAST(part + 1 AS BIGINT) AS rank,
    CAST(
        CASE part
            {% for part in parts %}
            WHEN {{ loop.index0 }} THEN :feature{{ loop.index0 }}
            {% endfor %}
        END AS VARCHAR
    ) AS feature,
    CAST(NULL AS VARCHAR) AS value,
    CAST(entities AS BIGINT) AS entities,
    CAST(NULL AS DOUBLE) AS share,
    CAST(NULL AS DOUBLE) AS day_share,
    CAST(NULL AS DOUBLE) AS lift,
    CAST(NULL AS DOUBLE) AS mean,
    CAST(NULL AS DOUBLE) AS day_mean,
    CAST(NULL AS DOUBLE) AS day_spread,
    CAST(NULL AS DOUBLE) AS zscore,
    CAST(latitude / DOUBLE '0.017453292519943295' AS DOUBLE) AS latitude,
    CAST(longitude / DOUBLE '0.017453292519943295' AS DOUBLE) AS longitude,
    CAST(:diameter * asin(CASE WHEN reduced < 1 THEN sqrt(reduced) ELSE DOUBLE '1' END) AS DOUBLE) AS radius_m
FROM reaches
