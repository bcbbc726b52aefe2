-- Fills: scratch located(point_id, <measured columns>, c0, ...): the points with their grid cells.
-- Reads: points
-- Parameters: :side of a cell
-- An engine that keeps scratch tables sorts this one by c0, so that points that meet in a join are close in memory.
WITH cells AS (
    {% include cells %}

)
SELECT
    CAST(point_id AS BIGINT) AS point_id
    {% for name in columns %}
    , CAST({{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
    {% for k in range(axes) %}
    , CAST(c{{ k }} AS BIGINT) AS c{{ k }}
    {% endfor %}
FROM cells
