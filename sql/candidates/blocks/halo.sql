-- Fills: scratch blocks(point_id, is_halo, x0, x1, ..., block): the points of a block, and the points near it.
-- Reads: points, boxes
-- Parameters: :home, the number of a point's home block; :reach
--
-- Proof that no pair is lost, and that each is met once. A point has one home block; it also lies in the halo of each
-- block with a lower number to whose box it is within :reach on every axis. A block's worker measures the pairs of two
-- points at home, and those of a point at home with one of the halo. So a pair p, q with homes b <= c can be met in b
-- only: q is in no halo of a block above c, p and q are not both in a halo that is measured, and p is in no halo of c.
-- It is met there when b = c. Otherwise it is enough that a near q is within :reach of the box of b on every axis:
--   (1) A near pair has |fl(x - y)| <= t * (1 + 2^-50) in each dimension, t = max(threshold, 2^-500), whether the metric is
--       Euclidean, Manhattan or Chebyshev: see step (1) of candidates/grid/candidates_vector.sql.
--   (2) low <= p <= high are the box's ends on that axis. Rounding is monotone, so fl(low - q) <= fl(p - q) and
--       fl(q - high) <= fl(q - p): both are at most |fl(p - q)|.
--   (3) :reach = fl(t * (1 + 2^-10)) lies above the bound of (1).
-- A box is that of the points, not of the cuts, so that no point falls between two boxes.
WITH homes AS (
    SELECT
        point_id
        {% for name in columns %}
        , {{ name }}
        {% endfor %}
        , :home AS home
    FROM points
)
SELECT
    CAST(homes.point_id AS BIGINT) AS point_id,
    CAST(CASE WHEN boxes.block = homes.home THEN 0 ELSE 1 END AS BIGINT) AS is_halo
    {% for name in columns %}
    , CAST(homes.{{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
    , CAST(boxes.block AS BIGINT) AS block
FROM homes
CROSS JOIN boxes
WHERE boxes.block <= homes.home
    {% for name in columns %}
    AND boxes.low{{ loop.index0 }} - homes.{{ name }} <= :reach AND homes.{{ name }} - boxes.high{{ loop.index0 }} <= :reach
    {% endfor %}
