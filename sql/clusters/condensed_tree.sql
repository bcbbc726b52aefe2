-- Fills: condensed_tree(parent, child, distance, entities).
-- Reads: tree (the worker's file of the same columns)
SELECT
    CAST(tree.parent AS BIGINT) AS parent,
    CAST(tree.child AS BIGINT) AS child,
    CAST(tree.distance AS DOUBLE) AS distance,
    CAST(tree.entities AS BIGINT) AS entities
FROM tree
