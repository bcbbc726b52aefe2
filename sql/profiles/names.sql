-- Fills: names(stable_id, last_seen, name, basis, entity), the names of some clusters of the day, and with_remembered
-- also those of clusters that do not exist today.
-- Reads: lineage, clusters, medoids, before (the table `names` of an earlier day)
-- Parameters: :lines (one for each cluster: its number, kept or new, name and basis, separated by tabs),
-- :oldest (first day that is remembered; with_remembered only)
-- A name that is kept has the entity that was the medoid when it was chosen.
WITH lines AS (
    SELECT t.line
    FROM UNNEST(split(:lines, chr(10))) AS t (line)
),
listed AS (
    SELECT
        CAST(split_part(line, chr(9), 1) AS BIGINT) AS cluster,
        split_part(line, chr(9), 2) = 'kept' AS is_kept,
        split_part(line, chr(9), 3) AS name,
        split_part(line, chr(9), 4) AS basis
    FROM lines
),
middles AS (
    SELECT
        medoids.cluster,
        min(clusters.entity) AS entity
    FROM medoids
    JOIN clusters ON clusters.point_id = medoids.point_id
    WHERE medoids.rank = 0
    GROUP BY medoids.cluster
)
SELECT
    CAST(lineage.stable_id AS VARCHAR) AS stable_id,
    CAST(lineage.last_seen AS VARCHAR) AS last_seen,
    CAST(listed.name AS VARCHAR) AS name,
    CAST(listed.basis AS VARCHAR) AS basis,
    CAST(CASE WHEN listed.is_kept THEN before.entity ELSE middles.entity END AS VARCHAR) AS entity
FROM listed
JOIN lineage ON lineage.cluster = listed.cluster
LEFT JOIN middles ON middles.cluster = listed.cluster
LEFT JOIN before ON before.stable_id = lineage.stable_id
{% if with_remembered %}
UNION ALL
{% include "profiles/remembered.sql" %}
{% endif %}
