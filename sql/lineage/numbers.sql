-- Fills: nothing; the ids of a day by the numbers of its clusters.
-- Reads: lineage
SELECT
    CAST(cluster AS BIGINT) AS cluster,
    CAST(stable_id AS VARCHAR) AS stable_id
FROM lineage
WHERE cluster IS NOT NULL
