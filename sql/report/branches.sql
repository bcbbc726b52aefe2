-- Fills: nothing; the largest clusters of a condensed tree, and the range of its distances.
-- Reads: condensed_tree
-- Parameters: :points (points of the day; larger children are clusters), :most (number of clusters)
WITH distances AS (
    SELECT
        max(distance) AS farthest,
        min(CASE WHEN distance > DOUBLE '0' THEN distance END) AS nearest,
        sum(CASE WHEN child < :points THEN entities END) AS entities
    FROM condensed_tree
),
ranked AS (
    SELECT
        parent,
        child,
        distance,
        entities,
        row_number() OVER (PARTITION BY parent < 0 ORDER BY entities DESC, child) AS place
    FROM condensed_tree
    WHERE child >= :points
)
SELECT
    CAST(ranked.parent AS BIGINT) AS parent,
    CAST(ranked.child AS BIGINT) AS child,
    CAST(ranked.distance AS DOUBLE) AS distance,
    CAST(ranked.entities AS BIGINT) AS entities,
    CAST(distances.farthest AS DOUBLE) AS farthest,
    CAST(distances.nearest AS DOUBLE) AS nearest,
    CAST(distances.entities AS BIGINT) AS day_entities
FROM distances
LEFT JOIN ranked ON ranked.place <= :most
ORDER BY ranked.entities DESC, ranked.child
