-- Fills: scratch kept(point_id, former_id): the points whose feature value a former day has too, with its id there.
-- Reads: points, former_points
-- Points of a day have distinct values, so each point and each former one occurs once. Equal doubles have the same bits,
-- except for the two zeros, which are as far from everything.
SELECT
    CAST(points.point_id AS BIGINT) AS point_id,
    CAST(former_points.point_id AS BIGINT) AS former_id
FROM points
JOIN former_points
    ON {% for name in columns %}{{ 'AND ' if loop.index0 else '' }}former_points.{{ name }} = points.{{ name }} {% endfor %}

