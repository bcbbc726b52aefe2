-- Fills: cluster_features, the rows of places: the centre and the radius of each cluster.
-- Reads: clusters, points
-- Parameters: :feature0, :feature1, ... (names of the places), :diameter, of the Earth's mean sphere in metres
-- The centre is the direction of the sum of the entities' unit vectors, so the date line and the poles are not special;
-- the radius is the great-circle distance to the farthest entity, as in candidates/grid/candidates_haversine.sql.
-- order-sensitive: adds up floating-point numbers
{% import "profiles/feature_row.jinja" as feature_row %}
{% set feature = feature_row.named('part', parts | length, first=0) %}
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
    {{ feature_row.columns(
        cluster='cluster',
        kind="'place'",
        rank='part + 1',
        feature=feature,
        entities='entities',
        latitude="latitude / DOUBLE '0.017453292519943295'",
        longitude="longitude / DOUBLE '0.017453292519943295'",
        radius_m=":diameter * asin(CASE WHEN reduced < 1 THEN sqrt(reduced) ELSE DOUBLE '1' END)",
    ) }}
FROM reaches
