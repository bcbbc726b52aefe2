-- Fills: nothing; one row: an upper bound of the distance tests of a certificate of dense cells.
-- Reads: placed, neighbours, touches, facing
-- Parameters: :min_samples; :corner_tests, pairs of the extreme points of two cells, at most
-- Points of light cells are measured for their weight and, if they are not core, again for a border.
WITH sizes AS (
    SELECT
        cell,
        count(*) AS points,
        max(cell_weight) AS cell_weight
    FROM placed
    GROUP BY cell
),
around AS (
    {% include "candidates/dense_cells/cells/around.sql" %}

),
light AS (
    SELECT coalesce(sum(a.points * b.points), 0) AS tests
    FROM sizes AS a
    JOIN around ON around.cell = a.cell
    JOIN sizes AS b ON b.cell = around.other
    WHERE a.cell_weight < :min_samples
),
guesses AS (
    SELECT count(*) + :corner_tests * count(CASE WHEN NOT is_near THEN 1 END) AS tests
    FROM touches
),
sided AS (
    SELECT
        cell_a,
        cell_b,
        count(CASE WHEN is_a THEN 1 END) AS points_a,
        count(CASE WHEN NOT is_a THEN 1 END) AS points_b
    FROM facing
    GROUP BY cell_a, cell_b
),
crossing AS (
    SELECT coalesce(sum(points_a * points_b), 0) AS tests
    FROM sided
),
stars AS (
    SELECT count(*) AS tests
    FROM placed
)
SELECT CAST(2 * light.tests + guesses.tests + crossing.tests + stars.tests AS BIGINT) AS comparisons
FROM light
CROSS JOIN guesses
CROSS JOIN crossing
CROSS JOIN stars
