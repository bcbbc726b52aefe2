-- Fills: frequencies(token, entities, is_kept): how many entities of the day show each token, and whether it counts.
-- Reads: features
-- Parameters: :min_df, :max_df (numbers of entities, or shares of all entities that show a token)
-- The borders are those of scikit-learn's CountVectorizer: a share times the entities, as a double, itself within.
WITH shown AS (
    SELECT t.token
    FROM features
    CROSS JOIN UNNEST(features.tokens) AS t (token)
),
day AS (
    SELECT CAST(count(tokens) AS DOUBLE) AS entities
    FROM features
),
counted AS (
    SELECT
        token,
        count(*) AS entities
    FROM shown
    GROUP BY token
)
SELECT
    CAST(counted.token AS VARCHAR) AS token,
    CAST(counted.entities AS BIGINT) AS entities,
    CAST(
        CAST(counted.entities AS DOUBLE) >= {{ ':min_df * day.entities' if min_is_share else 'CAST(:min_df AS DOUBLE)' }}
        AND CAST(counted.entities AS DOUBLE) <= {{ ':max_df * day.entities' if max_is_share else 'CAST(:max_df AS DOUBLE)' }}
        AS BOOLEAN
    ) AS is_kept
FROM counted
CROSS JOIN day
