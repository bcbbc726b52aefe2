-- Fills: nothing; one row of numbers about the profiles of a day.
-- Reads: profiles
-- order-sensitive: adds up floating-point numbers
SELECT
    CAST(count(CASE WHEN cluster >= 0 THEN 1 END) AS BIGINT) AS clusters,
    CAST(coalesce(max(CASE WHEN cluster >= 0 THEN share END), 0) AS DOUBLE) AS largest_share,
    CAST(count(separation) AS BIGINT) AS separated_clusters,
    CAST(
        sum(CASE WHEN separation IS NOT NULL THEN separation * CAST(entities AS DOUBLE) END)
        / sum(CASE WHEN separation IS NOT NULL THEN CAST(entities AS DOUBLE) END) AS DOUBLE
    ) AS silhouette,
    CAST(
        sum(CASE WHEN cohesion IS NOT NULL THEN cohesion * CAST(entities AS DOUBLE) END)
        / sum(CASE WHEN cohesion IS NOT NULL THEN CAST(entities AS DOUBLE) END) AS DOUBLE
    ) AS cohesion
FROM profiles
