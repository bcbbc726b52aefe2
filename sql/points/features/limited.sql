-- Fills: features(entity, tokens): the same entities, with only the kept tokens.
-- Reads: features, frequencies
-- A set that loses all its tokens is empty; a set that was null, because it had no token, stays null.
WITH remaining AS (
    SELECT
        features.entity,
        array_agg(t.token) AS tokens
    FROM features
    CROSS JOIN UNNEST(features.tokens) AS t (token)
    JOIN frequencies ON frequencies.token = t.token
    WHERE frequencies.is_kept
    GROUP BY features.entity
)
SELECT
    CAST(features.entity AS VARCHAR) AS entity,
    CAST(
        CASE
            WHEN remaining.tokens IS NOT NULL THEN array_sort(remaining.tokens)
            WHEN features.tokens IS NOT NULL THEN CAST(ARRAY[] AS ARRAY(VARCHAR))
        END AS ARRAY(VARCHAR)
    ) AS tokens
FROM features
LEFT JOIN remaining ON remaining.entity = features.entity
