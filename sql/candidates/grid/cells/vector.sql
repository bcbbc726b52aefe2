-- Fills: the part `cells` of other statements: each point with its grid cell on the first dimensions.
-- Reads: points
-- Parameters: :side of a cell
SELECT
    point_id,
    weight
    {% for k in range(dimensions) %}
    , x{{ k }}
    {% endfor %}
    {% for k in range(axes) %}
    , CAST(
        least(greatest(floor(x{{ k }} / :side), DOUBLE '-1099511627776'), DOUBLE '1099511627776') AS BIGINT
    ) AS c{{ k }}
    {% endfor %}
FROM points
