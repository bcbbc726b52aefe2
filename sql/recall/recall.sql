-- Fills: nothing; one row: near pairs among a sample of the points, and how many of them the hashing found.
-- Reads: sampled_candidates, candidates
-- The first holds all near pairs of the sample, the second what the hashing found among all points.
SELECT
    CAST(count(*) AS BIGINT) AS near,
    CAST(count(candidates.point_a) AS BIGINT) AS found
FROM sampled_candidates
LEFT JOIN candidates
    ON candidates.point_a = sampled_candidates.point_a AND candidates.point_b = sampled_candidates.point_b
