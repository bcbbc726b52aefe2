-- Fills: nothing; one row: how many ordered pairs of every k-th point, k = :every, share a cell; places in cubes.
-- Reads: points
-- Parameters: :every, :side of a cell, for places in radii of the Earth
WITH sample AS (
    SELECT
        {% if is_geo %}
        cos(latitude * DOUBLE '0.017453292519943295') * cos(longitude * DOUBLE '0.017453292519943295') AS x0,
        cos(latitude * DOUBLE '0.017453292519943295') * sin(longitude * DOUBLE '0.017453292519943295') AS x1,
        sin(latitude * DOUBLE '0.017453292519943295') AS x2
        {% else %}
        {% for k in range(axes) %}
        {{ ', ' if not loop.first else '' }}x{{ k }}
        {% endfor %}
        {% endif %}
    FROM points
    WHERE point_id % :every = 0
),
cells AS (
    SELECT
        {% for k in range(axes) %}
        floor(x{{ k }} / :side) AS c{{ k }},
        {% endfor %}
        CAST(count(*) AS DOUBLE) AS points
    FROM sample
    GROUP BY {% for k in range(axes) %}{{ ', ' if loop.index0 else '' }}floor(x{{ k }} / :side){% endfor %}

)
SELECT CAST(coalesce(sum(points * (points - 1)), 0) AS DOUBLE) AS shared
FROM cells
