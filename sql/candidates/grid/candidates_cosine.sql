-- Fills: candidates(point_a, point_b, distance) within a cosine threshold of vectors.
-- Reads: located
-- Parameters: :threshold
--
-- The test, all in doubles: 1 - (u0 * v0 + u1 * v1 + ...) <= threshold, added in the order of the dimensions, where u and
-- v are the points divided by their lengths (candidates/grid/cells/cosine.sql, in `located`), and the distance is cut to 0..2.
--
-- Proof that no pair is lost. There are d <= 500 dimensions. Points lie in cells of a grid on the first one to three
-- coordinates of u, c = floor(fl(u / side)); each is compared with those of its own and of all neighbouring cells. So it
-- is enough that near points differ by at most 1 in each cell coordinate.
--   (1) A length is off by a factor of at most 1 + (d / 2 + 2) * 2^-53, a quotient by one more 1 + 2^-53, and squares that
--       underflow add less than 2^-200. So |u|^2 lies within 1 +- 2^-43; the vector of zeros has |u| = 0.
--   (2) The computed product of u and v is off by at most (d + 1) * 2^-53 * |u| * |v| < 2^-43, its difference from 1 by
--       2^-52 more. Cutting to 0..2 moves no distance across a threshold in 0..2.
--   (3) So a near pair has |u - v|^2 = |u|^2 + |v|^2 - 2 * (u, v) <= 2 + 2^-42 - 2 * (1 - threshold - 2^-43 - 2^-52)
--       <= 2 * threshold + 2^-40, and no coordinate differs by more than k = sqrt(2 * threshold + 2^-40). With a vector
--       of zeros the product is 0, so near means threshold >= 1, and u differs by at most 1 + 2^-43 < k.
--   (4) side = k * (1 + 2^-10), rounded. |u| / side < 2^20 + 1, so rounding moves a quotient by less than 2^-32. The
--       quotients of a near pair differ by at most 1 - 2^-10 + 2^-19 + 2^-31 < 1, their floors by at most 1.
-- Each pair once: of the 3^axes - 1 neighbours only the half above the own cell is looked up; within a cell a < b.
WITH steps AS (
    {% include "candidates/grid/cells/steps.sql" %}

),
reaching AS (
    {% set carried = columns %}
    {% include "candidates/grid/cells/reaching.sql" %}

),
multiplied AS (
    SELECT
        a.point_id AS a_id,
        b.point_id AS b_id,
        {% for k in range(dimensions) %}
        {{ '+ ' if loop.index0 else '' }}a.x{{ k }} * b.x{{ k }}
        {% endfor %}
        AS product
    FROM reaching AS a
    JOIN located AS b
        ON {% for k in range(axes) %}{{ 'AND ' if loop.index0 else '' }}b.c{{ k }} = a.c{{ k }} {% endfor %}

    WHERE NOT a.same OR a.point_id < b.point_id
),
measured AS (
    SELECT
        a_id,
        b_id,
        CASE WHEN product >= 1 THEN DOUBLE '0' WHEN product <= -1 THEN DOUBLE '2' ELSE 1 - product END AS distance
    FROM multiplied
)
SELECT
    CAST(CASE WHEN a_id < b_id THEN a_id ELSE b_id END AS BIGINT) AS point_a,
    CAST(CASE WHEN a_id < b_id THEN b_id ELSE a_id END AS BIGINT) AS point_b,
    CAST(distance AS DOUBLE) AS distance
FROM measured
WHERE distance <= :threshold
