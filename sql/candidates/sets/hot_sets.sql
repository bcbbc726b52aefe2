-- Fills: hot_sets(point_id, class, size, bits, ranks): the sets that can be near another one by hot tokens alone.
-- Reads: sets
-- Parameters: :hot_rank, the lowest rank of a hot token; :ratio as in candidates/sets/candidates.sql
-- `ranks` and `bits` are those of the hot tokens. Points with equal size and equal hot tokens form a class, named
-- after its lowest point; the row with point_id = class represents the class.
-- The minimum number of hot tokens is that of candidates/sets/candidates.sql for the larger set; with at least as many,
-- the token that far from the end is hot.
WITH needed AS (
    SELECT
        point_id,
        size,
        ranks,
        cardinality(ranks) + 1 - CAST(greatest(DOUBLE '1', ceil(:ratio * size)) AS BIGINT) AS last_position
    FROM sets
),
held AS (
    SELECT
        point_id,
        size,
        filter(ranks, r -> r >= :hot_rank) AS ranks
    FROM needed
    WHERE last_position >= 1 AND element_at(ranks, greatest(1, last_position)) >= :hot_rank
),
classes AS (
    SELECT
        size,
        ranks,
        min(point_id) AS class
    FROM held
    GROUP BY size, ranks
),
tokens_of_classes AS (
    SELECT
        classes.class,
        t.rank
    FROM classes
    CROSS JOIN UNNEST(classes.ranks) AS t (rank)
),
bits_of_classes AS (
    SELECT
        class,
        bitwise_or_agg(bitwise_left_shift(BIGINT '1', CAST(rank % 63 AS INTEGER))) AS bits
    FROM tokens_of_classes
    GROUP BY class
)
SELECT
    CAST(held.point_id AS BIGINT) AS point_id,
    CAST(classes.class AS BIGINT) AS class,
    CAST(held.size AS BIGINT) AS size,
    CAST(bits_of_classes.bits AS BIGINT) AS bits,
    CAST(held.ranks AS ARRAY(BIGINT)) AS ranks
FROM held
JOIN classes ON classes.size = held.size AND classes.ranks = held.ranks
JOIN bits_of_classes ON bits_of_classes.class = classes.class
