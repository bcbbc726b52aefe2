-- Fills: scratch neighbours(cell_a, cell_b, direction): pairs of cells that may contain near points, each once.
-- Reads: placed
-- `direction` numbers the signs of the step from cell_a to cell_b, as in candidates/dense_cells/extremes.sql.
WITH firsts AS (
    SELECT
        {% for k in range(axes) %}
        c{{ k }},
        {% endfor %}
        cell
    FROM placed
    WHERE point_id = cell
),
steps AS (
    SELECT
        {% for k in range(axes) %}
        s{{ k }},
        {% endfor %}
        direction,
        same
    FROM (
        VALUES
            {% for step, direction in directed_steps %}
            ({{ step | join(', ') }}, {{ direction }}, {{ 'FALSE' if loop.index0 else 'TRUE' }}){{ '' if loop.last else ',' }}
            {% endfor %}
    ) AS v ({% for k in range(axes) %}s{{ k }}, {% endfor %}direction, same)
),
reaching AS (
    SELECT
        {% for k in range(axes) %}
        firsts.c{{ k }} + steps.s{{ k }} AS c{{ k }},
        {% endfor %}
        firsts.cell,
        steps.direction,
        steps.same
    FROM firsts
    CROSS JOIN steps
)
SELECT
    CAST(a.cell AS BIGINT) AS cell_a,
    CAST(b.cell AS BIGINT) AS cell_b,
    CAST(a.direction AS BIGINT) AS direction
FROM reaching AS a
JOIN firsts AS b
    ON {% for k in range(axes) %}{{ 'AND ' if loop.index0 else '' }}b.c{{ k }} = a.c{{ k }} {% endfor %}

WHERE NOT a.same OR a.cell < b.cell
