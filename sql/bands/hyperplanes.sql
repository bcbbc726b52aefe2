-- Fills: bands(point_id, band, bucket): embeddings with equal buckets in a band are compared.
-- Reads: points
-- Source: Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002: a random plane puts two vectors
-- at the angle a on one side with a chance of 1 - a / pi. A plane adds up a few coordinates, some of them negated (Li,
-- Hastie, Church, "Very sparse random projections", KDD 2006), of 256 that stand for all: 256 multiples of a prime, modulo
-- the number of dimensions, are every coordinate where there are at most 256. A bit of a bucket says on which side of a
-- plane the vector lies.
-- Nothing here depends on other points, so pairs among a sample of the points are found as among all.
WITH drawn AS (
    SELECT
        point_id,
        transform(sequence(1, 256), k -> embedding[1 + k * 1000003 % cardinality(embedding)]) AS x
    FROM points
),
keyed AS (
    SELECT
        point_id,
        ARRAY[
            {% for band in bands %}
            {{ loop.index0 }} * BIGINT '4294967296'
            {% for plane in band %}
            + CASE WHEN {% for number, sign in plane %}{{ sign }}x[{{ number }}] {% endfor %}> 0 THEN {{ 2 ** loop.index0 }} ELSE 0 END
            {% endfor %}
            {{ '' if loop.last else ',' }}
            {% endfor %}
        ] AS keys
    FROM drawn
)
SELECT
    CAST(keyed.point_id AS BIGINT) AS point_id,
    CAST(t.band_and_bucket / 4294967296 AS BIGINT) AS band,
    CAST(t.band_and_bucket % 4294967296 AS BIGINT) AS bucket
FROM keyed
CROSS JOIN UNNEST(keyed.keys) AS t (band_and_bucket)
