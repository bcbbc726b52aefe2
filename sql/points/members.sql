-- Fills: members(entity, point_id), one row for each valid entity of the day.
-- Reads: features, points
-- Parameters: :is_valid
WITH valid AS (
    SELECT
        entity
        {% for name in columns %}
        , {{ name }}
        {% endfor %}
    FROM features
    WHERE :is_valid
)
SELECT
    CAST(valid.entity AS VARCHAR) AS entity,
    CAST(points.point_id AS BIGINT) AS point_id
FROM valid
JOIN points
    ON {% for name in columns %}{{ 'AND ' if loop.index0 else '' }}points.{{ name }} = valid.{{ name }} {% endfor %}

