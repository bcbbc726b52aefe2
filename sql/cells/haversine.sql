-- Fills: the part `cells` of other statements: each point in radians with its grid cell on the unit sphere.
-- Reads: points
-- Parameters: :side of a cell, in radii of the Earth
WITH radians AS (
    SELECT
        point_id,
        latitude * DOUBLE '0.017453292519943295' AS latitude,
        longitude * DOUBLE '0.017453292519943295' AS longitude
    FROM points
)
SELECT
    point_id,
    latitude,
    longitude,
    cos(latitude) AS cos_latitude,
    CAST(floor(cos(latitude) * cos(longitude) / :side) AS BIGINT) AS c0,
    CAST(floor(cos(latitude) * sin(longitude) / :side) AS BIGINT) AS c1,
    CAST(floor(sin(latitude) / :side) AS BIGINT) AS c2
FROM radians
