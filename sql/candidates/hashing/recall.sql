-- Fills: nothing; one row: the near pairs of a sample of the points, and the number of them that hashing found.
-- Reads: sampled_candidates, candidates
-- The first table has all near pairs of the sample, the second those that hashing found among all points.
SELECT
    CAST(count(*) AS BIGINT) AS near,
    CAST(count(candidates.point_a) AS BIGINT) AS found
FROM sampled_candidates
LEFT JOIN candidates
    ON candidates.point_a = sampled_candidates.point_a AND candidates.point_b = sampled_candidates.point_b
