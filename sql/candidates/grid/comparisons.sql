-- Fills: nothing; one row: the number of pairs of points that a grid join will measure, from the cell sizes only.
-- Reads: located
WITH sizes AS (
    SELECT
        {% for k in range(axes) %}
        c{{ k }},
        {% endfor %}
        {{ 'face,' if has_faces }}
        count(*) AS points
    FROM located
    GROUP BY {{ 'face, ' if has_faces }}{% for k in range(axes) %}{{ ', ' if loop.index0 else '' }}c{{ k }}{% endfor %}

),
steps AS (
    {% include "candidates/grid/cells/steps.sql" %}

),
reaching AS (
    SELECT
        sizes.points,
        {{ 'sizes.face,' if has_faces }}
        {% for k in range(axes) %}
        sizes.c{{ k }} + steps.s{{ k }} AS c{{ k }},
        {% endfor %}
        steps.same
    FROM sizes
    CROSS JOIN steps
)
SELECT
    CAST(
        coalesce(sum(CASE WHEN a.same THEN a.points * (a.points - 1) / 2 ELSE a.points * b.points END), 0) AS BIGINT
    ) AS comparisons
FROM reaching AS a
JOIN sizes AS b
    ON {{ 'b.face = a.face AND ' if has_faces }}{% for k in range(axes) %}{{ 'AND ' if loop.index0 else '' }}b.c{{ k }} = a.c{{ k }} {% endfor %}

