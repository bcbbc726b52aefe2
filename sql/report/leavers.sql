-- Fills: nothing; how many entities leave each cluster of a condensed tree, by bins of the distance.
-- Reads: condensed_tree, clusters
-- Parameters: :is_shown (condition on the parent), :farthest, :scale (bins per factor e), :last (the last bin)
-- Bin 0 has the largest distances. A cluster that splits off leaves like a point.
WITH labelled AS (
    SELECT
        point_id,
        min(cluster) AS cluster
    FROM clusters
    GROUP BY point_id
),
binned AS (
    SELECT
        parent,
        child,
        entities,
        CASE
            WHEN distance > DOUBLE '0' THEN least(:last, CAST(floor(ln(:farthest / distance) * :scale) AS BIGINT))
            ELSE :last
        END AS bin
    FROM condensed_tree
    WHERE :is_shown
)
SELECT
    CAST(binned.parent AS BIGINT) AS parent,
    CAST(binned.bin AS BIGINT) AS bin,
    CAST(sum(binned.entities) AS BIGINT) AS entities,
    CAST(max(labelled.cluster) AS BIGINT) AS cluster
FROM binned
LEFT JOIN labelled ON labelled.point_id = binned.child
GROUP BY binned.parent, binned.bin
ORDER BY binned.parent, binned.bin
