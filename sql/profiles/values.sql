-- Fills: cluster_features, the rows of tokens, categories and texts: values of entities.
-- Reads: clusters, points, medoids
-- Parameters: :most (ranks to keep), :feature0, :feature1, ... (names of the features)
-- If a of a cluster's n entities and b of the day's N entities have a value, its lift is (a / n) / (b / N). Values are
-- ranked by a / n - b / N, compared in integers as a * N - b * n, because the lift alone would favour rare values.
-- The text of the medoid comes first.
{% import "profiles/feature_row.jinja" as feature_row %}
{% set feature = feature_row.named('part', parts | length, first=0) %}
WITH labelled AS (
    SELECT
        point_id,
        max(cluster) AS cluster,
        CAST(count(*) AS BIGINT) AS entities
    FROM clusters
    GROUP BY point_id
),
middles AS (
    SELECT point_id
    FROM medoids
    WHERE rank = 0
),
shown AS (
    {% for part in parts %}
    {{ 'UNION ALL' if loop.index0 }}
    SELECT
        labelled.cluster,
        '{{ part.kind }}' AS kind,
        {{ loop.index0 }} AS part,
        {% if part.is_set %}
        t.value AS value,
        {% else %}
        points."{{ part.column }}" AS value,
        {% endif %}
        labelled.entities,
        {% if part.kind == 'text' %}
        CASE WHEN middles.point_id IS NULL THEN 0 ELSE 1 END AS is_typical
        {% else %}
        0 AS is_typical
        {% endif %}
    FROM points
    JOIN labelled ON labelled.point_id = points.point_id
    {% if part.kind == 'text' %}
    LEFT JOIN middles ON middles.point_id = points.point_id
    {% endif %}
    {% if part.is_set %}
    CROSS JOIN UNNEST(points."{{ part.column }}") AS t (value)
    {% endif %}
    {% endfor %}
),
counted AS (
    SELECT
        cluster,
        kind,
        part,
        value,
        CAST(sum(entities) AS BIGINT) AS entities,
        max(is_typical) AS is_typical
    FROM shown
    GROUP BY cluster, kind, part, value
),
of_day AS (
    SELECT
        part,
        value,
        CAST(sum(entities) AS BIGINT) AS entities
    FROM counted
    GROUP BY part, value
),
sizes AS (
    SELECT
        cluster,
        CAST(sum(entities) AS BIGINT) AS entities
    FROM labelled
    GROUP BY cluster
),
day AS (
    SELECT CAST(sum(entities) AS BIGINT) AS entities
    FROM labelled
),
compared AS (
    SELECT
        counted.cluster,
        counted.kind,
        counted.part,
        counted.value,
        counted.entities,
        counted.is_typical,
        counted.entities * day.entities - of_day.entities * sizes.entities AS gain,
        CAST(counted.entities AS DOUBLE) / CAST(sizes.entities AS DOUBLE) AS share,
        CAST(of_day.entities AS DOUBLE) / CAST(day.entities AS DOUBLE) AS day_share
    FROM counted
    JOIN of_day ON of_day.part = counted.part AND of_day.value = counted.value
    JOIN sizes ON sizes.cluster = counted.cluster
    CROSS JOIN day
),
ranked AS (
    SELECT
        cluster,
        kind,
        part,
        value,
        entities,
        share,
        day_share,
        row_number() OVER (
            PARTITION BY cluster, kind
            ORDER BY is_typical DESC, gain DESC, entities DESC, part, value
        ) AS rank
    FROM compared
)
SELECT
    {{ feature_row.columns(
        cluster='cluster',
        kind='kind',
        rank='rank',
        feature=feature,
        value='value',
        entities='entities',
        share='share',
        day_share='day_share',
        lift='share / day_share',
    ) }}
FROM ranked
WHERE rank <= :most
