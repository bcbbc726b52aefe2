-- Fills: scratch units(point_id, embedding): embeddings divided by their lengths.
-- Reads: points
-- The order of operations is that of candidates/grid/cells/cosine.sql: y = x * 2^700 where every |x| < 2^-400, whose squares would
-- vanish, else x (both exact); length = sqrt(y0 * y0 + y1 * y1 + ...), added in the order of the dimensions; y / length.
WITH magnified AS (
    SELECT
        point_id,
        CASE
            WHEN cardinality(filter(embedding, x -> abs(x) >= DOUBLE '3.8725919148493183e-121')) = 0
                THEN transform(embedding, x -> x * DOUBLE '5.260135901548374e+210')
            ELSE embedding
        END AS embedding
    FROM points
),
measured AS (
    SELECT
        point_id,
        embedding,
        sqrt(reduce(embedding, DOUBLE '0', (total, x) -> total + x * x, total -> total)) AS length
    FROM magnified
)
SELECT
    CAST(point_id AS BIGINT) AS point_id,
    CAST(
        transform(embedding, x -> x / CASE WHEN length = 0 THEN DOUBLE '1' ELSE length END) AS ARRAY(DOUBLE)
    ) AS embedding
FROM measured
