-- Fills: features(entity, x0, x1, ...): valid entities, each dimension moved and scaled to 0..1.
-- Reads: features
-- Parameters: :is_valid, :narrowest (a smaller range counts as constant and is left unscaled, as in scikit-learn)
WITH valid AS (
    SELECT
        entity
        {% for k in range(dimensions) %}
        , x{{ k }}
        {% endfor %}
    FROM features
    WHERE :is_valid
),
ranges AS (
    SELECT
        count(*) AS n
        {% for k in range(dimensions) %}
        , min(x{{ k }}) AS low{{ k }}
        , CASE WHEN max(x{{ k }}) - min(x{{ k }}) < :narrowest THEN DOUBLE '1' ELSE max(x{{ k }}) - min(x{{ k }}) END AS width{{ k }}
        {% endfor %}
    FROM valid
),
scaled AS (
    SELECT
        valid.entity
        {% for k in range(dimensions) %}
        , (valid.x{{ k }} - ranges.low{{ k }}) / ranges.width{{ k }} AS x{{ k }}
        {% endfor %}
    FROM valid
    CROSS JOIN ranges
)
SELECT
    CAST(entity AS VARCHAR) AS entity
    {% for k in range(dimensions) %}
    , CAST(CASE WHEN x{{ k }} = 0 THEN 0 ELSE x{{ k }} END AS DOUBLE) AS x{{ k }}
    {% endfor %}
FROM scaled
