-- Fills: bands(point_id, band, bucket): embeddings with equal buckets in a band are compared.
-- Reads: points
-- Source: Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002: two vectors at the angle a are
-- on the same side of a random plane with a probability of 1 - a / pi. A plane sums a few coordinates, some of them
-- negated (Li, Hastie, Church, "Very sparse random projections", KDD 2006), out of 256: the 256 multiples of a prime,
-- modulo the number of dimensions, include every coordinate if there are at most 256. A bit of a bucket is the side of a
-- plane.
-- Planes are data, one row of `planes` for each band, and one lambda measures them all: Trino compiles each expression to
-- a Java method of at most 64 KB, which the 2,000 terms of all planes would exceed. Number 256 + k is coordinate k
-- negated, so that a plane is a sum.
-- Nothing here depends on other points, so pairs of a sample are found exactly as among all points.
WITH drawn AS (
    SELECT
        point_id,
        transform(sequence(1, 256), k -> embedding[1 + k * 1000003 % cardinality(embedding)]) AS x
    FROM points
),
signed AS (
    SELECT
        point_id,
        x || transform(x, v -> - v) AS x
    FROM drawn
),
planes AS (
    SELECT
        band,
        numbers
    FROM (
        VALUES
            {% for band in bands %}
            ({{ loop.index0 }}, ARRAY[{% for plane in band %}{{ ', ' if loop.index0 else '' }}{{ plane | join(', ') }}{% endfor %}]){{ '' if loop.last else ',' }}
            {% endfor %}
    ) AS v (band, numbers)
),
sided AS (
    SELECT
        signed.point_id,
        planes.band,
        transform(
            sequence(0, {{ bands[0] | length - 1 }}),
            k -> CASE WHEN {% for _ in bands[0][0] %}{{ ' + ' if loop.index0 else '' }}signed.x[planes.numbers[{{ bands[0][0] | length }} * k + {{ loop.index }}]]{% endfor %} > 0 THEN 1 ELSE 0 END
        ) AS sides
    FROM signed
    CROSS JOIN planes
)
SELECT
    CAST(point_id AS BIGINT) AS point_id,
    CAST(band AS BIGINT) AS band,
    CAST(reduce(sides, BIGINT '0', (bucket, side) -> 2 * bucket + side, bucket -> bucket) AS BIGINT) AS bucket
FROM sided
