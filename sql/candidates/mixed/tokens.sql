-- Fills: tokens(feature, point_id, token, position, size): the sets of the points, for each feature that is a set.
-- Reads: points
-- Positions count from 1, the rarest token of a feature first, as in candidates/sets/tokens.sql.
WITH shown AS (
    {% for k, name in sets %}
    {{ 'UNION ALL' if loop.index0 }}
    SELECT
        {{ k }} AS feature,
        points.point_id,
        t.token,
        cardinality(points."{{ name }}") AS size
    FROM points
    CROSS JOIN UNNEST(points."{{ name }}") AS t (token)
    {% endfor %}
),
frequencies AS (
    SELECT
        feature,
        token,
        count(*) AS frequency
    FROM shown
    GROUP BY feature, token
)
SELECT
    CAST(shown.feature AS BIGINT) AS feature,
    CAST(shown.point_id AS BIGINT) AS point_id,
    CAST(shown.token AS VARCHAR) AS token,
    CAST(
        row_number() OVER (
            PARTITION BY shown.feature, shown.point_id ORDER BY frequencies.frequency, shown.token
        ) AS BIGINT
    ) AS position,
    CAST(shown.size AS BIGINT) AS size
FROM shown
JOIN frequencies ON frequencies.feature = shown.feature AND frequencies.token = shown.token
