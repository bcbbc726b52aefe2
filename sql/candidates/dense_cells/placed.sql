-- Fills: scratch placed(point_id, weight, cell, cell_weight, c0, ..., <measured columns>).
-- Reads: points
-- Parameters: :side of a cell; :is_apart, whether cells are too narrow to guarantee that their points are near
-- Cells are named by their smallest point id. A point outside the grid, or every point if :is_apart, is its own cell,
-- marked by its id in `apart`, because points of one cell must be near each other.
WITH cells AS (
    {% include cells %}

),
located AS (
    SELECT
        point_id,
        weight,
        {% for name in carried %}
        {{ name }},
        {% endfor %}
        {% for k in range(axes) %}
        c{{ k }},
        {% endfor %}
        CASE
            WHEN NOT :is_apart
            {% for k in range(axes) %}
            AND c{{ k }} > -1099511627776 AND c{{ k }} < 1099511627776
            {% endfor %}
                THEN -1
            ELSE point_id
        END AS apart
    FROM cells
),
sizes AS (
    SELECT
        {% for k in range(axes) %}
        c{{ k }},
        {% endfor %}
        apart,
        min(point_id) AS cell,
        sum(weight) AS cell_weight
    FROM located
    GROUP BY {% for k in range(axes) %}c{{ k }}, {% endfor %}apart
)
SELECT
    CAST(located.point_id AS BIGINT) AS point_id,
    CAST(located.weight AS BIGINT) AS weight,
    CAST(sizes.cell AS BIGINT) AS cell,
    CAST(sizes.cell_weight AS BIGINT) AS cell_weight
    {% for k in range(axes) %}
    , CAST(located.c{{ k }} AS BIGINT) AS c{{ k }}
    {% endfor %}
    {% for name in carried %}
    , CAST(located.{{ name }} AS DOUBLE) AS {{ name }}
    {% endfor %}
FROM located
JOIN sizes
    ON sizes.apart = located.apart
    {% for k in range(axes) %}
    AND sizes.c{{ k }} = located.c{{ k }}
    {% endfor %}
