-- Fills: lineage(day, cluster, stable_id, event, previous_cluster, shared, jaccard, previous_day, entities, previous_entities, first_seen, last_seen, evidence, similarity, parent, successor),
-- one row for each cluster of the day, and one for each of the previous day whose id ends.
-- Reads: shared_entities, overlaps, known
-- Parameters: :part, :growth
WITH dates AS (
    SELECT
        max(CASE WHEN days_back = 0 THEN day END) AS day,
        max(CASE WHEN days_back > 0 THEN day END) AS previous_day
    FROM shared_entities
),
sizes AS (
    SELECT cluster, shared AS entities
    FROM shared_entities
    WHERE days_back = 0 AND previous_cluster = cluster AND cluster >= 0
),
heirs AS (
    SELECT
        overlaps.cluster,
        overlaps.stable_id,
        overlaps.previous_day,
        overlaps.previous_cluster,
        overlaps.previous_entities,
        overlaps.shared,
        overlaps.jaccard,
        overlaps.evidence,
        overlaps.similarity,
        known.first_seen,
        overlaps.previous_day = dates.previous_day AS is_previous
    FROM overlaps
    JOIN known ON known.stable_id = overlaps.stable_id
    CROSS JOIN dates
    WHERE overlaps.relation = 'same'
),
sources AS (
    SELECT
        cluster,
        relation,
        previous_day,
        previous_cluster,
        previous_entities,
        previous_stable_id,
        shared,
        jaccard,
        count(*) OVER (PARTITION BY cluster, relation ORDER BY shared DESC, jaccard DESC, previous_cluster
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS siblings,
        row_number() OVER (PARTITION BY cluster, relation ORDER BY shared DESC, jaccard DESC, previous_cluster) AS nth
    FROM overlaps
    WHERE relation IN ('split', 'merge')
),
largest AS (
    SELECT
        cluster,
        relation,
        previous_day,
        previous_cluster,
        previous_entities,
        previous_stable_id,
        shared,
        jaccard,
        siblings
    FROM sources
    WHERE nth = 1
),
trunks AS (
    SELECT previous_cluster
    FROM overlaps
    WHERE relation = 'split' AND kept >= :part
    GROUP BY previous_cluster
),
told AS (
    SELECT
        sizes.cluster,
        sizes.entities,
        CASE
            WHEN NOT heirs.is_previous THEN 'reappeared'
            WHEN coalesce(merges.siblings, 0) + CASE WHEN heirs.cluster IS NULL THEN 0 ELSE 1 END >= 2 THEN 'merged'
            WHEN splits.cluster IS NOT NULL OR trunks.previous_cluster IS NOT NULL THEN 'split'
            WHEN heirs.cluster IS NULL THEN 'born'
            WHEN CAST(sizes.entities AS DOUBLE) > (DOUBLE '1' + :growth) * CAST(heirs.previous_entities AS DOUBLE)
                THEN 'grown'
            WHEN CAST(sizes.entities AS DOUBLE) < (DOUBLE '1' - :growth) * CAST(heirs.previous_entities AS DOUBLE)
                THEN 'shrunk'
            ELSE 'continued'
        END AS event
    FROM sizes
    LEFT JOIN heirs ON heirs.cluster = sizes.cluster
    LEFT JOIN largest AS merges ON merges.cluster = sizes.cluster AND merges.relation = 'merge'
    LEFT JOIN largest AS splits ON splits.cluster = sizes.cluster AND splits.relation = 'split'
    LEFT JOIN trunks
        ON trunks.previous_cluster = heirs.previous_cluster AND heirs.is_previous
),
origins AS (
    SELECT
        told.cluster,
        told.entities,
        told.event,
        largest.previous_day,
        largest.previous_cluster,
        largest.previous_entities,
        largest.previous_stable_id,
        largest.shared,
        largest.jaccard
    FROM told
    LEFT JOIN largest
        ON largest.cluster = told.cluster
        AND largest.relation = CASE told.event WHEN 'merged' THEN 'merge' WHEN 'split' THEN 'split' END
),
successors AS (
    SELECT
        overlaps.previous_cluster,
        overlaps.stable_id,
        overlaps.shared,
        overlaps.jaccard,
        row_number() OVER (
            PARTITION BY overlaps.previous_cluster
            ORDER BY overlaps.shared DESC, overlaps.jaccard DESC, overlaps.cluster
        ) AS nth
    FROM overlaps
    JOIN dates ON dates.previous_day = overlaps.previous_day
    WHERE overlaps.shared > 0 AND overlaps.kept >= :part
),
rows_of_the_day AS (
    SELECT
        dates.day,
        origins.cluster,
        coalesce(
            heirs.stable_id,
            replace(dates.day, '-', '') || '-' || CASE
                WHEN origins.cluster < 1000000 THEN lpad(CAST(origins.cluster AS VARCHAR), 6, '0')
                ELSE CAST(origins.cluster AS VARCHAR)
            END
        ) AS stable_id,
        origins.event,
        coalesce(heirs.previous_cluster, origins.previous_cluster) AS previous_cluster,
        coalesce(heirs.shared, origins.shared, 0) AS shared,
        coalesce(heirs.jaccard, origins.jaccard, DOUBLE '0') AS jaccard,
        coalesce(heirs.previous_day, origins.previous_day) AS previous_day,
        origins.entities,
        coalesce(heirs.previous_entities, origins.previous_entities, 0) AS previous_entities,
        coalesce(heirs.first_seen, dates.day) AS first_seen,
        dates.day AS last_seen,
        heirs.evidence,
        CASE WHEN heirs.evidence = 'features' THEN heirs.similarity END AS similarity,
        origins.previous_stable_id AS parent,
        CAST(NULL AS VARCHAR) AS successor
    FROM origins
    CROSS JOIN dates
    LEFT JOIN heirs ON heirs.cluster = origins.cluster
    UNION ALL
    SELECT
        dates.day,
        CAST(NULL AS BIGINT) AS cluster,
        known.stable_id,
        'died' AS event,
        known.cluster AS previous_cluster,
        coalesce(successors.shared, 0) AS shared,
        coalesce(successors.jaccard, DOUBLE '0') AS jaccard,
        known.last_seen AS previous_day,
        0 AS entities,
        known.entities AS previous_entities,
        known.first_seen,
        known.last_seen,
        CAST(NULL AS VARCHAR) AS evidence,
        CAST(NULL AS DOUBLE) AS similarity,
        CAST(NULL AS VARCHAR) AS parent,
        successors.stable_id AS successor
    FROM known
    JOIN dates ON dates.previous_day = known.last_seen
    LEFT JOIN heirs ON heirs.stable_id = known.stable_id
    LEFT JOIN successors ON successors.previous_cluster = known.cluster AND successors.nth = 1
    WHERE heirs.stable_id IS NULL
)
SELECT
    CAST(day AS VARCHAR) AS day,
    CAST(cluster AS BIGINT) AS cluster,
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(event AS VARCHAR) AS event,
    CAST(previous_cluster AS BIGINT) AS previous_cluster,
    CAST(shared AS BIGINT) AS shared,
    CAST(jaccard AS DOUBLE) AS jaccard,
    CAST(previous_day AS VARCHAR) AS previous_day,
    CAST(entities AS BIGINT) AS entities,
    CAST(previous_entities AS BIGINT) AS previous_entities,
    CAST(first_seen AS VARCHAR) AS first_seen,
    CAST(last_seen AS VARCHAR) AS last_seen,
    CAST(evidence AS VARCHAR) AS evidence,
    CAST(similarity AS DOUBLE) AS similarity,
    CAST(parent AS VARCHAR) AS parent,
    CAST(successor AS VARCHAR) AS successor
FROM rows_of_the_day
