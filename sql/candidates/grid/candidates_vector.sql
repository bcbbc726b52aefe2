-- Fills: candidates(point_a, point_b, distance) within a Euclidean, Manhattan or Chebyshev threshold.
-- Reads: located
-- Parameters: :threshold (Euclidean only), :reduced_threshold
--
-- The test is the one of scikit-learn's KD-trees, all in doubles: `reduced` against :reduced_threshold, with
--   euclidean: the squares of the differences, added in the order of the dimensions; fl(threshold * threshold);
--   manhattan: the sizes of the differences, added in the order of the dimensions; threshold;
--   chebyshev: the largest size of a difference; threshold.
--
-- Proof that no pair is lost. Points lie in cells of a grid on the first one to three dimensions,
-- c = clamp(floor(fl(x / side))) between -2^40 and 2^40 (candidates/grid/cells/vector.sql, in `located`); each point is compared with those of its own and of all
-- neighbouring cells. So it is enough that near points differ by at most 1 in each cell coordinate.
--   (1) A near pair has |x - y| <= t * (1 + 2^-50) in each dimension, t = max(threshold, 2^-500). Rounding to doubles is
--       monotone and all terms are >= 0, so no rounded term exceeds the rounded sum or maximum, which is at most
--       :reduced_threshold. Manhattan and Chebyshev: the rounded difference is <= threshold, and a difference of doubles
--       is rounded by a factor of 1 + 2^-53 at most. Euclidean: its rounded square is <= fl(t^2); t^2 >= 2^-1000 is a
--       normal number, so one rounding costs such a factor on each side, and the rounded difference another one.
--       (Below 2^-500 squares underflow: the test itself sees no threshold there.)
--   (2) side = fl(t * (1 + 2^-10)), so |x - y| / side <= 1 - 2^-10 + 2^-19.
--   (3) Where |x / side| <= 2^40 + 2, the rounding of the quotient moves it by at most 2^-12, two of them by 2^-11. So
--       the quotients differ by at most 1 - 2^-10 + 2^-19 + 2^-11 < 1, and their floors by at most 1. Clamping is
--       monotone and never widens a difference. Beyond that range both points are clamped to one cell, or one is
--       clamped and the other within 2 of the border, where (3) holds.
-- |x| <= 1e150 and side >= 2^-500 keep every quotient, square and sum finite.
-- Each pair once: of the 3^axes - 1 neighbours only the half above the own cell is looked up; within a cell a < b.
{% import "candidates/grid/cells/measures.jinja" as measures %}
WITH steps AS (
    {% include "candidates/grid/cells/steps.sql" %}

),
reaching AS (
    {% set carried = columns %}
    {% include "candidates/grid/cells/reaching.sql" %}

),
measured AS (
    SELECT
        a.point_id AS a_id,
        b.point_id AS b_id,
        {{ measures.reduced(metric, columns, 'a', 'b') }}
        AS reduced
    FROM reaching AS a
    JOIN located AS b
        ON {% for k in range(axes) %}{{ 'AND ' if loop.index0 else '' }}b.c{{ k }} = a.c{{ k }} {% endfor %}

    WHERE NOT a.same OR a.point_id < b.point_id
)
SELECT
    CAST(CASE WHEN a_id < b_id THEN a_id ELSE b_id END AS BIGINT) AS point_a,
    CAST(CASE WHEN a_id < b_id THEN b_id ELSE a_id END AS BIGINT) AS point_b,
    CAST({{ measures.distance(metric) }} AS DOUBLE) AS distance
FROM measured
WHERE reduced <= :reduced_threshold
