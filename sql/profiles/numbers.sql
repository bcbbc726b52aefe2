-- Fills: cluster_features, the rows of numbers: the dimensions of vectors and embeddings.
-- Reads: clusters, points
-- Parameters: :most (ranks to keep), :epsilon (2^-52, the spacing of doubles at 1), :feature0, :feature1, ...
-- (names of the dimensions; :feature0 alone of an array)
-- The z-score is (mean of the cluster - mean of the day) / population deviation of the day, over entities. As in
-- points/scales/standard.sql, the differences from a first mean lose no precision, and a dimension whose variance is
-- within the rounding error of a constant is constant: its deviation is 0, and it has no z-score.
-- order-sensitive: adds up floating-point numbers
{% import "profiles/feature_row.jinja" as feature_row %}
{% if is_array %}
{% set feature = "concat(:feature0, '[', CAST(dimension AS VARCHAR), ']')" %}
{% else %}
{% set feature = feature_row.named('dimension', columns | length, first=1) %}
{% endif %}
WITH labelled AS (
    SELECT
        point_id,
        max(cluster) AS cluster,
        CAST(count(*) AS DOUBLE) AS entities
    FROM clusters
    GROUP BY point_id
),
placed AS (
    SELECT
        labelled.cluster,
        labelled.entities,
        {% if is_array %}
        points."{{ columns[0] }}" AS numbers
        {% else %}
        ARRAY[{% for name in columns %}{{ ', ' if loop.index0 else '' }}points."{{ name }}"{% endfor %}] AS numbers
        {% endif %}
    FROM points
    JOIN labelled ON labelled.point_id = points.point_id
),
listed AS (
    SELECT
        placed.cluster,
        placed.entities,
        t.place AS dimension,
        placed.numbers[t.place] AS value
    FROM placed
    CROSS JOIN UNNEST(sequence(1, {{ 'cardinality(placed.numbers)' if is_array else columns | length }})) AS t (place)
),
first_means AS (
    SELECT
        dimension,
        sum(entities * value) / sum(entities) AS mean
    FROM listed
    GROUP BY dimension
),
differences AS (
    SELECT
        listed.cluster,
        listed.dimension,
        max(first_means.mean) AS mean,
        sum(listed.entities) AS entities,
        sum(listed.entities * (listed.value - first_means.mean)) AS shift,
        sum(listed.entities * (listed.value - first_means.mean) * (listed.value - first_means.mean)) AS square
    FROM listed
    JOIN first_means ON first_means.dimension = listed.dimension
    GROUP BY listed.cluster, listed.dimension
),
moments AS (
    SELECT
        dimension,
        sum(entities) AS entities,
        max(mean) AS mean,
        sum(shift) / sum(entities) AS shift,
        sum(square) / sum(entities) AS square
    FROM differences
    GROUP BY dimension
),
of_day AS (
    SELECT
        dimension,
        shift,
        mean + shift AS mean,
        CASE
            WHEN square - shift * shift
                <= entities * :epsilon * (square - shift * shift)
                + (entities * (mean + shift) * :epsilon) * (entities * (mean + shift) * :epsilon)
            THEN DOUBLE '0'
            ELSE sqrt(square - shift * shift)
        END AS spread
    FROM moments
),
compared AS (
    SELECT
        differences.cluster,
        differences.dimension,
        differences.entities,
        differences.mean + differences.shift / differences.entities AS mean,
        of_day.mean AS day_mean,
        of_day.spread AS day_spread,
        CASE
            WHEN of_day.spread > 0
            THEN (differences.shift / differences.entities - of_day.shift) / of_day.spread
        END AS zscore
    FROM differences
    JOIN of_day ON of_day.dimension = differences.dimension
),
ranked AS (
    SELECT
        cluster,
        dimension,
        entities,
        mean,
        day_mean,
        day_spread,
        zscore,
        row_number() OVER (
            PARTITION BY cluster
            ORDER BY coalesce(abs(zscore), DOUBLE '-1') DESC, dimension
        ) AS rank
    FROM compared
)
SELECT
    {{ feature_row.columns(
        cluster='cluster',
        kind="'number'",
        rank='rank',
        feature=feature,
        entities='entities',
        mean='mean',
        day_mean='day_mean',
        day_spread='day_spread',
        zscore='zscore',
    ) }}
FROM ranked
WHERE rank <= :most
