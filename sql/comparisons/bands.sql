-- Fills: nothing; one row: how many pairs of points share a bucket, once for each band in which they do.
-- Reads: bands
WITH buckets AS (
    SELECT
        band,
        bucket,
        count(*) AS points
    FROM bands
    GROUP BY band, bucket
)
SELECT CAST(coalesce(sum(points * (points - 1) / 2), 0) AS BIGINT) AS comparisons
FROM buckets
