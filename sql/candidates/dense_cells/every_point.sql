-- Fills: scratch core_points(point_id, cell, <measured columns>), if one entity suffices for a core point.
-- Reads: placed
SELECT
    CAST(point_id AS BIGINT) AS point_id,
    CAST(cell AS BIGINT) AS cell
    {% for name in carried %}
    , CAST({{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
FROM placed
