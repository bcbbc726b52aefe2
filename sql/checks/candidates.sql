-- Fills: nothing; one row: the highest point, the number of unordered pairs, and of invalid distances or distances above the threshold.
-- Reads: candidates
-- Parameters: :threshold
SELECT
    CAST(max(point_b) AS BIGINT) AS highest,
    CAST(
        count(CASE WHEN point_a IS NULL OR point_b IS NULL OR point_a < 0 OR point_a >= point_b THEN 1 END) AS BIGINT
    ) AS misplaced,
    CAST(
        count(
            CASE
                WHEN distance IS NULL OR is_nan(distance) OR distance < DOUBLE '0' OR distance > :threshold THEN 1
            END
        ) AS BIGINT
    ) AS misjudged
FROM candidates
