-- Fills: nothing; one row: pairs out of place and distances that are none or beyond the threshold.
-- Reads: candidates
-- Parameters: :points (how many there are), :threshold
SELECT
    CAST(
        count(
            CASE
                WHEN point_a IS NULL OR point_b IS NULL OR point_a < 0 OR point_a >= point_b OR point_b >= :points THEN 1
            END
        ) AS BIGINT
    ) AS misplaced,
    CAST(
        count(
            CASE
                WHEN distance IS NULL OR is_nan(distance) OR distance < DOUBLE '0' OR distance > :threshold THEN 1
            END
        ) AS BIGINT
    ) AS misjudged
FROM candidates
