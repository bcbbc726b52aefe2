-- Fills: names(stable_id, last_seen, name, basis, entity), the names of clusters that do not exist today.
-- Reads: lineage, before (the table `names` of an earlier day)
-- Parameters: :oldest (first day that is remembered)
SELECT
    CAST(before.stable_id AS VARCHAR) AS stable_id,
    CAST(before.last_seen AS VARCHAR) AS last_seen,
    CAST(before.name AS VARCHAR) AS name,
    CAST(before.basis AS VARCHAR) AS basis,
    CAST(before.entity AS VARCHAR) AS entity
FROM before
LEFT JOIN lineage AS living
    ON living.stable_id = before.stable_id AND living.cluster IS NOT NULL
WHERE living.stable_id IS NULL AND before.last_seen >= :oldest
