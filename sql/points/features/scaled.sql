-- Fills: features(entity, x0, x1, ...): valid entities, each dimension minus its center, divided by its spread, times
-- its weight, as far as the pipeline has them.
-- Reads: features, scales
-- Parameters: :is_valid, :weight0, :weight1, ... (one for each dimension)
-- Minus zero becomes zero, so that equal numbers have equal bits.
WITH valid AS (
    SELECT
        entity
        {% for k in range(dimensions) %}
        , x{{ k }}
        {% endfor %}
    FROM features
    WHERE :is_valid
),
{% if scaled %}
statistics AS (
    SELECT
        count(*) AS dimensions
        {% for k in range(dimensions) %}
        , max(CASE WHEN dimension = {{ k }} THEN center END) AS center{{ k }}
        , max(CASE WHEN dimension = {{ k }} THEN spread END) AS spread{{ k }}
        {% endfor %}
    FROM scales
),
{% endif %}
moved AS (
    SELECT
        entity
        {% for k in range(dimensions) %}
        , {{ '(x%d - center%d) / spread%d' % (k, k, k) if scaled else 'x%d' % k }}{{ ' * :weight%d' % k if weighted else '' }} AS x{{ k }}
        {% endfor %}
    FROM valid
    {% if scaled %}
    CROSS JOIN statistics
    {% endif %}
)
SELECT
    CAST(entity AS VARCHAR) AS entity
    {% for k in range(dimensions) %}
    , CAST(CASE WHEN x{{ k }} = 0 THEN 0 ELSE x{{ k }} END AS DOUBLE) AS x{{ k }}
    {% endfor %}
FROM moved
