-- Fills: the part `facing` of other statements: for pairs of cells, the points within the threshold of the box
-- around the other cell's core points.
-- Reads: open_touches, held, boxes
-- Parameters: :box_threshold
-- No other point can be near a core point of the other cell. Its gap to the box is at most its difference from any point
-- in it, in each axis; rounding is monotone, so the measure of the gaps is at most `reduced` of the points. (On the
-- sphere, the chord is measured, and :box_threshold exceeds the rounding errors of both.)
{% import "candidates/grid/cells/measures.jinja" as measures %}
WITH sided AS (
    SELECT
        open_touches.cell_a,
        open_touches.cell_b,
        sides.is_a,
        CASE WHEN sides.is_a THEN open_touches.cell_a ELSE open_touches.cell_b END AS cell,
        CASE WHEN sides.is_a THEN open_touches.cell_b ELSE open_touches.cell_a END AS other
    FROM open_touches
    CROSS JOIN (VALUES (TRUE), (FALSE)) AS sides (is_a)
),
gaps AS (
    SELECT
        sided.cell_a,
        sided.cell_b,
        sided.is_a,
        {% for name in axis_columns %}
        CASE
            WHEN held.{{ name }} < boxes.low_{{ name }} THEN boxes.low_{{ name }} - held.{{ name }}
            WHEN held.{{ name }} > boxes.high_{{ name }} THEN held.{{ name }} - boxes.high_{{ name }}
            ELSE DOUBLE '0'
        END AS gap_{{ name }},
        {% endfor %}
        {% for name in carried %}
        held.{{ name }},
        {% endfor %}
        held.point_id
    FROM sided
    JOIN boxes ON boxes.cell = sided.other
    JOIN held ON held.cell = sided.cell
)
SELECT
    cell_a,
    cell_b,
    is_a,
    {% for name in carried %}
    {{ name }},
    {% endfor %}
    point_id
FROM gaps
{% set sizes = [] %}
{% for name in axis_columns %}
{% set _ = sizes.append('(gap_' ~ name ~ ')') %}
{% endfor %}
WHERE {{ measures.size(box_metric, sizes) }} <= :box_threshold
