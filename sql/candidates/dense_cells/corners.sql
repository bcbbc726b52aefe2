-- Fills: scratch corners(cell_a, cell_b, point_a, point_b, reduced): witnesses among the extreme points of cells that are still undecided.
-- Reads: touches, core_points, extremes
-- Parameters: :reduced_threshold, :box_threshold
{% import "candidates/grid/cells/measures.jinja" as measures %}
WITH open_touches AS (
    SELECT
        cell_a,
        cell_b
    FROM touches
    WHERE NOT is_near
),
boxes AS (
    {% include "candidates/dense_cells/cells/boxes.sql" %}

),
held AS (
    SELECT DISTINCT
        {% for name in carried %}
        {{ name }},
        {% endfor %}
        point_id,
        cell
    FROM extremes
),
facing AS (
    {% include "candidates/dense_cells/cells/facing.sql" %}

),
crossing AS (
    {% include "candidates/dense_cells/cells/crossing.sql" %}

)
SELECT
    CAST(cell_a AS BIGINT) AS cell_a,
    CAST(cell_b AS BIGINT) AS cell_b,
    CAST(a_id AS BIGINT) AS point_a,
    CAST(b_id AS BIGINT) AS point_b,
    CAST(reduced AS DOUBLE) AS reduced
FROM crossing
WHERE place = 1
