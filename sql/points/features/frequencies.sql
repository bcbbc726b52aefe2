-- Fills: frequencies(token, entities, is_kept): the number of entities with each token, and whether the token is kept.
-- Reads: features
-- Parameters: :min_df, :max_df (numbers or shares of entities with a token)
-- The bounds are those of scikit-learn's CountVectorizer: a share times the entities, as a double, inclusive.
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
