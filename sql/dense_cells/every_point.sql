-- Fills: scratch core_points(point_id, cell, <what distances are measured on>) where one entity makes a core.
-- Reads: placed
SELECT
    CAST(point_id AS BIGINT) AS point_id,
    CAST(cell AS BIGINT) AS cell
    {% for name in carried %}
    , CAST({{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
FROM placed
