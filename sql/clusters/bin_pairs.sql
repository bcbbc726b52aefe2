-- Fills: scratch bin_pairs(point_a, point_b, distance, bin): the near pairs of some bins.
-- Reads: candidates, bins
-- Parameters: :first, :last, numbers of bins; a statement writes at most 100 of them
-- Both points of a pair are in the same component, and therefore in the same bin.
SELECT
    CAST(candidates.point_a AS BIGINT) AS point_a,
    CAST(candidates.point_b AS BIGINT) AS point_b,
    CAST(candidates.distance AS DOUBLE) AS distance,
    CAST(bins.bin AS BIGINT) AS bin
FROM candidates
JOIN bins ON bins.point_id = candidates.point_a
WHERE bins.bin BETWEEN :first AND :last
