-- Fills: shared_entities(day, days_back, previous_cluster, cluster, shared), one row for each pair of clusters that share an entity.
-- Reads: clusters_0, clusters_1 (the day itself and each remembered day, numbered by the days back)
-- Parameters: :day0, :day1, the days of these tables
-- Noise is cluster -1 on both sides, to find returning entities. Its row exists for every day, even with 0.
-- The day is also joined with itself, which gives the sizes.
WITH remembered AS (
    {% for back in days_back %}
    {{ 'UNION ALL' if loop.index0 else '' }}
    SELECT {{ back }} AS days_back, entity, cluster
    FROM clusters_{{ back }}
    {% endfor %}
),
found AS (
    SELECT
        remembered.days_back,
        remembered.cluster AS previous_cluster,
        today.cluster,
        1 AS shared
    FROM remembered
    JOIN clusters_0 AS today ON today.entity = remembered.entity
    UNION ALL
    SELECT
        days.days_back,
        -1 AS previous_cluster,
        -1 AS cluster,
        0 AS shared
    FROM (VALUES {% for back in days_back %}{{ ', ' if loop.index0 else '' }}{{ back }}{% endfor %}) AS days (days_back)
)
SELECT
    CAST(
        CASE days_back {% for back in days_back %}WHEN {{ back }} THEN :day{{ back }} {% endfor %} END AS VARCHAR
    ) AS day,
    CAST(days_back AS BIGINT) AS days_back,
    CAST(previous_cluster AS BIGINT) AS previous_cluster,
    CAST(cluster AS BIGINT) AS cluster,
    CAST(sum(shared) AS BIGINT) AS shared
FROM found
GROUP BY days_back, previous_cluster, cluster
