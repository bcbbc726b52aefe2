-- Fills: scales(dimension, entities, center, spread): the mean of each dimension and its population deviation.
-- Reads: features
-- Parameters: :is_valid, :epsilon (2^-52, the spacing of doubles at 1)
-- Two passes: the differences from a first mean lose no precision, and their sum corrects that mean and the variance,
-- so that the row order hardly affects the last bit. A dimension whose variance is within the rounding error of a
-- constant is not scaled (spread 1); the bound is that of scikit-learn's StandardScaler.
-- order-sensitive: adds up floating-point numbers
WITH listed AS (
    {% include 'points/scales/listed.sql' %}
),
first_means AS (
    SELECT
        dimension,
        CAST(count(*) AS DOUBLE) AS n,
        sum(value) / CAST(count(*) AS DOUBLE) AS mean
    FROM listed
    GROUP BY dimension
),
differences AS (
    SELECT
        listed.dimension,
        max(first_means.n) AS n,
        max(first_means.mean) AS mean,
        sum(listed.value - first_means.mean) / max(first_means.n) AS shift,
        sum((listed.value - first_means.mean) * (listed.value - first_means.mean)) / max(first_means.n) AS square
    FROM listed
    JOIN first_means ON first_means.dimension = listed.dimension
    GROUP BY listed.dimension
),
moments AS (
    SELECT
        dimension,
        n,
        mean + shift AS mean,
        square - shift * shift AS variance
    FROM differences
)
SELECT
    CAST(dimension AS BIGINT) AS dimension,
    CAST(n AS BIGINT) AS entities,
    CAST(mean AS DOUBLE) AS center,
    CAST(
        CASE
            WHEN variance <= n * :epsilon * variance + (n * mean * :epsilon) * (n * mean * :epsilon) THEN DOUBLE '1'
            ELSE sqrt(variance)
        END AS DOUBLE
    ) AS spread
FROM moments
