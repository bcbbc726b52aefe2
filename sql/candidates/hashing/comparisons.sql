-- Fills: nothing; one row: the number of pairs of points that share a bucket, counted once per band.
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
