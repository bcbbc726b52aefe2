-- Fills: candidates(point_a, point_b, distance): near pairs that give DBSCAN the same clusters as all near pairs.
-- Reads: placed, neighbours, core_points, touches, corners, facing
-- Parameters: :threshold, :reduced_threshold, :diameter (of the Earth), as in candidates/grid/candidates_vector.sql and haversine.sql
-- Sources: Gunawan, "A faster algorithm for DBSCAN", 2013; Gan and Tao, "DBSCAN revisited", SIGMOD 2015.
--
-- The pairs are
--   stars: each point of a cell that holds core points, with the cell's core point of the smallest id;
--   witnesses: for each two cells with near core points one such pair (touches, corners, else crossing);
--   borders: each point that is not core with one near core point of each other cell that has one.
-- Each pair once: pairs of a star lie in one cell, the others in two; witnesses are two core points, borders are not.
--
-- Proof that no pair is lost that a cluster depends on. Cells are narrower here, side = s, and named by their first point.
--   (1) Points of one cell are near. Let t be the threshold, d the number of axes, and the widest difference that the
--       test allows in all axes at once w = t / sqrt(d) (Euclidean), t / d (Manhattan), t (Chebyshev), k / sqrt(3) with
--       the chord k = 2 * sin(t / diameter) (sphere). s = w * (1 - 2^-10), rounded. Where |x / s| < 2^40 + 1, rounding
--       moves a quotient by at most 2^-12.9, so points with one floor differ by at most s * (1 + 2^-11.9), below
--       w * (1 - 2^-11), in each axis. Differences, squares and sums are rounded by less than 1 + 2^-49 in all, so the
--       test holds. On the sphere coordinates are off by 2^-50 and the test by 2^-49, and k * 2^-12 > 2^-43 exceeds both.
--       Points beyond the grid are cells of their own, and so are all points when t < 2^-500 (squares vanish) or
--       k < 2^-30, 6 mm (:is_apart); s is then that of the least t or k.
--   (2) Near points lie in one cell or in neighbouring ones. By (1) to (3) of the proofs in candidates/grid/candidates_vector.sql and
--       haversine.sql their quotients differ by at most t * (1 + 2^-50) / s + 2^-11 < t / s + 2^-10 in each axis (on the
--       sphere k / s + 2^-10). The steps to neighbours are all those up to the next whole number, but for those that
--       leave a gap of more than t: with g = max(|step| - 1, 0) in each axis, points differ by more than
--       (g - 2^-10) * s. Steps of zero find cells that share coordinates.
--   (3) A point is core when the weights of its cell and of the near points of all other cells reach :min_samples.
--       By (1) and (2) those are all its near points.
--   (4) Core points of one cell are joined by its star. Two near core points of different cells are joined by the two
--       stars and the cells' witness. So core points are joined through the table if and only if through all near pairs.
--   (5) For each cell with a core point near a point that is not core, the table has a pair with a core point of that
--       cell: in its own cell from the star, in others a border pair. By (4), these are the same clusters.
--   (6) No rule misses a witness: corners and facing omit only points that are too far from the box around the core
--       points of the other cell (see candidates/dense_cells/cells/facing.sql), and crossing measures all others.
{% import "candidates/grid/cells/measures.jinja" as measures %}
WITH first_cores AS (
    SELECT
        cell,
        min(point_id) AS point_id
    FROM core_points
    GROUP BY cell
),
hubs AS (
    SELECT
        {% for name in columns %}
        core_points.{{ name }},
        {% endfor %}
        core_points.point_id,
        core_points.cell
    FROM core_points
    JOIN first_cores ON first_cores.point_id = core_points.point_id
),
crossing AS (
    {% include "candidates/dense_cells/cells/crossing.sql" %}

),
{% if not all_core %}
outer_points AS (
    SELECT
        {% for name in columns %}
        placed.{{ name }},
        {% endfor %}
        placed.point_id,
        placed.cell
    FROM placed
    LEFT JOIN core_points ON core_points.point_id = placed.point_id
    WHERE core_points.point_id IS NULL
),
around AS (
    {% include "candidates/dense_cells/cells/around.sql" %}

),
reached AS (
    SELECT
        a.point_id AS a_id,
        b.point_id AS b_id,
        b.cell,
        {{ measures.reduced(metric, columns, 'a', 'b') }}
        AS reduced
    FROM outer_points AS a
    JOIN around ON around.cell = a.cell
    JOIN core_points AS b ON b.cell = around.other
),
borders AS (
    SELECT
        a_id,
        b_id,
        reduced,
        row_number() OVER (PARTITION BY a_id, cell ORDER BY b_id) AS place
    FROM reached
    WHERE reduced <= :reduced_threshold
),
{% endif %}
pairs AS (
    SELECT
        a.point_id AS a_id,
        b.point_id AS b_id,
        {{ measures.reduced(metric, columns, 'a', 'b') }}
        AS reduced
    FROM placed AS a
    JOIN hubs AS b ON b.cell = a.cell
    WHERE a.point_id <> b.point_id
    UNION ALL
    SELECT
        point_a AS a_id,
        point_b AS b_id,
        reduced
    FROM touches
    WHERE is_near
    UNION ALL
    SELECT
        point_a AS a_id,
        point_b AS b_id,
        reduced
    FROM corners
    UNION ALL
    SELECT
        a_id,
        b_id,
        reduced
    FROM crossing
    WHERE place = 1
    {% if not all_core %}
    UNION ALL
    SELECT
        a_id,
        b_id,
        reduced
    FROM borders
    WHERE place = 1
    {% endif %}
)
SELECT
    CAST(CASE WHEN a_id < b_id THEN a_id ELSE b_id END AS BIGINT) AS point_a,
    CAST(CASE WHEN a_id < b_id THEN b_id ELSE a_id END AS BIGINT) AS point_b,
    CAST({{ measures.distance(metric) }} AS DOUBLE) AS distance
FROM pairs
