-- Fills: nothing; one row for each feature and bin of the day or of the days before it: what they hold.
-- Reads: histograms, trailing (the histograms of the days before)
-- Each day before counts alike, however large it was: their shares are added up, not their entities.
-- order-sensitive: adds up floating-point numbers
WITH totals AS (
    SELECT
        day,
        feature,
        sum(entities) AS entities
    FROM trailing
    GROUP BY day, feature
),
listed AS (
    SELECT
        feature,
        bin,
        entities AS today,
        DOUBLE '0' AS share,
        BIGINT '0' AS earlier
    FROM histograms
    UNION ALL
    SELECT
        trailing.feature,
        trailing.bin,
        BIGINT '0' AS today,
        CAST(trailing.entities AS DOUBLE) / CAST(totals.entities AS DOUBLE) AS share,
        trailing.entities AS earlier
    FROM trailing
    JOIN totals ON totals.day = trailing.day AND totals.feature = trailing.feature
)
SELECT
    CAST(feature AS VARCHAR) AS feature,
    CAST(bin AS VARCHAR) AS bin,
    CAST(sum(today) AS BIGINT) AS today,
    CAST(sum(share) AS DOUBLE) AS share,
    CAST(sum(earlier) AS BIGINT) AS earlier
FROM listed
GROUP BY feature, bin
ORDER BY feature, bin
