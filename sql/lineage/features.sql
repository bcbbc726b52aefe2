-- Fills: shared_features(days_back, previous_cluster, cluster, similarity), one row for each pair of clusters that share a feature value.
-- Reads: clusters_0, points_0, clusters_1, points_1 (the day itself and each remembered day, numbered by the days back)
-- The similarity is the overlap of two histograms: the sum over all values of min(share in one, share in the other),
-- between 0 and 1. It is summed in integers, min(w1 * n2, w2 * n1), so that the row order does not matter.
WITH clustered AS (
    {% for back in days_back %}
    {{ 'UNION ALL' if loop.index0 else '' }}
    SELECT {{ back }} AS days_back, point_id, cluster
    FROM clusters_{{ back }}
    WHERE cluster >= 0
    {% endfor %}
),
described AS (
    {% for back in days_back %}
    {{ 'UNION ALL' if loop.index0 else '' }}
    SELECT {{ back }} AS days_back, point_id, {{ columns | join(', ') }}
    FROM points_{{ back }}
    {% endfor %}
),
labels AS (
    SELECT days_back, point_id, cluster, count(*) AS weight
    FROM clustered
    GROUP BY days_back, point_id, cluster
),
sizes AS (
    SELECT days_back, cluster, count(*) AS entities
    FROM clustered
    GROUP BY days_back, cluster
),
shown AS (
    SELECT
        labels.days_back,
        labels.cluster,
        labels.weight,
        {% for name in columns %}
        described.{{ name }},
        {% endfor %}
        sizes.entities
    FROM labels
    JOIN sizes ON sizes.days_back = labels.days_back AND sizes.cluster = labels.cluster
    JOIN described ON described.days_back = labels.days_back AND described.point_id = labels.point_id
),
common AS (
    SELECT
        remembered.days_back,
        remembered.cluster AS previous_cluster,
        today.cluster,
        today.entities * remembered.entities AS largest,
        sum(least(remembered.weight * today.entities, today.weight * remembered.entities)) AS overlap
    FROM shown AS remembered
    JOIN shown AS today
        ON {% for name in columns %}{{ 'AND ' if loop.index0 else '' }}today.{{ name }} = remembered.{{ name }} {% endfor %}

    WHERE remembered.days_back > 0 AND today.days_back = 0
    GROUP BY remembered.days_back, remembered.cluster, today.cluster, today.entities * remembered.entities
)
SELECT
    CAST(days_back AS BIGINT) AS days_back,
    CAST(previous_cluster AS BIGINT) AS previous_cluster,
    CAST(cluster AS BIGINT) AS cluster,
    CAST(CAST(overlap AS DOUBLE) / CAST(largest AS DOUBLE) AS DOUBLE) AS similarity
FROM common
