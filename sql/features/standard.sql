-- Fills: features(entity, x0, x1, ...): valid entities, each dimension less its mean, over its population deviation.
-- Reads: features
-- Parameters: :is_valid, :epsilon (2^-52, the spacing of doubles at 1)
-- Two passes, as the squares of the distances from the mean lose nothing. A dimension whose variance is within the
-- rounding error of a constant one is left unscaled; the bound is the one of scikit-learn's StandardScaler.
-- order-sensitive: adds up floating-point numbers
WITH valid AS (
    SELECT
        entity
        {% for k in range(dimensions) %}
        , x{{ k }}
        {% endfor %}
    FROM features
    WHERE :is_valid
),
means AS (
    SELECT
        CAST(count(*) AS DOUBLE) AS n
        {% for k in range(dimensions) %}
        , sum(x{{ k }}) / CAST(count(*) AS DOUBLE) AS mean{{ k }}
        {% endfor %}
    FROM valid
),
variances AS (
    SELECT
        max(means.n) AS n
        {% for k in range(dimensions) %}
        , max(means.mean{{ k }}) AS mean{{ k }}
        , sum((valid.x{{ k }} - means.mean{{ k }}) * (valid.x{{ k }} - means.mean{{ k }})) / max(means.n) AS var{{ k }}
        {% endfor %}
    FROM valid
    CROSS JOIN means
),
deviations AS (
    SELECT
        n
        {% for k in range(dimensions) %}
        , mean{{ k }}
        , CASE
            WHEN var{{ k }} <= n * :epsilon * var{{ k }} + (n * mean{{ k }} * :epsilon) * (n * mean{{ k }} * :epsilon)
                THEN DOUBLE '1'
            ELSE sqrt(var{{ k }})
        END AS deviation{{ k }}
        {% endfor %}
    FROM variances
),
scaled AS (
    SELECT
        valid.entity
        {% for k in range(dimensions) %}
        , (valid.x{{ k }} - deviations.mean{{ k }}) / deviations.deviation{{ k }} AS x{{ k }}
        {% endfor %}
    FROM valid
    CROSS JOIN deviations
)
SELECT
    CAST(entity AS VARCHAR) AS entity
    {% for k in range(dimensions) %}
    , CAST(CASE WHEN x{{ k }} = 0 THEN 0 ELSE x{{ k }} END AS DOUBLE) AS x{{ k }}
    {% endfor %}
FROM scaled
