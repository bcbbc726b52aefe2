-- Fills: the part `around` of other statements: each cell with each of its neighbours.
-- Reads: neighbours
SELECT
    CASE WHEN sides.forward THEN neighbours.cell_a ELSE neighbours.cell_b END AS cell,
    CASE WHEN sides.forward THEN neighbours.cell_b ELSE neighbours.cell_a END AS other
FROM neighbours
CROSS JOIN (VALUES (TRUE), (FALSE)) AS sides (forward)
