-- Fills: scratch core_points(point_id, cell, <measured columns>): all core points.
-- Reads: placed, neighbours
-- Parameters: :min_samples, :reduced_threshold
-- All points of a cell are near each other, so each counts the cell's weight without a distance test; if a cell weighs
-- at least :min_samples, its points are core. Points of lighter cells measure the points of neighbouring cells.
-- Conversely, a point is measured by at most (number of neighbouring cells) * (:min_samples - 1) such points, each of
-- weight 1 or more: the work grows with the number of points, not with the number of near pairs.
{% import "candidates/grid/cells/measures.jinja" as measures %}
WITH around AS (
    {% include "candidates/dense_cells/cells/around.sql" %}

),
measured AS (
    SELECT
        a.point_id,
        b.weight,
        {{ measures.reduced(metric, columns, 'a', 'b') }}
        AS reduced
    FROM placed AS a
    JOIN around ON around.cell = a.cell
    JOIN placed AS b ON b.cell = around.other
    WHERE a.cell_weight < :min_samples
),
reached AS (
    SELECT
        point_id,
        sum(weight) AS weight
    FROM measured
    WHERE reduced <= :reduced_threshold
    GROUP BY point_id
)
SELECT
    CAST(placed.point_id AS BIGINT) AS point_id,
    CAST(placed.cell AS BIGINT) AS cell
    {% for name in carried %}
    , CAST(placed.{{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
FROM placed
LEFT JOIN reached ON reached.point_id = placed.point_id
WHERE placed.cell_weight + coalesce(reached.weight, 0) >= :min_samples
