-- Fills: scratch located(point_id, <what distances are measured on>, c0, ...): the points with their grid cells.
-- Reads: points
-- Parameters: :side of a cell
-- An engine that keeps scratch tables sorts these by c0: points that meet in a join then lie near each other in memory.
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
