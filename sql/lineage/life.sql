-- Fills: nothing; the rows of one id on all days.
-- Reads: lineage
-- Parameters: :stable_id
SELECT
    CAST(day AS VARCHAR) AS day,
    CAST(event AS VARCHAR) AS event,
    CAST(cluster AS BIGINT) AS cluster,
    CAST(entities AS BIGINT) AS entities,
    CAST(previous_entities AS BIGINT) AS previous_entities,
    CAST(shared AS BIGINT) AS shared,
    CAST(jaccard AS DOUBLE) AS jaccard,
    CAST(evidence AS VARCHAR) AS evidence
FROM lineage
WHERE stable_id = :stable_id
