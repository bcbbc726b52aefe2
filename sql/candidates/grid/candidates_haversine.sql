-- Fills: candidates(point_a, point_b, distance) within a great-circle threshold in metres.
-- Reads: located
-- Parameters: :threshold; :diameter = 2 * 6371008.8; :reduced_threshold = sin(threshold / diameter)^2, or 2 when that
-- is 1 (half way round: every pair is near, whatever the last bit). `located` (see candidates/grid/located_haversine.sql) has
-- cells :side wide, in radii of the Earth, on faces that reach :margin = 2 * :side beyond their edges.
--
-- The test is the one of scikit-learn's haversine BallTree on radians:
--   r = sin((lat1 - lat2) / 2)^2 + cos(lat1) * cos(lat2) * sin((lon1 - lon2) / 2)^2 <= sin(threshold / diameter)^2.
--
-- Proof that no pair is lost. Both the test and the cells start from the same doubles in radians, so their conversion
-- needs no bound. The points with these angles lie on the unit sphere at a straight distance (chord) of 2 * sqrt(r): it
-- grows with the angle between them from 0 to pi, and no coordinate of two points differs by more than their chord. The
-- poles and the antimeridian are ordinary places of the sphere.
--   (1) Let k = 2 * sin(threshold / diameter). The sines are off by at most 2^-51 (the longitudes' difference may be
--       near 2 pi, where its rounding is that large), which moves the chord, a length, by at most 2^-50; products and
--       sums add a relative error below 2^-48, and squares that underflow less than 2^-510. So a near pair has a chord
--       of at most k * (1 + 2^-47) + 2^-49.
--   (2) A coordinate is at most 1 and off by less than 2^-50, two of them by 2^-49. Rounding the quotient by the side
--       is like moving the coordinate by another 2^-53.
--   (3) side = k * (1 + 2^-10) + 2^-40, rounded, exceeds the sum of all these, k * (1 + 2^-47) + 2^-49 + 2^-49 + 2^-52.
--       So the quotients of a near pair differ by less than 1, their floors by at most 1, in every axis, and comparing
--       each point with its own and all neighbouring cells of two axes meets every near pair that shares a face. Cells
--       are below 2^40 + 2, exact as BIGINT.
--   (4) A near pair shares the home of a, and that of b. Let `top` be the largest size of a computed coordinate, e the
--       largest difference of the pair's coordinates, e < side * (1 - 2^-11) by (3). The size of a's top coordinate is
--       in b at least top(a) - e >= top(b) - 2e, above top(b) - :margin however that is rounded. Its sign is the same:
--       faces are used for side < 1/8 only, and top(a) > 1/2, as the squares of three coordinates add up to 1.
-- Each pair once: it counts on one face, the lower of the two homes; there, of the 8 neighbours of a cell only the 4 above
-- it are looked up; within a cell a < b.
WITH steps AS (
    {% include "candidates/grid/cells/steps.sql" %}

),
reaching AS (
    {% set carried = ['latitude', 'longitude', 'cos_latitude', 'home', 'face'] %}
    {% include "candidates/grid/cells/reaching.sql" %}

),
halves AS (
    SELECT
        a.point_id AS a_id,
        b.point_id AS b_id,
        sin(DOUBLE '0.5' * (a.latitude - b.latitude)) AS sin_latitude,
        sin(DOUBLE '0.5' * (a.longitude - b.longitude)) AS sin_longitude,
        a.cos_latitude * b.cos_latitude AS cosines
    FROM reaching AS a
    JOIN located AS b ON b.face = a.face AND b.c0 = a.c0 AND b.c1 = a.c1
    WHERE (NOT a.same OR a.point_id < b.point_id) AND least(a.home, b.home) = a.face
),
measured AS (
    SELECT
        a_id,
        b_id,
        sin_latitude * sin_latitude + cosines * sin_longitude * sin_longitude AS reduced
    FROM halves
),
near AS (
    SELECT
        a_id,
        b_id,
        :diameter * asin(CASE WHEN reduced < 1 THEN sqrt(reduced) ELSE DOUBLE '1' END) AS metres
    FROM measured
    WHERE reduced <= :reduced_threshold
)
SELECT
    CAST(CASE WHEN a_id < b_id THEN a_id ELSE b_id END AS BIGINT) AS point_a,
    CAST(CASE WHEN a_id < b_id THEN b_id ELSE a_id END AS BIGINT) AS point_b,
    CAST(CASE WHEN metres < :threshold THEN metres ELSE :threshold END AS DOUBLE) AS distance
FROM near
