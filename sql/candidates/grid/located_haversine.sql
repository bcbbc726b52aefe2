-- Fills: scratch located(point_id, latitude, longitude, cos_latitude, home, face, c0, c1): places on the faces of a cube.
-- Reads: points
-- Parameters: :side of a cell, in radii of the Earth; :margin, the reach of a face beyond its edges
-- A sphere is a surface, so two axes suffice: a cell has 5 neighbours to look up, instead of 14 of cubes. The faces of a
-- cube around the sphere are numbered 2 * axis, and 2 * axis + 1 on the negative side. A point is on its `home`, the face
-- of its largest coordinate, and on every other face whose coordinate is smaller by at most :margin; the cells of a face
-- use the two other axes. Without faces, all points are on one face, seen along the last axis.
WITH cells AS (
    {% include "candidates/grid/cells/haversine.sql" %}

),
heights AS (
    SELECT
        point_id,
        latitude,
        longitude,
        cos_latitude,
        abs(u0) AS h0,
        abs(u1) AS h1,
        abs(u2) AS h2,
        CASE WHEN u0 < 0 THEN 1 ELSE 0 END AS face0,
        CASE WHEN u1 < 0 THEN 3 ELSE 2 END AS face1,
        CASE WHEN u2 < 0 THEN 5 ELSE 4 END AS face2,
        c0,
        c1,
        c2
    FROM cells
),
faces AS (
    SELECT
        heights.point_id,
        heights.latitude,
        heights.longitude,
        heights.cos_latitude,
        {% if has_faces %}
        CASE WHEN h0 >= h1 AND h0 >= h2 THEN face0 WHEN h1 >= h2 THEN face1 ELSE face2 END AS home,
        CASE axes.axis WHEN 0 THEN face0 WHEN 1 THEN face1 ELSE face2 END AS face,
        CASE axes.axis WHEN 0 THEN c1 ELSE c0 END AS c0,
        CASE axes.axis WHEN 2 THEN c1 ELSE c2 END AS c1
        {% else %}
        0 AS home,
        0 AS face,
        c0,
        c1
        {% endif %}
    FROM heights
    {% if has_faces %}
    CROSS JOIN (VALUES (0), (1), (2)) AS axes (axis)
    WHERE CASE axes.axis WHEN 0 THEN h0 WHEN 1 THEN h1 ELSE h2 END >= greatest(h0, h1, h2) - :margin
    {% endif %}
)
SELECT
    CAST(point_id AS BIGINT) AS point_id,
    CAST(latitude AS DOUBLE) AS latitude,
    CAST(longitude AS DOUBLE) AS longitude,
    CAST(cos_latitude AS DOUBLE) AS cos_latitude,
    CAST(home AS BIGINT) AS home,
    CAST(face AS BIGINT) AS face,
    CAST(c0 AS BIGINT) AS c0,
    CAST(c1 AS BIGINT) AS c1
FROM faces
