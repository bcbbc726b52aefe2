-- Fills: the part `cells` of other statements: each point in radians with its place and grid cell on the unit sphere.
-- Reads: points
-- Parameters: :side of a cell, in radii of the Earth
WITH radians AS (
    SELECT
        point_id,
        weight,
        latitude * DOUBLE '0.017453292519943295' AS latitude,
        longitude * DOUBLE '0.017453292519943295' AS longitude
    FROM points
),
sphere AS (
    SELECT
        point_id,
        weight,
        latitude,
        longitude,
        cos(latitude) AS cos_latitude,
        cos(latitude) * cos(longitude) AS u0,
        cos(latitude) * sin(longitude) AS u1,
        sin(latitude) AS u2
    FROM radians
)
SELECT
    point_id,
    weight,
    latitude,
    longitude,
    cos_latitude,
    u0,
    u1,
    u2,
    CAST(floor(u0 / :side) AS BIGINT) AS c0,
    CAST(floor(u1 / :side) AS BIGINT) AS c1,
    CAST(floor(u2 / :side) AS BIGINT) AS c2
FROM sphere
