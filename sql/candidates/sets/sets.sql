-- Fills: sets(point_id, size, bits, rare, ranks): the points that share a token with another one.
-- Reads: points, tokens
-- Parameters: :hot_rank, the lowest rank of a hot token
-- `size` counts all tokens of the set; `ranks` are those that other points hold too, ascending. Each of them sets a bit
-- of `bits`: bit rank % 63, which leaves the sign alone. The first `rare` of them are not hot.
WITH shown AS (
    SELECT
        points.point_id,
        cardinality(points.tokens) AS size,
        t.token
    FROM points
    CROSS JOIN UNNEST(points.tokens) AS t (token)
),
numbered AS (
    SELECT
        token,
        rank,
        bitwise_left_shift(BIGINT '1', CAST(rank % 63 AS INTEGER)) AS bit
    FROM tokens
)
SELECT
    CAST(shown.point_id AS BIGINT) AS point_id,
    CAST(min(shown.size) AS BIGINT) AS size,
    CAST(bitwise_or_agg(numbered.bit) AS BIGINT) AS bits,
    CAST(count(CASE WHEN numbered.rank < :hot_rank THEN 1 END) AS BIGINT) AS rare,
    CAST(array_sort(array_agg(numbered.rank)) AS ARRAY(BIGINT)) AS ranks
FROM shown
JOIN numbered ON numbered.token = shown.token
GROUP BY shown.point_id
