-- Fills: overlaps(cluster, previous_cluster, shared, jaccard, entities, previous_entities, previous_day, stable_id, previous_stable_id, kept, share, similarity, evidence, relation, day),
-- one row for each pair of clusters that share entities, or that have the same id.
-- Reads: shared_entities, pairs
-- Parameters: :match, :part
-- Ids are inherited in rounds. In each round, two clusters match if each is the other's best partner among the
-- unmatched ones: two rounds for clusters of the previous day, then one for clusters last seen before it.
-- Best means: by entities before by features; then the higher jaccard, similarity, later day; then the lower number.
WITH dates AS (
    SELECT
        max(CASE WHEN days_back = 0 THEN day END) AS day,
        max(CASE WHEN days_back > 0 THEN day END) AS previous_day
    FROM shared_entities
),
{% for round in ('first', 'second', 'third') %}
open_{{ round }} AS (
    SELECT
        pairs.cluster,
        pairs.previous_day,
        pairs.previous_cluster,
        pairs.evidence,
        pairs.jaccard,
        pairs.similarity
    FROM pairs
    CROSS JOIN dates
    {% if round == 'second' %}
    LEFT JOIN same_first AS taken ON taken.cluster = pairs.cluster
    LEFT JOIN same_first AS gone ON gone.previous_cluster = pairs.previous_cluster
    {% elif round == 'third' %}
    LEFT JOIN same_of_previous AS taken ON taken.cluster = pairs.cluster
    {% endif %}
    WHERE pairs.evidence IS NOT NULL
        {% if round == 'third' %}
        AND pairs.previous_day < dates.previous_day
        {% else %}
        AND pairs.previous_day = dates.previous_day
        {% endif %}
        {% if round != 'first' %}
        AND taken.cluster IS NULL
        {% endif %}
        {% if round == 'second' %}
        AND gone.cluster IS NULL
        {% endif %}
),
ranked_{{ round }} AS (
    SELECT
        cluster,
        previous_day,
        previous_cluster,
        row_number() OVER (
            PARTITION BY cluster
            ORDER BY evidence, jaccard DESC, similarity DESC, previous_day DESC, previous_cluster
        ) AS rank_today,
        row_number() OVER (
            PARTITION BY previous_day, previous_cluster
            ORDER BY evidence, jaccard DESC, similarity DESC, cluster
        ) AS rank_before
    FROM open_{{ round }}
),
same_{{ round }} AS (
    SELECT cluster, previous_day, previous_cluster
    FROM ranked_{{ round }}
    WHERE rank_today = 1 AND rank_before = 1
),
{% if round == 'second' %}
same_of_previous AS (
    SELECT cluster, previous_day, previous_cluster
    FROM same_first
    UNION ALL
    SELECT cluster, previous_day, previous_cluster
    FROM same_second
),
{% endif %}
{% endfor %}
same AS (
    SELECT cluster, previous_day, previous_cluster
    FROM same_of_previous
    UNION ALL
    SELECT cluster, previous_day, previous_cluster
    FROM same_third
),
heirs AS (
    SELECT same.cluster, pairs.stable_id
    FROM same
    JOIN pairs
        ON pairs.cluster = same.cluster
        AND pairs.previous_day = same.previous_day
        AND pairs.previous_cluster = same.previous_cluster
),
related AS (
    SELECT
        pairs.cluster,
        pairs.previous_cluster,
        pairs.shared,
        pairs.jaccard,
        pairs.entities,
        pairs.previous_entities,
        pairs.previous_day,
        coalesce(
            heirs.stable_id,
            replace(dates.day, '-', '') || '-' || CASE
                WHEN pairs.cluster < 1000000 THEN lpad(CAST(pairs.cluster AS VARCHAR), 6, '0')
                ELSE CAST(pairs.cluster AS VARCHAR)
            END
        ) AS stable_id,
        pairs.previous_day = dates.previous_day AS is_previous,
        dates.day,
        pairs.stable_id AS previous_stable_id,
        pairs.kept,
        pairs.share,
        pairs.similarity,
        CASE WHEN one.cluster IS NOT NULL THEN pairs.evidence END AS evidence,
        CASE
            WHEN one.cluster IS NOT NULL THEN 'same'
            WHEN pairs.previous_day = dates.previous_day AND pairs.shared > 0 AND own.cluster IS NULL
                AND lives.cluster IS NOT NULL
                AND (
                    pairs.kept >= :part
                    OR CAST(pairs.shared AS DOUBLE) >= :match * CAST(pairs.entities AS DOUBLE)
                )
                THEN 'split'
            WHEN pairs.previous_day = dates.previous_day AND pairs.shared > 0 AND lives.cluster IS NULL
                AND pairs.kept >= :match AND pairs.share >= :part
                THEN 'merge'
        END AS relation
    FROM pairs
    CROSS JOIN dates
    LEFT JOIN same AS one
        ON one.cluster = pairs.cluster
        AND one.previous_day = pairs.previous_day
        AND one.previous_cluster = pairs.previous_cluster
    LEFT JOIN same_of_previous AS own ON own.cluster = pairs.cluster
    LEFT JOIN same_of_previous AS lives
        ON lives.previous_day = pairs.previous_day AND lives.previous_cluster = pairs.previous_cluster
    LEFT JOIN heirs ON heirs.cluster = pairs.cluster
)
SELECT
    CAST(cluster AS BIGINT) AS cluster,
    CAST(previous_cluster AS BIGINT) AS previous_cluster,
    CAST(shared AS BIGINT) AS shared,
    CAST(jaccard AS DOUBLE) AS jaccard,
    CAST(entities AS BIGINT) AS entities,
    CAST(previous_entities AS BIGINT) AS previous_entities,
    CAST(previous_day AS VARCHAR) AS previous_day,
    CAST(stable_id AS VARCHAR) AS stable_id,
    CAST(previous_stable_id AS VARCHAR) AS previous_stable_id,
    CAST(kept AS DOUBLE) AS kept,
    CAST(share AS DOUBLE) AS share,
    CAST(similarity AS DOUBLE) AS similarity,
    CAST(evidence AS VARCHAR) AS evidence,
    CAST(relation AS VARCHAR) AS relation,
    CAST(day AS VARCHAR) AS day
FROM related
WHERE relation IS NOT NULL OR (shared > 0 AND is_previous)
