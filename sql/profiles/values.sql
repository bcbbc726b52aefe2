-- Fills: cluster_features, the rows of tokens, categories and texts: values that entities show.
-- Reads: clusters, points, medoids
-- Parameters: :most (ranks to keep), :feature0, :feature1, ... (names of the features)
-- In a cluster of n of the day's N entities, a value that a entities show of the day's b has the lift (a / n) / (b / N).
-- Values are ranked by a / n - b / N, compared in whole numbers as a * N - b * n: lift alone would favour what is rare.
-- The text of the medoid stands before the others.
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
    CAST(cluster AS BIGINT) AS cluster,
    CAST(kind AS VARCHAR) AS kind,
    CAST(rank AS BIGINT) AS rank,
    CAST(
        CASE part
            {% for part in parts %}
            WHEN {{ loop.index0 }} THEN :feature{{ loop.index0 }}
            {% endfor %}
        END AS VARCHAR
    ) AS feature,
    CAST(value AS VARCHAR) AS value,
    CAST(entities AS BIGINT) AS entities,
    CAST(share AS DOUBLE) AS share,
    CAST(day_share AS DOUBLE) AS day_share,
    CAST(share / day_share AS DOUBLE) AS lift,
    CAST(NULL AS DOUBLE) AS mean,
    CAST(NULL AS DOUBLE) AS day_mean,
    CAST(NULL AS DOUBLE) AS day_spread,
    CAST(NULL AS DOUBLE) AS zscore,
    CAST(NULL AS DOUBLE) AS latitude,
    CAST(NULL AS DOUBLE) AS longitude,
    CAST(NULL AS DOUBLE) AS radius_m
FROM ranked
WHERE rank <= :most
