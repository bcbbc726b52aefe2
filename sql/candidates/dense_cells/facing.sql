-- Fills: scratch facing(cell_a, cell_b, is_a, point_id, <measured columns>): the core points that may be
-- witnesses of cells whose extreme points do not decide.
-- Reads: touches, corners, core_points
-- Parameters: :box_threshold
WITH open_touches AS (
    SELECT
        touches.cell_a,
        touches.cell_b
    FROM touches
    LEFT JOIN corners ON corners.cell_a = touches.cell_a AND corners.cell_b = touches.cell_b
    WHERE NOT touches.is_near AND corners.cell_a IS NULL
),
boxes AS (
    {% include "candidates/dense_cells/cells/boxes.sql" %}

),
held AS (
    SELECT
        {% for name in carried %}
        {{ name }},
        {% endfor %}
        point_id,
        cell
    FROM core_points
),
facing AS (
    {% include "candidates/dense_cells/cells/facing.sql" %}

)
SELECT
    CAST(cell_a AS BIGINT) AS cell_a,
    CAST(cell_b AS BIGINT) AS cell_b,
    CAST(is_a AS BOOLEAN) AS is_a,
    CAST(point_id AS BIGINT) AS point_id
    {% for name in carried %}
    , CAST({{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
FROM facing
