-- Fills: tokens(token, rank): the tokens that at least two points hold, numbered from rare to frequent.
-- Reads: points
-- A token of one point is never common to two, so it needs no number. rank = frequency * 2^32 + number, where the
-- number is unique below 2^32. The prefix filter works with any order of the tokens; this one puts rare tokens into the
-- prefixes. No window spans the day: numbers are counted within 64 ranges of a hash, number k of
-- range r is 64 * k + r.
WITH shown AS (
    SELECT t.token
    FROM points
    CROSS JOIN UNNEST(points.tokens) AS t (token)
),
frequencies AS (
    SELECT
        token,
        count(*) AS frequency
    FROM shown
    GROUP BY token
    HAVING count(*) > 1
),
ranged AS (
    SELECT
        token,
        frequency,
        from_base(substr(to_hex(md5(to_utf8(token))), 1, 7), 16) % 64 AS part
    FROM frequencies
)
SELECT
    CAST(token AS VARCHAR) AS token,
    CAST(
        frequency * BIGINT '4294967296'
        + 64 * (row_number() OVER (PARTITION BY part ORDER BY frequency, token) - 1) + part AS BIGINT
    ) AS rank
FROM ranged
