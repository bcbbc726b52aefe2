-- Fills: scratch points(point_id, weight, <feature columns>): every k-th point, k = :every, to estimate the number of pairs.
-- Reads: points
-- Parameters: :every
SELECT
    CAST(point_id AS BIGINT) AS point_id,
    CAST(weight AS BIGINT) AS weight
    {% for name in columns %}
    , {{ name }}
    {% endfor %}
FROM points
WHERE point_id % :every = 0
