-- Fills: the part `cells` of other statements: each point as a vector of length 1 with its grid cell on the first axes.
-- Reads: points
-- Parameters: :side of a cell
-- Order of operations: y = x * 2^700 where every |x| < 2^-400, whose squares would vanish, else x (both exact);
-- length = sqrt(y0 * y0 + y1 * y1 + ...), added in the order of the dimensions; u = y / length.
-- A vector of zeros stays one, as in scikit-learn: its distance to all others is 1.
WITH factors AS (
    SELECT
        point_id
        {% for k in range(dimensions) %}
        , x{{ k }}
        {% endfor %}
        , CASE
            WHEN {% for k in range(dimensions) %}{{ 'AND ' if loop.index0 else '' }}abs(x{{ k }}) < DOUBLE '3.8725919148493183e-121' {% endfor %}

                THEN DOUBLE '5.260135901548374e+210'
            ELSE DOUBLE '1'
        END AS factor
    FROM points
),
magnified AS (
    SELECT
        point_id
        {% for k in range(dimensions) %}
        , x{{ k }} * factor AS y{{ k }}
        {% endfor %}
    FROM factors
),
lengths AS (
    SELECT
        point_id
        {% for k in range(dimensions) %}
        , y{{ k }}
        {% endfor %}
        , sqrt({% for k in range(dimensions) %}{{ ' + ' if loop.index0 else '' }}y{{ k }} * y{{ k }}{% endfor %}) AS measured
    FROM magnified
),
units AS (
    SELECT
        point_id
        {% for k in range(dimensions) %}
        , y{{ k }} / CASE WHEN measured = 0 THEN DOUBLE '1' ELSE measured END AS x{{ k }}
        {% endfor %}
    FROM lengths
)
SELECT
    point_id
    {% for k in range(dimensions) %}
    , x{{ k }}
    {% endfor %}
    {% for k in range(axes) %}
    , CAST(floor(x{{ k }} / :side) AS BIGINT) AS c{{ k }}
    {% endfor %}
FROM units
