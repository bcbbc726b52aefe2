-- Fills: nothing; one row: the number of ordered pairs of every k-th point, k = :every, that share a cell; places in cubes.
-- Reads: points
-- Parameters: :every, :side of a cell, for places in radii of the Earth
WITH located AS (
    {% if is_geo %}
    {% include "candidates/grid/cells/haversine.sql" %}

    {% else %}
    SELECT
        point_id
        {% for k in range(axes) %}
        , floor(x{{ k }} / :side) AS c{{ k }}
        {% endfor %}
    FROM points
    {% endif %}
),
cells AS (
    SELECT
        {% for k in range(axes) %}
        c{{ k }},
        {% endfor %}
        CAST(count(*) AS DOUBLE) AS points
    FROM located
    WHERE point_id % :every = 0
    GROUP BY {% for k in range(axes) %}{{ ', ' if loop.index0 else '' }}c{{ k }}{% endfor %}

)
SELECT CAST(coalesce(sum(points * (points - 1)), 0) AS DOUBLE) AS shared
FROM cells
