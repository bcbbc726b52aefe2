-- Fills: scratch extremes(cell, direction, is_high, point_id, <measured columns>).
-- Reads: core_points
-- For each direction (signs of a step between cells), the core points of each cell that are farthest back and farthest
-- ahead; the smallest id of several.
WITH projected AS (
    SELECT
        point_id,
        cell
        {% for terms in directions %}
        , {% for sign, name in terms %}{{ sign }} {{ name }} {% endfor %}AS v{{ loop.index0 }}
        {% endfor %}
    FROM core_points
),
ends AS (
    SELECT
        cell
        {% for _ in directions %}
        , min(v{{ loop.index0 }}) AS low{{ loop.index0 }}
        , max(v{{ loop.index0 }}) AS high{{ loop.index0 }}
        {% endfor %}
    FROM projected
    GROUP BY cell
),
found AS (
    SELECT
        projected.cell
        {% for _ in directions %}
        , min(CASE WHEN v{{ loop.index0 }} = low{{ loop.index0 }} THEN point_id END) AS low{{ loop.index0 }}
        , min(CASE WHEN v{{ loop.index0 }} = high{{ loop.index0 }} THEN point_id END) AS high{{ loop.index0 }}
        {% endfor %}
    FROM projected
    JOIN ends ON ends.cell = projected.cell
    GROUP BY projected.cell
),
ways AS (
    SELECT
        direction,
        is_high
    FROM (
        VALUES
            {% for _ in directions %}
            ({{ loop.index0 }}, FALSE),
            ({{ loop.index0 }}, TRUE){{ '' if loop.last else ',' }}
            {% endfor %}
    ) AS v (direction, is_high)
),
listed AS (
    SELECT
        found.cell,
        ways.direction,
        ways.is_high,
        CASE
            {% for _ in directions %}
            WHEN ways.direction = {{ loop.index0 }} AND ways.is_high THEN found.high{{ loop.index0 }}
            WHEN ways.direction = {{ loop.index0 }} THEN found.low{{ loop.index0 }}
            {% endfor %}
        END AS point_id
    FROM found
    CROSS JOIN ways
)
SELECT
    CAST(listed.cell AS BIGINT) AS cell,
    CAST(listed.direction AS BIGINT) AS direction,
    CAST(listed.is_high AS BOOLEAN) AS is_high,
    CAST(listed.point_id AS BIGINT) AS point_id
    {% for name in carried %}
    , CAST(core_points.{{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
FROM listed
JOIN core_points ON core_points.point_id = listed.point_id
