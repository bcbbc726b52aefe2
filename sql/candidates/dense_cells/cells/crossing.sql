-- Fills: the part `crossing` of other statements: near points of two cells; place 1 is the pair with the smallest ids.
-- Reads: facing
-- Parameters: :reduced_threshold
{% import "candidates/grid/cells/measures.jinja" as measures %}
WITH measured AS (
    SELECT
        a.cell_a,
        a.cell_b,
        a.point_id AS a_id,
        b.point_id AS b_id,
        {{ measures.reduced(metric, columns, 'a', 'b') }}
        AS reduced
    FROM facing AS a
    JOIN facing AS b ON b.cell_a = a.cell_a AND b.cell_b = a.cell_b
    WHERE a.is_a AND NOT b.is_a
)
SELECT
    cell_a,
    cell_b,
    a_id,
    b_id,
    reduced,
    row_number() OVER (PARTITION BY cell_a, cell_b ORDER BY a_id, b_id) AS place
FROM measured
WHERE reduced <= :reduced_threshold
