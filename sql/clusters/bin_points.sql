-- Fills: scratch bin_points(point_id, weight, component, <feature columns>, bin): the points of some bins.
-- Reads: points, bins
-- Parameters: :first, :last, numbers of bins; a statement writes at most 100 of them
SELECT
    CAST(points.point_id AS BIGINT) AS point_id,
    CAST(points.weight AS BIGINT) AS weight,
    CAST(bins.component AS BIGINT) AS component
    {% for name in columns %}
    , points.{{ name }}
    {% endfor %}
    , CAST(bins.bin AS BIGINT) AS bin
FROM points
JOIN bins ON bins.point_id = points.point_id
WHERE bins.bin BETWEEN :first AND :last
