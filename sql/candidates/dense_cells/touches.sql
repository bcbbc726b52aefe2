-- Fills: scratch touches(cell_a, cell_b, point_a, point_b, reduced, is_near): neighbouring cells that both contain core points.
-- Reads: neighbours, extremes
-- Parameters: :reduced_threshold
-- The first guess: the point of cell_a farthest ahead towards cell_b, and the point of cell_b farthest back. If they are
-- near, which is usual, they are the cells' witness.
{% import "candidates/grid/cells/measures.jinja" as measures %}
WITH measured AS (
    SELECT
        neighbours.cell_a,
        neighbours.cell_b,
        a.point_id AS a_id,
        b.point_id AS b_id,
        {{ measures.reduced(metric, columns, 'a', 'b') }}
        AS reduced
    FROM neighbours
    JOIN extremes AS a ON a.cell = neighbours.cell_a AND a.direction = neighbours.direction
    JOIN extremes AS b ON b.cell = neighbours.cell_b AND b.direction = neighbours.direction
    WHERE a.is_high AND NOT b.is_high
)
SELECT
    CAST(cell_a AS BIGINT) AS cell_a,
    CAST(cell_b AS BIGINT) AS cell_b,
    CAST(a_id AS BIGINT) AS point_a,
    CAST(b_id AS BIGINT) AS point_b,
    CAST(reduced AS DOUBLE) AS reduced,
    CAST(reduced <= :reduced_threshold AS BOOLEAN) AS is_near
FROM measured
